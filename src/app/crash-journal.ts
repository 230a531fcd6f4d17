/**
 * What each tab was doing with a model, written down before it begins and struck out after it. What a
 * tab that is gone left written took it down: then nothing is loaded unasked, so that a model that is
 * too large does not end one visit after the other.
 *
 * A tab is known to live by a lock that ends with it. The journal is in `localStorage`, whose writes
 * are there for the next page even when this one dies at once.
 */
import type { KeyValueStorage } from './settings.ts';

export type Work = 'loading' | 'answering';

export interface Crash {
  readonly modelId: string;
  readonly work: Work;
  /** How often this work with this model has ended a tab, one after the other. */
  readonly times: number;
}

/** What is used of the browser's `LockManager`. */
export interface TabLocks {
  request(name: string, work: () => Promise<unknown>): Promise<unknown>;
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>;
}

export interface CrashJournalOptions {
  readonly storage: KeyValueStorage | null;
  /** Null in browsers without locks, where all other tabs count as gone. */
  readonly locks: TabLocks | null;
  readonly tabId?: string;
}

interface Entry {
  readonly tabId: string;
  readonly modelId: string;
  readonly work: Work;
}

const OPEN_KEY = 'hermit.at-work';
const CRASHES_KEY = 'hermit.crashes';
const lockPrefix = 'hermit-tab:';
/** From this many crashes on, a model is not loaded unasked until it has worked again. */
const crashesInARow = 2;
/** More entries than this are not read: nobody has so many tabs at work. */
const mostEntries = 100;

export class CrashJournal {
  readonly #options: CrashJournalOptions;
  readonly #tabId: string;
  #open: readonly Work[] = [];

  constructor(options: CrashJournalOptions) {
    this.#options = options;
    this.#tabId = options.tabId ?? crypto.randomUUID();
    // Held until the tab ends, however it ends.
    options.locks
      ?.request(lockPrefix + this.#tabId, () => new Promise(() => undefined))
      .catch(() => undefined);
  }

  /** Strikes out what tabs left that are gone, and tells of the last of it. Ask once, at the start. */
  async readCrash(): Promise<Crash | null> {
    const alive = await this.#aliveTabs();
    const entries = this.#entries();
    const left = entries.filter(({ tabId }) => !alive.has(tabId));
    if (left.length === 0) return null;
    this.#write(
      OPEN_KEY,
      entries.filter(({ tabId }) => alive.has(tabId)),
    );
    const counts = this.#counts();
    for (const { modelId, work } of left) {
      const key = countKey(modelId, work);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    this.#write(CRASHES_KEY, Object.fromEntries(counts));
    const last = left.at(-1);
    if (last === undefined) return null;
    const { modelId, work } = last;
    return { modelId, work, times: counts.get(countKey(modelId, work)) ?? 1 };
  }

  /** Whether a model has ended so many tabs that it is not to be loaded unasked. */
  isFeared(modelId: string): boolean {
    const counts = this.#counts();
    return (['loading', 'answering'] as const).some(
      (work) => (counts.get(countKey(modelId, work)) ?? 0) >= crashesInARow,
    );
  }

  /** Does a piece of work that is written down while it lasts; ended well, earlier crashes are forgiven. */
  async during<T>(modelId: string, work: Work, run: () => Promise<T>): Promise<T> {
    this.#enter(modelId, work);
    try {
      const result = await run();
      this.#forgive(modelId, work);
      return result;
    } finally {
      this.#leave(work);
    }
  }

  /** The page is left in the ordinary way: what it was doing did not take it down. */
  leave(): void {
    this.#open = [];
    this.#write(
      OPEN_KEY,
      this.#entries().filter(({ tabId }) => tabId !== this.#tabId),
    );
  }

  #enter(modelId: string, work: Work): void {
    this.#open = [...this.#open, work];
    const { length } = this.#open;
    // One entry of each kind is enough, however many answers wait.
    if (this.#open.indexOf(work) !== length - 1) return;
    this.#write(OPEN_KEY, [...this.#entries(), { tabId: this.#tabId, modelId, work }]);
  }

  #leave(work: Work): void {
    const at = this.#open.indexOf(work);
    if (at < 0) return;
    this.#open = this.#open.toSpliced(at, 1);
    if (this.#open.includes(work)) return;
    const others = this.#entries().filter(
      (entry) => entry.tabId !== this.#tabId || entry.work !== work,
    );
    this.#write(OPEN_KEY, others);
  }

  #forgive(modelId: string, work: Work): void {
    const counts = this.#counts();
    if (counts.delete(countKey(modelId, work))) {
      this.#write(CRASHES_KEY, Object.fromEntries(counts));
    }
  }

  async #aliveTabs(): Promise<ReadonlySet<string>> {
    const alive = new Set([this.#tabId]);
    const { locks } = this.#options;
    if (locks === null) return alive;
    for (const { name } of (await locks.query()).held ?? []) {
      if (name?.startsWith(lockPrefix) === true) alive.add(name.slice(lockPrefix.length));
    }
    return alive;
  }

  #entries(): readonly Entry[] {
    const stored = this.#read(OPEN_KEY);
    return Array.isArray(stored) ? stored.slice(0, mostEntries).filter(isEntry) : [];
  }

  #counts(): Map<string, number> {
    const stored = this.#read(CRASHES_KEY);
    const counts = new Map<string, number>();
    if (typeof stored !== 'object' || stored === null) return counts;
    for (const [key, count] of Object.entries(stored)) {
      if (Number.isSafeInteger(count)) counts.set(key, count as number);
    }
    return counts;
  }

  #read(key: string): unknown {
    try {
      return JSON.parse(this.#options.storage?.getItem(key) ?? 'null');
    } catch {
      // Blocked storage, or a text that is none of ours: nothing is known of a crash.
      return null;
    }
  }

  #write(key: string, value: object): void {
    try {
      const nothing = Object.keys(value).length === 0;
      if (nothing) this.#options.storage?.removeItem(key);
      else this.#options.storage?.setItem(key, JSON.stringify(value));
    } catch {
      // As above: a crash would then not be told, and the model be loaded again.
    }
  }
}

function countKey(modelId: string, work: Work): string {
  return `${work}:${modelId}`;
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { tabId, modelId, work } = value as Readonly<Record<string, unknown>>;
  return (
    typeof tabId === 'string' &&
    typeof modelId === 'string' &&
    (work === 'loading' || work === 'answering')
  );
}
