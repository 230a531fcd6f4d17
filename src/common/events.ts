/**
 * A typed event source without DOM: listeners are called in the order in which they were added. One
 * that throws keeps neither the others nor the emitter from going on; its error is reported as
 * uncaught, as an event target of the browser does.
 */
export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Calls `listener` for every later event until the returned function is called. */
  on(listener: (value: T) => void): () => void {
    const wrapped = (value: T): void => {
      listener(value);
    };
    this.#listeners.add(wrapped);
    return () => {
      this.#listeners.delete(wrapped);
    };
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
