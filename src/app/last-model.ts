/**
 * Which model answered last, so that the next visit loads it by itself; except when the last
 * automatic load never ended, which means that it took the tab down with it.
 */
import type { KeyValueStorage } from './settings.ts';

const LAST_KEY = 'hermit.last-model';
const LOADING_KEY = 'hermit.loading-model';

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

  /** The model to load without being asked, or null; a load that crashed is not tried again. */
  get loadAtStart(): string | null {
    return this.#read(LOADING_KEY) === null ? this.#id : null;
  }

  /** The page is left in the ordinary way: a load under way did not crash it. */
  leave(): void {
    this.#write(LOADING_KEY, null);
  }

  /** Runs a load with a mark that outlives a crash of the tab. */
  async marked<T>(id: string, load: () => Promise<T>): Promise<T> {
    this.#write(LOADING_KEY, id);
    try {
      return await load();
    } finally {
      this.#write(LOADING_KEY, null);
    }
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
