/**
 * What each installed model is for, read once from its header in the sandbox and remembered: the list
 * of models must not offer a chat with one that makes vectors.
 */
import type { ModelPurpose } from '../engine/models/registry.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import type { KeyValueStorage } from './settings.ts';

const KEY = 'hermit.model-purposes';

export type { ModelPurpose };

export interface ModelPurposesOptions {
  readonly storage: KeyValueStorage | null;
  /** Reads the header of a stored model in a sandbox. */
  readonly read: (modelId: string) => Promise<ModelPurpose>;
}

type Entry = Pick<LibraryEntry, 'id' | 'sha256' | 'addedAt' | 'state'>;

export class ModelPurposes {
  readonly #options: ModelPurposesOptions;
  readonly #known: ObservableValue<ReadonlyMap<string, ModelPurpose>>;
  /** Keys whose header could not be read: it is tried again at the next visit. */
  readonly #guessed = new Set<string>();
  readonly #reading = new Map<string, Promise<ModelPurpose>>();

  constructor(options: ModelPurposesOptions) {
    this.#options = options;
    this.#known = new ObservableValue(readStored(options.storage));
  }

  /** Changes whenever more is known. */
  get known(): Observable<ReadonlyMap<string, ModelPurpose>> {
    return this.#known;
  }

  /** Null as long as it is not known. */
  find(entry: Entry): ModelPurpose | null {
    return this.#known.value.get(keyOf(entry)) ?? null;
  }

  /** A header that cannot be read says nothing: such a model counts as one to chat with. */
  of(entry: Entry): Promise<ModelPurpose> {
    const key = keyOf(entry);
    const known = this.#known.value.get(key);
    if (known !== undefined) return Promise.resolve(known);
    const before = this.#reading.get(key);
    if (before !== undefined) return before;
    const reading = this.#read(entry.id, key).finally(() => {
      this.#reading.delete(key);
    });
    this.#reading.set(key, reading);
    return reading;
  }

  /** Reads the headers of the models that are ready and not known, and forgets those that are gone. */
  async follow(entries: readonly Entry[]): Promise<void> {
    const keys = new Set(entries.map(keyOf));
    const gone = [...this.#known.value.keys()].filter((key) => !keys.has(key));
    if (gone.length > 0) {
      this.#change((purposes) => {
        for (const key of gone) purposes.delete(key);
      });
    }
    for (const entry of entries) if (entry.state.kind === 'ready') await this.of(entry);
  }

  async #read(id: string, key: string): Promise<ModelPurpose> {
    let purpose: ModelPurpose = 'chat';
    try {
      purpose = await this.#options.read(id);
    } catch {
      // Whoever wants to use the model is told why it cannot be read.
      this.#guessed.add(key);
    }
    this.#change((purposes) => purposes.set(key, purpose));
    return purpose;
  }

  #change(change: (purposes: Map<string, ModelPurpose>) => void): void {
    const purposes = new Map(this.#known.value);
    change(purposes);
    this.#known.set(purposes);
    const certain = [...purposes].filter(([key]) => !this.#guessed.has(key));
    try {
      this.#options.storage?.setItem(KEY, JSON.stringify(certain));
    } catch {
      // A full or blocked storage costs reading the headers again at the next visit.
    }
  }
}

/** Another file under the same id is another model. */
function keyOf({ id, sha256, addedAt }: Entry): string {
  return sha256 ?? `${id} ${addedAt}`;
}

function readStored(storage: KeyValueStorage | null): ReadonlyMap<string, ModelPurpose> {
  const purposes = new Map<string, ModelPurpose>();
  try {
    const stored: unknown = JSON.parse(storage?.getItem(KEY) ?? '[]');
    for (const pair of Array.isArray(stored) ? stored : []) {
      const [key, purpose] = Array.isArray(pair) ? (pair as unknown[]) : [];
      if (typeof key !== 'string') continue;
      if (purpose === 'chat' || purpose === 'embedding') purposes.set(key, purpose);
    }
  } catch {
    // What is blocked or no list of pairs is as good as nothing: the headers are read again.
  }
  return purposes;
}
