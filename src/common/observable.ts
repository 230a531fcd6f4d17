import { Emitter } from './events.ts';

/** A value that changes over time: read it now, or be told of every later one. */
export interface Observable<T> {
  readonly value: T;
  /** Calls `listener` for every change until the returned function is called; not for the value now. */
  subscribe(listener: (value: T) => void): () => void;
}

/** An `Observable` whose owner sets the value. Setting an identical value tells nobody. */
export class ObservableValue<T> implements Observable<T> {
  readonly #changes = new Emitter<T>();
  #value: T;

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.#changes.emit(value);
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  subscribe(listener: (value: T) => void): () => void {
    return this.#changes.on(listener);
  }
}
