import 'fake-indexeddb/auto';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/common/errors.ts';
import { FaultyChunkStore } from '../../../src/store/faulty-chunk-store.ts';
import { IdbChunkStore } from '../../../src/store/idb-chunk-store.ts';
import { MemoryChunkStore } from '../../../src/store/memory-chunk-store.ts';
import { probeChunkStore } from '../../../src/store/open-model-store.ts';
import { describeChunkStore } from './chunk-store-contract.ts';

let databases = 0;
const openIdb = (): IdbChunkStore => new IdbChunkStore({ namePrefix: `contract-${databases++}-` });

describeChunkStore('memory', () => new MemoryChunkStore());
describeChunkStore('IndexedDB', openIdb);
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
