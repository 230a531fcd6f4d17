/**
 * A file elsewhere as a `ByteSource`, for reading its header without downloading it: each read is a
 * ranged request. From a server that ignores ranges the one answer is read on, which serves a reader
 * that goes forward; what it skips is thrown away.
 */
import { type ByteSource, checkRange } from '../common/byte-source.ts';
import { KIBIBYTE } from '../common/bytes.ts';
import { AppError } from '../common/errors.ts';
import { type ModelSource, noValidators, type OpenedRange } from './model-source.ts';
import { type PieceReader, pieceReader } from './piece-reader.ts';
import { type Clock, stallTimeoutMs, withWatchdog } from './retry.ts';

/** Holds the header of a small model, and is what `HeaderCursor` asks for first. */
const firstReadBytes = 256 * KIBIBYTE;

export interface RemoteFile extends ByteSource {
  /** False where the server does not say how long the file is; `size` is then as large as can be. */
  readonly sizeKnown: boolean;
  /** Bytes that came over the network so far. */
  readonly bytesFetched: number;
  close(): void;
}

/**
 * Asks for the first bytes of a file, which tells its size.
 * @throws AppError `download/*`, `aborted`
 */
export async function openRemoteFile(
  source: ModelSource,
  knownSize: number | null,
  clock: Clock,
  signal: AbortSignal,
): Promise<RemoteFile> {
  const file = new RangedFile(source, knownSize, clock, signal);
  await file.begin();
  return file;
}

/** An answer that is still being read: bytes from `position` on. */
interface Reading {
  readonly opened: OpenedRange;
  readonly read: PieceReader;
  readonly stop: AbortController;
  position: number;
  /** Received and not asked for yet. */
  rest: Uint8Array<ArrayBuffer>;
}

class RangedFile implements RemoteFile {
  size: number;
  sizeKnown: boolean;
  bytesFetched = 0;
  readonly #source: ModelSource;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #validators = noValidators;
  #first = new Uint8Array(0);
  #reading: Reading | null = null;

  constructor(source: ModelSource, knownSize: number | null, clock: Clock, signal: AbortSignal) {
    this.#source = source;
    this.#clock = clock;
    this.#signal = signal;
    this.size = knownSize ?? Number.MAX_SAFE_INTEGER;
    this.sizeKnown = knownSize !== null;
  }

  async begin(): Promise<void> {
    const reading = await this.#open(0, Math.min(firstReadBytes, this.size));
    const { total, validators } = reading.opened;
    this.#validators = validators;
    if (total !== null) {
      this.size = total;
      this.sizeKnown = true;
    }
    this.#first = await this.#take(reading, Math.min(firstReadBytes, this.size), 'may end');
    if (this.#first.length < Math.min(firstReadBytes, this.size)) {
      // The stream ended: without a promise of length that is where the file ends.
      this.size = this.#first.length;
      this.sizeKnown = true;
    }
    this.#keepOrStop(reading);
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    if (offset + length <= this.#first.length) return this.#first.slice(offset, offset + length);
    if (signal?.aborted === true) throw new AppError('aborted', 'The operation was stopped.');
    const held = Math.max(0, this.#first.length - offset);
    const start = offset + held;
    const fetched = await this.#fetch(start, length - held);
    if (held === 0) return fetched;
    const whole = new Uint8Array(length);
    whole.set(this.#first.subarray(offset));
    whole.set(fetched, held);
    return whole;
  }

  close(): void {
    this.#reading?.stop.abort();
    this.#reading = null;
  }

  async #fetch(start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const kept = this.#reading;
    this.#reading = null;
    if (kept !== null && kept.position <= start) {
      await this.#take(kept, start - kept.position);
      const bytes = await this.#take(kept, length);
      this.#reading = kept;
      return bytes;
    }
    const reading = await this.#open(start, start + length);
    const bytes = await this.#take(reading, length);
    this.#keepOrStop(reading);
    return bytes;
  }

  async #open(start: number, end: number): Promise<Reading> {
    const stop = new AbortController();
    const forward = (): void => {
      stop.abort(this.#signal.reason);
    };
    if (this.#signal.aborted) forward();
    this.#signal.addEventListener('abort', forward, { once: true });
    const request = {
      start,
      end,
      total: this.sizeKnown ? this.size : null,
      validators: this.#validators,
    };
    const opening = this.#source.open(request, stop.signal);
    const opened = await withWatchdog(opening, stallTimeoutMs, this.#clock);
    const read = pieceReader(opened.stream);
    return { opened, read, stop, position: start, rest: new Uint8Array(0) };
  }

  /** The next `length` bytes of an answer. @throws AppError `download/network` when it ends before */
  async #take(
    reading: Reading,
    length: number,
    ending: 'must not end' | 'may end' = 'must not end',
  ): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      if (reading.rest.length === 0) {
        const piece = await this.#piece(reading);
        if (piece === null) break;
        reading.rest = piece;
      }
      const part = reading.rest.subarray(0, length - done);
      bytes.set(part, done);
      reading.rest = reading.rest.subarray(part.length);
      done += part.length;
    }
    reading.position += done;
    if (done === length || ending === 'may end') return bytes.subarray(0, done);
    throw new AppError('download/network', 'The connection broke off. Try again.', {
      details: { received: done, promised: length },
    });
  }

  async #piece({ read }: Reading): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const piece = await withWatchdog(read(), stallTimeoutMs, this.#clock);
      this.bytesFetched += piece?.length ?? 0;
      // A copy: the reader uses its memory again.
      return piece === null ? null : piece.slice();
    } catch (error) {
      throw this.#source.explain(error);
    }
  }

  /** An answer without range goes on; all others are complete, or more than was asked for. */
  #keepOrStop(reading: Reading): void {
    if (reading.opened.resumable) reading.stop.abort();
    else this.#reading = reading;
  }
}
