import 'fake-indexeddb/auto';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/common/errors.ts';
import { FaultyChunkStore } from '../../../src/store/faulty-chunk-store.ts';
import { IdbChunkStore } from '../../../src/store/idb-chunk-store.ts';
import { MemoryChunkStore } from '../../../src/store/memory-chunk-store.ts';
import { probeChunkStore } from '../../../src/store/open-model-store.ts';
import type { ChunkStore } from '../../../src/store/chunk-store.ts';
import { PlacedChunkStore } from '../../../src/store/placed-chunk-store.ts';
import { chunkStoreChecks } from './chunk-store-contract.ts';

function describeChunkStore(name: string, open: () => ChunkStore): void {
  describe(`chunk store contract: ${name}`, () => {
    test.each(Object.entries(chunkStoreChecks))('%s', async (_name, check) => {
      const store = open();
      await check(store);
      store.close();
    });
  });
}

let databases = 0;
const openIdb = (): IdbChunkStore => new IdbChunkStore({ namePrefix: `contract-${databases++}-` });

describeChunkStore('memory', () => new MemoryChunkStore());
describeChunkStore('IndexedDB', openIdb);
describeChunkStore('two places', () => new PlacedChunkStore(new MemoryChunkStore(), [openIdb()]));
describeChunkStore('faulty without faults', () => new FaultyChunkStore(new MemoryChunkStore()));

describe('IndexedDB chunk store', () => {
  test('another connection sees what was committed', async () => {
    const namePrefix = `shared-${databases++}-`;
    const writer = new IdbChunkStore({ namePrefix });
    const reader = new IdbChunkStore({ namePrefix });
    await writer.put('a', 0, Uint8Array.of(1, 2, 3));
    expect(await reader.get('a', 0)).toEqual(Uint8Array.of(1, 2, 3));
    // A deletion must not wait for the reader's open connection.
    await writer.removeContent('a');
    expect(await writer.contents()).toEqual([]);
    writer.close();
    reader.close();
  });

  test('falls back to buffers where Blobs cannot be written', async () => {
    const waits: number[] = [];
    const store = new IdbChunkStore({
      namePrefix: `buffers-${databases++}-`,
      sleep: (milliseconds) => {
        waits.push(milliseconds);
        return Promise.resolve();
      },
    });
    const original = Reflect.get<IDBObjectStore, 'put'>(IDBObjectStore.prototype, 'put');
    IDBObjectStore.prototype.put = function refuseBlobs(value: unknown, key?: IDBValidKey) {
      if (value instanceof Blob) {
        throw new DOMException('Failed to write blobs (InvalidBlob)', 'DataError');
      }
      return original.call(this, value, key);
    };
    try {
      await store.put('a', 0, Uint8Array.of(5, 6));
      expect(waits.length).toBe(3);
      await store.put('a', 1, Uint8Array.of(7));
      expect(waits.length).toBe(3);
      expect(await store.get('a', 0)).toEqual(Uint8Array.of(5, 6));
      expect(await store.get('a', 1)).toEqual(Uint8Array.of(7));
    } finally {
      IDBObjectStore.prototype.put = original;
      store.close();
    }
  });

  test('the start-up probe leaves nothing behind', async () => {
    const store = openIdb();
    await probeChunkStore(store);
    expect(await store.contents()).toEqual([]);
    store.close();
  });
});

describe('start-up probe', () => {
  test('finds a disk that lies', async () => {
    const store = new FaultyChunkStore(new MemoryChunkStore(), ({ operation }) =>
      operation === 'get' ? { kind: 'flip-bit', byte: 4096 } : null,
    );
    await expect(probeChunkStore(store)).rejects.toSatisfy((error) =>
      hasCode(error, 'store/unavailable'),
    );
  });
});

describe('memory chunk store', () => {
  test('refuses what exceeds its limit and keeps what it had', async () => {
    const store = new MemoryChunkStore({ limitBytes: 10 });
    await store.put('a', 0, new Uint8Array(10));
    await expect(store.put('a', 1, new Uint8Array(1))).rejects.toSatisfy((error) =>
      hasCode(error, 'store/quota'),
    );
    expect(await store.list('a')).toEqual([0]);
    await store.removeContent('a');
    await store.put('a', 1, new Uint8Array(10));
  });
});

describe('several places', () => {
  test('new contents go to the first, and each stays where it is', async () => {
    const [old, preferred] = [new MemoryChunkStore(), new MemoryChunkStore()];
    await old.put('old', 0, Uint8Array.of(1));
    const store = new PlacedChunkStore(preferred, [old]);
    await store.put('old', 1, Uint8Array.of(2));
    await store.put('new', 0, Uint8Array.of(3));
    expect(await old.list('old')).toEqual([0, 1]);
    expect(await preferred.contents()).toEqual(['new']);
    expect(await store.get('old', 1)).toEqual(Uint8Array.of(2));
    expect((await store.contents()).sort()).toEqual(['new', 'old']);
    await store.removeContent('old');
    expect(await old.contents()).toEqual([]);
    store.close();
  });
});
