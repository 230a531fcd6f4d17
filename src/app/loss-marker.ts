/**
 * How many chats and models there were, noted outside the databases. Browsers reopen a lost or
 * damaged database as an empty one, without a word; this tells that from a first visit.
 */
import type { KeyValueStorage } from './settings.ts';

export interface StoredCounts {
  readonly chats: number;
  readonly models: number;
}

const KEY = 'hermit.stored-counts';
const none: StoredCounts = { chats: 0, models: 0 };

export class LossMarker {
  readonly #storage: KeyValueStorage | null;
  #noted: StoredCounts;

  constructor(storage: KeyValueStorage | null) {
    this.#storage = storage;
    this.#noted = this.#read();
  }

  /**
   * What is gone of what was noted last: all chats, or all models. Null where nothing is. What is
   * there now is noted.
   */
  compare(found: StoredCounts): StoredCounts | null {
    const lost: StoredCounts = {
      chats: found.chats === 0 ? this.#noted.chats : 0,
      models: found.models === 0 ? this.#noted.models : 0,
    };
    this.note(found);
    return lost.chats + lost.models === 0 ? null : lost;
  }

  /** Remembers what is stored now. */
  note(counts: Partial<StoredCounts>): void {
    const next = { ...this.#noted, ...counts };
    if (next.chats === this.#noted.chats && next.models === this.#noted.models) return;
    this.#noted = next;
    try {
      this.#storage?.setItem(KEY, JSON.stringify(next));
    } catch {
      // A full or blocked localStorage: a loss would then not be told, which is all that it costs.
    }
  }

  #read(): StoredCounts {
    try {
      const stored: unknown = JSON.parse(this.#storage?.getItem(KEY) ?? 'null');
      if (typeof stored !== 'object' || stored === null) return none;
      const { chats, models } = stored as Readonly<Record<string, unknown>>;
      return { chats: asCount(chats), models: asCount(models) };
    } catch {
      // As above, and whatever else may stand there is not ours.
      return none;
    }
  }
}

function asCount(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;
}
