import { describe, expect, it } from 'vitest';
import { memoryStorage } from '../../test/fixtures/memory-storage.ts';
import { CrashJournal, type TabLocks } from './crash-journal.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

/** A browser whose tabs can be made to crash: their locks go and what they wrote stays. */
class Tabs {
  readonly storage = memoryStorage();
  readonly #held = new Map<string, string>();

  open(tabId: string): CrashJournal {
    const locks: TabLocks = {
      request: (name) => {
        this.#held.set(tabId, name);
        return forever();
      },
      query: () => Promise.resolve({ held: [...this.#held.values()].map((name) => ({ name })) }),
    };
    return new CrashJournal({ storage: this.storage, locks, tabId });
  }

  crash(tabId: string): void {
    this.#held.delete(tabId);
  }
}

describe('the journal of crashes', () => {
  it('knows nothing of a first visit', async () => {
    expect(await new Tabs().open('one').readCrash()).toBeNull();
  });

  it.each(['loading', 'answering'] as const)(
    'tells once of a tab that crashed while %s',
    async (work) => {
      const tabs = new Tabs();
      void tabs.open('one').during('m', work, forever);
      tabs.crash('one');
      const next = tabs.open('two');
      expect(await next.readCrash()).toEqual({ modelId: 'm', work, times: 1 });
      expect(next.isFeared('m')).toBe(false);
      expect(await tabs.open('three').readCrash()).toBeNull();
    },
  );

  it('takes another tab at work for no crash', async () => {
    const tabs = new Tabs();
    void tabs.open('one').during('m', 'loading', forever);
    expect(await tabs.open('two').readCrash()).toBeNull();
    tabs.crash('one');
    expect(await tabs.open('three').readCrash()).toMatchObject({ modelId: 'm' });
  });

  it('fears a model after two crashes in a row, until it works', async () => {
    const tabs = new Tabs();
    for (const tab of ['one', 'two']) {
      const journal = tabs.open(tab);
      await journal.readCrash();
      void journal.during('m', 'loading', forever);
      tabs.crash(tab);
    }
    const journal = tabs.open('three');
    expect(await journal.readCrash()).toEqual({ modelId: 'm', work: 'loading', times: 2 });
    expect(journal.isFeared('m')).toBe(true);
    expect(journal.isFeared('other')).toBe(false);
    await journal.during('m', 'loading', () => Promise.resolve());
    expect(journal.isFeared('m')).toBe(false);
  });

  it('takes a failure and a page that was left for no crash', async () => {
    const tabs = new Tabs();
    const journal = tabs.open('one');
    const failing = journal.during('m', 'loading', () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    void journal.during('m', 'answering', forever);
    journal.leave();
    tabs.crash('one');
    expect(await tabs.open('two').readCrash()).toBeNull();
  });

  it('reads what somebody else wrote as nothing', async () => {
    const tabs = new Tabs();
    tabs.storage.setItem('hermit.at-work', '[7, {"tabId": 1}, null');
    tabs.storage.setItem('hermit.crashes', '["x"]');
    const journal = tabs.open('one');
    expect(await journal.readCrash()).toBeNull();
    expect(journal.isFeared('x')).toBe(false);
  });
});
