/** A queue for something that serves one at a time, in the order of asking. */
import { untilAborted } from '../common/abort.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';

export class Turns {
  #last: Promise<void> = Promise.resolve();
  readonly #busy = new ObservableValue(false);
  #count = 0;

  /** True while somebody has the turn or waits for it. */
  get busy(): Observable<boolean> {
    return this.#busy;
  }

  /**
   * Resolves when everybody who asked before has finished; call the result to let the next one in
   * (calls after the first do nothing).
   * @throws AppError `aborted` as soon as the signal fires, without waiting for the others
   */
  async take(signal?: AbortSignal): Promise<() => void> {
    this.#changeCount(1);
    const before = this.#last;
    let letNextIn = (): void => undefined;
    this.#last = new Promise<void>((resolve) => {
      letNextIn = resolve;
    });
    let finished = false;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      this.#changeCount(-1);
      letNextIn();
    };
    try {
      await untilAborted(before, signal);
    } catch (error) {
      // Who comes next still waits for those before.
      void before.then(finish);
      throw error;
    }
    return finish;
  }

  #changeCount(by: number): void {
    this.#count += by;
    this.#busy.set(this.#count > 0);
  }

  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const finish = await this.take(signal);
    try {
      return await work();
    } finally {
      finish();
    }
  }
}
