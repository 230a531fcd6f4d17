import 'fake-indexeddb/auto';
import { deleteDB } from 'idb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { hasCode } from '../../../src/common/errors.ts';
import { defaultBlockSizes } from '../../../src/store/block-layout.ts';
import { IdbManifestStore } from '../../../src/store/idb-manifest-store.ts';
import type { ManifestStore } from '../../../src/store/manifest-store.ts';
import type { ContentRecord } from '../../../src/store/manifest.ts';
import { MemoryManifestStore } from '../../../src/store/memory-manifest-store.ts';

function content(id: string, size: number): ContentRecord {
  return {
    id,
    state: 'reserved',
    sizes: defaultBlockSizes,
    size,
    blocks: [],
    hashProgress: null,
    sha256: null,
    problem: null,
  };
}

let databases = 0;
const implementations: readonly [string, () => ManifestStore][] = [
  ['memory', () => new MemoryManifestStore()],
  ['IndexedDB', () => new IdbManifestStore({ name: `manifest-${databases++}` })],
];

describe.each(implementations)('manifest store contract: %s', (_name, open) => {
  let store: ManifestStore;
  beforeEach(() => {
    store = open();
  });
  afterEach(() => {
    store.close();
  });

  test('is empty at first', async () => {
    const tables = await store.read();
    expect(tables.models.size + tables.contents.size).toBe(0);
  });

  test('keeps what a change set and returns what it returned', async () => {
    const result = await store.change((tables) => {
      tables.contents.set('a', content('a', 1));
      return 'done';
    });
    expect(result).toBe('done');
    expect((await store.read()).contents.get('a')).toEqual(content('a', 1));
  });

  test('a change that throws changes nothing and its own error comes out', async () => {
    await store.change((tables) => tables.contents.set('a', content('a', 1)));
    const failure = new RangeError('mine');
    await expect(
      store.change((tables) => {
        tables.contents.set('b', content('b', 2));
        tables.contents.delete('a');
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect([...(await store.read()).contents.keys()]).toEqual(['a']);
  });

  test('a snapshot is not the store', async () => {
    (await store.read()).contents.set('a', content('a', 1));
    expect((await store.read()).contents.size).toBe(0);
  });

  test('deletes records', async () => {
    await store.change((tables) => tables.contents.set('a', content('a', 1)));
    await store.change((tables) => tables.contents.delete('a'));
    expect((await store.read()).contents.size).toBe(0);
  });

  test('changes made at once do not lose each other', async () => {
    await store.change((tables) => tables.contents.set('a', content('a', 0)));
    const increment = (): Promise<unknown> =>
      store.change((tables) => {
        const before = tables.contents.get('a');
        tables.contents.set('a', content('a', (before?.size ?? NaN) + 1));
      });
    await Promise.all(Array.from({ length: 25 }, increment));
    expect((await store.read()).contents.get('a')?.size).toBe(25);
  });

  test('keeps the state of a hash as bytes', async () => {
    const hashProgress = { bytes: 3, state: Uint8Array.of(1, 2, 255) };
    await store.change((tables) => tables.contents.set('a', { ...content('a', 3), hashProgress }));
    expect((await store.read()).contents.get('a')?.hashProgress).toEqual(hashProgress);
  });
});

describe('IndexedDB manifest', () => {
  test('opens anew after the connection was lost, and again gives what was stored', async () => {
    const name = `lost-${databases++}`;
    const sleeps: number[] = [];
    const store = new IdbManifestStore({
      name,
      sleep: (milliseconds) => {
        sleeps.push(milliseconds);
        return Promise.resolve();
      },
    });
    await store.change((tables) => tables.contents.set('a', content('a', 7)));
    const lose = (): never => {
      throw new DOMException('Connection to Indexed Database server lost.', 'UnknownError');
    };
    const transaction = vi.spyOn(IDBDatabase.prototype, 'transaction');
    transaction.mockImplementationOnce(lose).mockImplementationOnce(lose);
    expect((await store.read()).contents.get('a')?.size).toBe(7);
    expect(sleeps).toEqual([100, 400]);
    transaction.mockImplementation(lose);
    await expect(store.read()).rejects.toSatisfy((error) => hasCode(error, 'store/unavailable'));
    expect(sleeps.length).toBe(5);
    transaction.mockRestore();
    expect((await store.read()).contents.get('a')?.size).toBe(7);
    store.close();
  });

  test('gets out of the way of a deletion in another tab and says so', async () => {
    const name = `superseded-${databases++}`;
    const store = new IdbManifestStore({ name });
    await store.read();
    await deleteDB(name);
    expect(store.status.value).toBe('superseded');
    await expect(store.read()).rejects.toSatisfy((error) => hasCode(error, 'store/closed'));
  });
});
