import { throwIfAborted } from '../../../common/abort.ts';
import type { ByteSource } from '../../../common/byte-source.ts';
import { KIBIBYTE, MEBIBYTE } from '../../../common/bytes.ts';
import { overLimit, truncated } from './file-errors.ts';

/** The first piece holds the whole header of a small model; a vocabulary of 256k tokens takes four or five. */
const firstPieceBytes = 256 * KIBIBYTE;
const largestPieceBytes = 4 * MEBIBYTE;

/**
 * A forward cursor over the header of a file, holding only the piece it is in.
 *
 * Reading is synchronous while the bytes are here; `await cursor.fill(n)` brings them when
 * `cursor.has(n)` says they are not. The split keeps a vocabulary of 256k strings from costing as
 * many promises. Pieces grow, so that a large header needs few reads and a small file no large one.
 */
export class HeaderCursor {
  readonly #source: ByteSource;
  readonly #headerBytes: number;
  readonly #signal: AbortSignal | undefined;
  #window = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  #windowOffset = 0;
  #index = 0;
  #pieceBytes = firstPieceBytes;

  /** @param headerBytes where the header must have ended (`GgufLimits.headerBytes`) */
  constructor(source: ByteSource, headerBytes: number, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#headerBytes = headerBytes;
    this.#signal = signal;
  }

  /** Position of the next byte in the file. */
  get offsetBytes(): number {
    return this.#windowOffset + this.#index;
  }

  has(length: number): boolean {
    return this.#index + length <= this.#window.length;
  }

  /**
   * Brings the next `length` bytes, so that they can be read synchronously.
   * @throws ModelFileError `model-file/truncated`, `model-file/limit`; whatever the source throws
   */
  async fill(length: number, field: string): Promise<void> {
    throwIfAborted(this.#signal);
    const at = { field, offsetBytes: this.offsetBytes };
    const end = this.offsetBytes + length;
    // The file's end first: a length that cannot be true is an incomplete file, whatever the limit.
    if (end > this.#source.size) throw truncated(at, `it ends within ${field}`);
    if (end > this.#headerBytes) {
      throw overLimit(at, 'the size of the header in bytes', end, this.#headerBytes);
    }
    const kept = this.#window.subarray(this.#index);
    const readOffset = this.#windowOffset + this.#window.length;
    const wanted = Math.min(
      Math.max(length - kept.length, this.#pieceBytes),
      Math.min(this.#source.size, this.#headerBytes) - readOffset,
    );
    this.#pieceBytes = Math.min(2 * this.#pieceBytes, largestPieceBytes);
    const fresh = await this.#source.read(readOffset, wanted, this.#signal);
    const joined = new Uint8Array(kept.length + fresh.length);
    joined.set(kept);
    joined.set(fresh, kept.length);
    this.#windowOffset += this.#index;
    this.#index = 0;
    this.#window = joined;
    this.#view = new DataView(joined.buffer);
  }

  /** A view of the next bytes that stays where it is; valid until the next `fill`. */
  peek(length: number): Uint8Array {
    return this.#window.subarray(this.#index, this.#index + length);
  }

  /** A view of the next `length` bytes, valid until the next `fill`; the cursor moves behind them. */
  take(length: number): Uint8Array<ArrayBuffer> {
    return this.#window.subarray(this.#advance(length), this.#index);
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#advance(8), true);
  }

  float32(): number {
    return this.#view.getFloat32(this.#advance(4), true);
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  /** Where the bytes to read begin in the window. */
  #advance(length: number): number {
    const start = this.#index;
    this.#index += length;
    return start;
  }
}
