import { AppError } from './errors.ts';

/**
 * Random access to the bytes of one file: a stored model, a local `File`, a buffer.
 *
 * A source owns no file position; reads may overlap in time. It promises exactly the bytes asked
 * for or a rejection, never a short read.
 */
export interface ByteSource {
  /** Length of the file in bytes. */
  readonly size: number;
  /** Where several files are read as one: their lengths, in order. */
  readonly partSizes?: readonly number[];
  /** Names the bytes, where it is known: sources with the same have the same. */
  readonly contentHash?: string;
  /**
   * Bytes `[offset, offset + length)`. `spare` is memory the caller has no use for any more (an older
   * result's buffer); the source may fill and return it.
   * @throws AppError `store/damaged`, `download/local-file-changed`, `aborted`, `invalid-argument` (range outside the file)
   */
  read(
    offset: number,
    length: number,
    signal?: AbortSignal,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>>;
}

/** A `ByteSource` over bytes already in memory; reads are copies. */
export class BufferByteSource implements ByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.byteLength;
  }

  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      checkRange(this.size, offset, length);
    } catch (error) {
      return Promise.reject(error);
    }
    return Promise.resolve(new Uint8Array(this.#bytes.slice(offset, offset + length)));
  }
}

/** @throws AppError `invalid-argument` when `[offset, offset + length)` does not lie inside a file of `size` bytes. */
export function checkRange(size: number, offset: number, length: number): void {
  const valid =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= size;
  if (!valid) {
    throw new AppError('invalid-argument', 'A read reached outside the file.', {
      details: { size, offset, length },
    });
  }
}
