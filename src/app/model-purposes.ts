/**
 * What each installed model is for and the memory it takes, read once from its header in the sandbox and remembered: the list
 * of models must not offer a chat with one that makes vectors.
 */
import type { MemoryNeeds, ModelUse } from '../engine/inspection/inspect-model.ts';
import type { ModelPurpose } from '../engine/models/registry.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import type { KeyValueStorage } from './settings.ts';

const KEY = 'hermit.model-purposes';

export type { ModelPurpose };

export interface ModelPurposesOptions {
  readonly storage: KeyValueStorage | null;
  /** Reads the header of a stored model in a sandbox. */
  readonly read: (modelId: string) => Promise<ModelUse>;
}

type Entry = Pick<LibraryEntry, 'id' | 'sha256' | 'addedAt' | 'state'>;

export class ModelPurposes {
  readonly #options: ModelPurposesOptions;
  readonly #known: ObservableValue<ReadonlyMap<string, ModelUse>>;
  /** Keys whose header could not be read: it is tried again at the next visit. */
  readonly #guessed = new Set<string>();
  readonly #reading = new Map<string, Promise<ModelPurpose>>();

  constructor(options: ModelPurposesOptions) {
    this.#options = options;
    this.#known = new ObservableValue(readStored(options.storage));
  }

  /** Changes whenever more is known. */
  get known(): Observable<ReadonlyMap<string, ModelUse>> {
    return this.#known;
  }

  /** Null as long as it is not known. */
  find(entry: Entry): ModelPurpose | null {
    return this.#known.value.get(keyOf(entry))?.purpose ?? null;
  }

  /** Null as long as it is not known, and where the header does not tell. */
  memory(entry: Entry): MemoryNeeds | null {
    return this.#known.value.get(keyOf(entry))?.memory ?? null;
  }

  /** A header that cannot be read says nothing: such a model counts as one to chat with. */
  of(entry: Entry): Promise<ModelPurpose> {
    const key = keyOf(entry);
    const known = this.#known.value.get(key);
    if (known !== undefined) return Promise.resolve(known.purpose);
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
      this.#change((uses) => {
        for (const key of gone) uses.delete(key);
      });
    }
    for (const entry of entries) if (entry.state.kind === 'ready') await this.of(entry);
  }

  async #read(id: string, key: string): Promise<ModelPurpose> {
    let use: ModelUse = { purpose: 'chat', memory: null };
    try {
      use = await this.#options.read(id);
    } catch {
      // Whoever wants to use the model is told why it cannot be read.
      this.#guessed.add(key);
    }
    this.#change((uses) => uses.set(key, use));
    return use.purpose;
  }

  #change(change: (uses: Map<string, ModelUse>) => void): void {
    const uses = new Map(this.#known.value);
    change(uses);
    this.#known.set(uses);
    const certain = [...uses].filter(([key]) => !this.#guessed.has(key));
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

function readStored(storage: KeyValueStorage | null): ReadonlyMap<string, ModelUse> {
  const uses = new Map<string, ModelUse>();
  try {
    const stored: unknown = JSON.parse(storage?.getItem(KEY) ?? '[]');
    for (const pair of Array.isArray(stored) ? stored : []) {
      const [key, use] = Array.isArray(pair) ? (pair as unknown[]) : [];
      if (typeof key === 'string' && isUse(use)) uses.set(key, use);
    }
  } catch {
    // What is blocked or no list of pairs is as good as nothing: the headers are read again.
  }
  return uses;
}

function isUse(value: unknown): value is ModelUse {
  if (typeof value !== 'object' || value === null) return false;
  const { purpose, memory } = value as Readonly<Record<string, unknown>>;
  return (purpose === 'chat' || purpose === 'embedding') && (memory === null || isNeeds(memory));
}

function isNeeds(value: unknown): value is MemoryNeeds {
  if (typeof value !== 'object' || value === null) return false;
  const { eight, four, trainedContext } = value as Readonly<Record<string, unknown>>;
  return typeof trainedContext === 'number' && [eight, four].every(isPlan);
}

function isPlan(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { weightBytes, workBytes, bytesPerPosition } = value as Readonly<Record<string, unknown>>;
  return [weightBytes, workBytes, bytesPerPosition].every((bytes) => typeof bytes === 'number');
}
