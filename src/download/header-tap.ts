/**
 * Looks at the header of a file while it is being downloaded, so that a model that cannot be used is
 * refused after its header and not after its gigabytes.
 *
 * The download hands over what arrives; the checker, a sandbox, reads it as a `ByteSource`. Only what
 * lies in front of the checker is kept, and a checker that falls behind holds the download up.
 */
import { type ByteSource, checkRange } from '../common/byte-source.ts';
import { MEBIBYTE } from '../common/bytes.ts';
import { AppError, hasCode, toAppError } from '../common/errors.ts';

/** Reads a model's header; rejects when the model cannot be used on this device. */
export type HeaderCheck = (source: ByteSource, signal: AbortSignal) => Promise<unknown>;

/** More than a checker ever asks for at once. */
const keptBytes = 24 * MEBIBYTE;
const unknownSize = Number.MAX_SAFE_INTEGER;

export class HeaderTap implements ByteSource {
  readonly #check: HeaderCheck;
  readonly #stop = new AbortController();
  #size = unknownSize;
  /** Bytes `[#start, #end)` of the file, in pieces. */
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #start = 0;
  /** What the checker has left behind. */
  #passed = 0;
  /** Then all pieces stay for a second look, once the end of the file is known. */
  #sizeWasUnknown = false;
  #end = 0;
  #verdict: Promise<unknown> | null = null;
  #decided = false;
  #refusal: AppError | null = null;
  #wake: (() => void)[] = [];

  constructor(check: HeaderCheck) {
    this.#check = check;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Takes bytes that arrived; those that do not continue what is here are of no use and ignored.
   * @param size length of the whole file where it is known
   * @throws AppError why the model cannot be used, as soon as that is known
   */
  async take(position: number, piece: Uint8Array, size: number | null): Promise<void> {
    this.#throwRefusal();
    if (this.#decided || position > this.#end || position + piece.length <= this.#end) return;
    if (size !== null) this.#size = size;
    const fresh = piece.slice(this.#end - position);
    this.#pieces.push(fresh);
    this.#end += fresh.length;
    void this.#begin();
    this.#awaken();
    while (!this.#decided && this.#end - this.#passed > keptBytes) await this.#change();
    this.#throwRefusal();
  }

  /** Resolves when the model may be kept. @throws AppError why it cannot be used */
  async settle(size: number): Promise<void> {
    this.#size = size;
    this.#awaken();
    await this.#verdict;
    this.#throwRefusal();
    if (!this.#sizeWasUnknown || this.#stop.signal.aborted) return;
    // Only now can it be seen whether what the header promises is in the file.
    this.#sizeWasUnknown = false;
    this.#decided = false;
    this.#verdict = null;
    await this.#begin();
    this.#throwRefusal();
  }

  /** Ends the check without a verdict. */
  close(): void {
    this.#stop.abort();
    this.#decide();
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.#size, offset, length);
    this.#drop(offset);
    while (this.#end < offset + length) {
      if (this.#decided) throw new AppError('aborted', 'The download was stopped.');
      checkRange(this.#size, offset, length);
      await this.#change();
    }
    if (offset < this.#start) throw new AppError('internal', 'A header was read backwards.');
    const bytes = new Uint8Array(length);
    let at = this.#start - offset;
    for (const piece of this.#pieces) {
      if (at >= length) break;
      const from = Math.max(0, -at);
      const part = piece.subarray(from, Math.min(piece.length, length - at));
      bytes.set(part, at + from);
      at += piece.length;
    }
    return bytes;
  }

  #throwRefusal(): void {
    if (this.#refusal !== null) throw this.#refusal;
  }

  /** Has the header checked, once. Never rejects. */
  #begin(): Promise<unknown> {
    if (this.#verdict !== null) return this.#verdict;
    this.#sizeWasUnknown = this.#size === unknownSize;
    this.#verdict = this.#check(this, this.#stop.signal)
      .catch((error: unknown) => {
        // Only what is wrong with the model counts: a check that could not be made refuses nothing.
        const reason = toAppError(error);
        const refused =
          reason.code.startsWith('model-file/') || hasCode(reason, 'engine/out-of-memory');
        if (refused && !this.#decided) this.#refusal = reason;
      })
      .finally(() => {
        this.#decide();
      });
    return this.#verdict;
  }

  #decide(): void {
    this.#decided = true;
    if (!this.#sizeWasUnknown) this.#pieces = [];
    this.#awaken();
  }

  /** Forgets whole pieces before `offset`, unless the header has to be looked at again. */
  #drop(offset: number): void {
    this.#passed = Math.max(this.#passed, offset);
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      if (this.#sizeWasUnknown || this.#start + piece.length > offset) break;
      this.#start += piece.length;
      this.#pieces.shift();
    }
    this.#awaken();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
    });
  }

  #awaken(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
