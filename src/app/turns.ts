/**
 * A queue for something that serves one at a time: the more urgent first, and within one urgency in
 * the order of asking.
 */
import { throwIfAborted } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';

/** `high`: a person waits for it; `low`: whenever nothing else is to be done. */
export type Urgency = 'high' | 'normal' | 'low';

const order: readonly Urgency[] = ['high', 'normal', 'low'];

export interface TurnsOptions {
  /** How many may wait; no limit when absent. */
  readonly mostWaiting?: number;
}

export class Turns {
  readonly #mostWaiting: number;
  readonly #busy = new ObservableValue(false);
  /** Those who wait, by urgency; calling one gives it the turn. */
  readonly #waiting = new Map<Urgency, Set<() => void>>(
    order.map((urgency) => [urgency, new Set()]),
  );
  #taken = false;

  constructor({ mostWaiting = Infinity }: TurnsOptions = {}) {
    this.#mostWaiting = mostWaiting;
  }

  /** True while somebody has the turn or waits for it. */
  get busy(): Observable<boolean> {
    return this.#busy;
  }

  /**
   * Resolves when everybody who comes before has finished; call the result to let the next one in
   * (calls after the first do nothing).
   * @throws AppError `aborted` as soon as the signal fires, without waiting for the others;
   * `engine/busy` when as many wait as may
   */
  async take(signal?: AbortSignal, urgency: Urgency = 'normal'): Promise<() => void> {
    throwIfAborted(signal);
    if (this.#taken) await this.#wait(urgency, signal);
    this.#taken = true;
    this.#busy.set(true);
    let finished = false;
    return () => {
      if (finished) return;
      finished = true;
      this.#letNextIn();
    };
  }

  async run<T>(work: () => Promise<T>, signal?: AbortSignal, urgency?: Urgency): Promise<T> {
    const finish = await this.take(signal, urgency);
    try {
      return await work();
    } finally {
      finish();
    }
  }

  #wait(urgency: Urgency, signal: AbortSignal | undefined): Promise<void> {
    const count = [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
    if (count >= this.#mostWaiting) {
      throw new AppError(
        'engine/busy',
        `${count} requests wait for the model already. Send more when some are answered.`,
        { details: { waiting: count } },
      );
    }
    const waiting = this.#waiting.get(urgency) as Set<() => void>;
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        waiting.delete(begin);
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        waiting.delete(begin);
        reject(new AppError('aborted', 'The operation was stopped.'));
      };
      waiting.add(begin);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /** The turn goes from hand to hand: nobody who asks meanwhile can take it. */
  #letNextIn(): void {
    for (const urgency of order) {
      const [next] = this.#waiting.get(urgency) ?? [];
      if (next === undefined) continue;
      next();
      return;
    }
    this.#taken = false;
    this.#busy.set(false);
  }
}
