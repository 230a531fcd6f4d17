/** When to try again: exponential backoff with full jitter, and patience that ends without progress. */
import { delay } from '../common/abort.ts';
import { AppError, type ErrorCode, hasCode } from '../common/errors.ts';

/** Time and chance, so that tests need neither. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** @throws AppError `aborted` */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: delay,
};

const firstWaitMs = 1000;
const longestWaitMs = 60_000;
/** A server may ask for more patience than this; then the download pauses with its words. */
const longestRetryAfterMs = 10 * 60_000;
/** Tries without a single new byte before the download pauses. */
const triesWithoutProgress = 10;
/** A server that sends wrong ranges does not get better by waiting. */
const badRangeTries = 3;

const retryable: readonly ErrorCode[] = [
  'download/network',
  'download/rate-limited',
  'download/server-error',
  'download/stalled',
  'download/bad-range',
];

/** Counts failures and says how long to wait. One object for one download. */
export class RetryPolicy {
  readonly #clock: Clock;
  #failures = 0;
  #badRanges = 0;
  #denied = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** New bytes arrived: all patience is back. */
  progressed(): void {
    this.#failures = 0;
    this.#badRanges = 0;
  }

  /** Milliseconds to wait before the next try, or null when there should be none. */
  waitAfter(error: AppError): number | null {
    // A signed address may have expired: asking the publisher once more gives a new one.
    if (error.code === 'download/access-denied' && !this.#denied) {
      this.#denied = true;
      return 0;
    }
    if (!hasCode(error, ...retryable)) return null;
    this.#failures++;
    if (error.code === 'download/bad-range') this.#badRanges++;
    if (this.#failures >= triesWithoutProgress || this.#badRanges >= badRangeTries) return null;
    const ceiling = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#failures);
    const jittered = Math.max(firstWaitMs, this.#clock.random() * ceiling);
    const asked = error.details['retryAfterMs'];
    if (typeof asked !== 'number') return jittered;
    return asked > longestRetryAfterMs ? null : Math.max(asked, jittered);
  }
}

/** `Retry-After` in milliseconds from `now`: seconds or a date (RFC 9110, 10.2.3); null without. */
export function parseRetryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d{1,9}$/u.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** No byte for this long means that the connection is dead. */
export const stallTimeoutMs = 30_000;

/**
 * Settles like `work`, but rejects when it takes longer than `timeoutMs`; `work` gets a signal that
 * fires then, and when `signal` does.
 * @throws AppError `download/stalled`, `aborted`
 */
export async function withWatchdog<T>(
  work: Promise<T>,
  timeoutMs: number,
  clock: Clock,
): Promise<T> {
  const finished = new AbortController();
  const watchdog = clock.sleep(timeoutMs, finished.signal).then(
    () => {
      throw new AppError(
        'download/stalled',
        'The server has stopped sending. The download tries again by itself.',
        { details: { seconds: timeoutMs / 1000 } },
      );
    },
    // The watchdog was called off because `work` settled, which the race below has told.
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([work, watchdog]);
  } finally {
    finished.abort();
  }
}
