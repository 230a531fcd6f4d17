/**
 * What watches over the rest: notices a crash of the tab before, stored data that is gone, and
 * databases that were taken away, and tells the person.
 */
import { AppNotices } from './notices.ts';
import { CrashJournal, type TabLocks } from './crash-journal.ts';
import { LossMarker, type StoredCounts } from './loss-marker.ts';
import type { KeyValueStorage } from './settings.ts';

export class Safety {
  readonly notices = new AppNotices();
  readonly journal: CrashJournal;
  readonly #marker: LossMarker;
  #compared = false;

  constructor(storage: KeyValueStorage | null, locks: TabLocks | null) {
    this.journal = new CrashJournal({ storage, locks });
    this.#marker = new LossMarker(storage);
  }

  /** Tells of the tab before, where it did not end well. @returns whether it did not */
  async tellCrash(nameOf: (modelId: string) => string | null): Promise<boolean> {
    const crash = await this.journal.readCrash();
    if (crash === null) return false;
    const modelName = nameOf(crash.modelId);
    // Of a model that is gone nothing can be feared any more.
    if (modelName !== null) this.notices.show({ kind: 'crashed', modelName, ...crash });
    return true;
  }

  /** Once at the start, when everything was read: tells what is missing. */
  compare(found: StoredCounts): void {
    this.#compared = true;
    const lost = this.#marker.compare(found);
    if (lost !== null) this.notices.show({ kind: 'data-lost', ...lost });
  }

  /** What is there changed, by the person's own doing. */
  note(counts: Partial<StoredCounts>): void {
    if (this.#compared) this.#marker.note(counts);
  }
}
