/**
 * A file elsewhere that is read from its beginning to its end: what fails is tried again, and what is
 * read in order is fetched ahead, because every request costs a round trip or two.
 */
import { type ByteSource, checkRange } from '../common/byte-source.ts';
import { MEBIBYTE } from '../common/bytes.ts';
import { toAppError } from '../common/errors.ts';
import { type Clock, RetryPolicy } from './retry.ts';

/** One such piece lies in memory, and a copy of it for a moment. */
const longestRequest = 16 * MEBIBYTE;

export class PatientByteSource implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #held = { offset: 0, bytes: new Uint8Array(0) };
  /** Grows while reads follow each other. */
  #ahead = 0;

  constructor(source: ByteSource, clock: Clock, signal: AbortSignal) {
    this.size = source.size;
    this.#source = source;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** @throws AppError `download/*`, `aborted` */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    const held = this.#held;
    const end = held.offset + held.bytes.length;
    const follows = offset >= held.offset && offset <= end;
    if (!follows) this.#ahead = 0;
    const kept = follows ? Math.min(length, end - offset) : 0;
    const out = new Uint8Array(length);
    const start = offset - held.offset;
    if (kept > 0) out.set(held.bytes.subarray(start, start + kept));
    if (kept === length) {
      if (offset + length === end) this.#held = { offset: end, bytes: new Uint8Array(0) };
      return out;
    }
    const wanted = length - kept;
    const fetched = await this.#fetch(
      offset + kept,
      Math.min(this.size - offset - kept, wanted + this.#ahead),
    );
    out.set(fetched.subarray(0, wanted), kept);
    // what was taken is let go: a model may have fifty files, each read to its end
    this.#held = { offset: offset + length, bytes: fetched.slice(wanted) };
    this.#ahead = Math.min(longestRequest, 2 * this.#ahead + length);
    return out;
  }

  #fetch(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const read = () => this.#source.read(offset, length, this.#signal);
    return patiently(read, this.#clock, this.#signal);
  }
}

/** Tries again, after a while, what may be better then. @throws as `work`, AppError `aborted` */
export async function patiently<T>(
  work: () => Promise<T>,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  const policy = new RetryPolicy(clock);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const waitMs = policy.waitAfter(toAppError(error));
      if (waitMs === null) throw error;
      await clock.sleep(waitMs, signal);
    }
  }
}
