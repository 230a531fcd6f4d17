/** Which model answered last, so that the next visit loads it by itself. */
import type { KeyValueStorage } from './settings.ts';

const LAST_KEY = 'hermit.last-model';

export class LastModel {
  readonly #storage: KeyValueStorage | null;
  #id: string | null;

  constructor(storage: KeyValueStorage | null) {
    this.#storage = storage;
    this.#id = this.#read(LAST_KEY);
  }

  get id(): string | null {
    return this.#id;
  }

  remember(id: string | null): void {
    this.#id = id;
    this.#write(LAST_KEY, id);
  }

  #read(key: string): string | null {
    try {
      return this.#storage?.getItem(key) ?? null;
    } catch {
      // Blocked storage remembers nothing: the person chooses the model again.
      return null;
    }
  }

  #write(key: string, value: string | null): void {
    try {
      if (value === null) this.#storage?.removeItem(key);
      else this.#storage?.setItem(key, value);
    } catch {
      // As above: forgetting which model was last is all that a full or blocked storage costs.
    }
  }
}
