/**
 * A folder of a model as the bytes of a GGUF file that nobody wrote: the header is there at once, tensors
 * are rearranged when they are read. Whatever reads GGUF files reads it, so it can be stored as it is
 * or through the quantiser, and never lies in memory.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import { checkRange } from '../../common/byte-source.ts';
import { quantType } from '../formats/quants/registry.ts';
import {
  type ConversionPlan,
  type ModelFolder,
  type Piece,
  planConversion,
} from './conversion-plan.ts';

/** @throws ModelFileError as `planConversion` */
export async function convertFolder(
  folder: ModelFolder,
  signal?: AbortSignal,
): Promise<ByteSource> {
  return new ConvertedModel(await planConversion(folder, signal), folder.weights);
}

export class ConvertedModel implements ByteSource {
  readonly size: number;
  readonly #plan: ConversionPlan;
  readonly #files: readonly ByteSource[];
  /** The tensor that was made as a whole last: it is read in several pieces. */
  #whole: { readonly index: number; readonly bytes: Uint8Array } | null = null;

  /** @param files those of the folder that the plan was made of, in the same order */
  constructor(plan: ConversionPlan, files: readonly ByteSource[]) {
    this.size = plan.layout.sizeBytes;
    this.#plan = plan;
    this.#files = files;
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    const out = new Uint8Array(length);
    const end = offset + length;
    const { header, places } = this.#plan.layout;
    if (offset < header.length) out.set(header.subarray(offset, Math.min(end, header.length)));
    for (let index = this.#firstAfter(offset); index < places.length; index++) {
      const { offsetBytes, sizeBytes } = places[index] as (typeof places)[number];
      if (offsetBytes >= end) break;
      const from = Math.max(offset, offsetBytes);
      const to = Math.min(end, offsetBytes + sizeBytes);
      const bytes = await this.#readPiece(index, from - offsetBytes, to - offsetBytes, signal);
      out.set(bytes, from - offset);
    }
    return out;
  }

  /** The first tensor that ends behind a place. */
  #firstAfter(offset: number): number {
    const { places } = this.#plan.layout;
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offsetBytes, sizeBytes } = places[middle] as (typeof places)[number];
      if (offsetBytes + sizeBytes <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Bytes `[begin, end)` of a tensor as it becomes. */
  async #readPiece(
    index: number,
    begin: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const piece = this.#plan.pieces[index] as Piece;
    const { change } = piece;
    switch (change.kind) {
      case 'none':
        return this.#readRows(piece, begin, end, signal);
      case 'pairs': {
        const headBytes = sizeOf(piece) / change.heads;
        const first = Math.floor(begin / headBytes) * headBytes;
        const last = Math.ceil(end / headBytes) * headBytes;
        const bytes = await this.#readRows(piece, first, last, signal);
        return neighbours(bytes, headBytes, rowBytesOf(piece)).subarray(begin - first, end - first);
      }
      case 'values': {
        const { buffer, byteOffset } = change.values;
        return new Uint8Array(buffer, byteOffset + begin, end - begin);
      }
      case 'whole': {
        if (this.#whole?.index !== index) {
          const bytes = await this.#readRows(piece, 0, sizeOf(piece), signal);
          this.#whole = { index, bytes: changeWhole(bytes, piece, change) };
        }
        return this.#whole.bytes.subarray(begin, end);
      }
    }
  }

  /** Bytes `[begin, end)` of all that a tensor is made of, one after the other. */
  async #readRows(
    { extents }: Piece,
    begin: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const out = new Uint8Array(end - begin);
    let position = 0;
    for (const { file, offsetBytes, sizeBytes } of extents) {
      const [from, to] = [Math.max(begin, position), Math.min(end, position + sizeBytes)];
      if (from < to) {
        const start = offsetBytes + from - position;
        const bytes = await (this.#files[file] as ByteSource).read(start, to - from, signal);
        if (to - from === out.length) return bytes;
        out.set(bytes, from - begin);
      }
      position += sizeBytes;
      if (position >= end) break;
    }
    return out;
  }
}

/** Bytes of what a tensor is made of. */
function sizeOf({ extents }: Piece): number {
  return extents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function rowBytesOf(piece: Piece): number {
  const [first = 1, ...others] = piece.shape;
  const rows = others.length === 0 ? first : others.reduce((product, size) => product * size, 1);
  return sizeOf(piece) / rows;
}

function changeWhole(
  bytes: Uint8Array,
  piece: Piece,
  { from, pairsOf, change, shift }: Extract<Piece['change'], { readonly kind: 'whole' }>,
): Uint8Array {
  if (change === 'transposed') return transposed(bytes, piece.shape, rowBytesOf(piece));
  const ordered =
    pairsOf === null ? bytes : neighbours(bytes, bytes.length / pairsOf, rowBytesOf(piece));
  const values = new Float32Array(piece.shape.reduce((product, size) => product * size, 1));
  quantType(from).dequantize(ordered, values);
  for (const [index, value] of values.entries()) {
    values[index] = change === null ? value + shift : -Math.exp(value);
  }
  return new Uint8Array(values.buffer);
}

/** @param shape of the result, fastest-varying first; `rowBytes` of one of its rows */
function transposed(from: Uint8Array, shape: readonly number[], rowBytes: number): Uint8Array {
  const [columns = 1, rows = 1] = shape;
  const elementBytes = rowBytes / columns;
  const [source, target] =
    elementBytes === 4
      ? [new Uint32Array(from.slice().buffer), new Uint32Array(columns * rows)]
      : [new Uint16Array(from.slice().buffer), new Uint16Array(columns * rows)];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      target[row * columns + column] = source[column * rows + row] as number;
    }
  }
  return new Uint8Array(target.buffer);
}

/** Rows of every head: the pair (i, i + half) becomes (2i, 2i + 1). */
function neighbours(from: Uint8Array, headBytes: number, rowBytes: number): Uint8Array {
  const to = new Uint8Array(from.length);
  const half = headBytes / rowBytes / 2;
  for (let head = 0; head < from.length; head += headBytes) {
    for (let row = 0; row < 2 * half; row++) {
      const source = head + ((row % 2) * half + (row >> 1)) * rowBytes;
      to.set(from.subarray(source, source + rowBytes), head + row * rowBytes);
    }
  }
  return to;
}
