/** Several files read as one: the parts of a model that was published in pieces. */
import { type ByteSource, checkRange } from './byte-source.ts';

/** The files of `parts`, one behind the other, without gaps. Each read asks only the parts it touches. */
export class JoinedByteSource<Part extends ByteSource = ByteSource> implements ByteSource {
  readonly size: number;
  readonly partSizes: readonly number[];
  readonly parts: readonly Part[];

  constructor(parts: readonly Part[]) {
    this.parts = parts;
    this.partSizes = parts.map(({ size }) => size);
    this.size = this.partSizes.reduce((sum, size) => sum + size, 0);
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    let start = 0;
    const pieces: Promise<Uint8Array<ArrayBuffer>>[] = [];
    for (const part of this.parts) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + part.size);
      // Two parts must not fill the same memory.
      const memory = to - from === length ? spare : undefined;
      if (from < to) pieces.push(part.read(from - start, to - from, signal, memory));
      start += part.size;
    }
    const [first] = pieces;
    // A tensor lies in one part, so this is the way of nearly every read: no copy.
    if (first !== undefined && pieces.length === 1) return first;
    const result = new Uint8Array(length);
    let done = 0;
    for (const piece of await Promise.all(pieces)) {
      result.set(piece, done);
      done += piece.length;
    }
    return result;
  }
}

/** Bytes `[start, start + size)` of another source, as a file of its own. */
export class SlicedByteSource implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #start: number;

  /** @throws AppError `invalid-argument` when the range does not lie in `source` */
  constructor(source: ByteSource, start: number, size: number) {
    checkRange(source.size, start, size);
    this.#source = source;
    this.#start = start;
    this.size = size;
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    return this.#source.read(this.#start + offset, length, signal, spare);
  }
}
