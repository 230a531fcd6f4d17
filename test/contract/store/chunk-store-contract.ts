import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/common/errors.ts';
import type { ChunkStore } from '../../../src/store/chunk-store.ts';

function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 7) & 255);
}

/** What every chunk store promises; `open` gives an empty one. */
export function describeChunkStore(name: string, open: () => ChunkStore): void {
  describe(`chunk store contract: ${name}`, () => {
    let store: ChunkStore;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => {
      store.close();
    });

    test('gives back the bytes that were put', async () => {
      await store.put('a', 3, pattern(5000, 1));
      expect(await store.get('a', 3)).toEqual(pattern(5000, 1));
    });

    test('keeps its own copy of what was put and hands out copies', async () => {
      const bytes = pattern(16, 2);
      await store.put('a', 0, bytes);
      bytes.fill(0);
      const first = await store.get('a', 0);
      expect(first).toEqual(pattern(16, 2));
      first.fill(9);
      expect(await store.get('a', 0)).toEqual(pattern(16, 2));
    });

    test('takes a view into a larger buffer', async () => {
      const large = pattern(100, 3);
      await store.put('a', 0, large.subarray(10, 30));
      expect(await store.get('a', 0)).toEqual(large.slice(10, 30));
    });

    test('overwrites', async () => {
      await store.put('a', 0, pattern(10, 1));
      await store.put('a', 0, pattern(4, 2));
      expect(await store.get('a', 0)).toEqual(pattern(4, 2));
    });

    test('keeps contents apart', async () => {
      await store.put('a', 0, pattern(10, 1));
      await store.put('b', 0, pattern(10, 2));
      await store.removeContent('a');
      expect(await store.get('b', 0)).toEqual(pattern(10, 2));
    });

    test('a missing block is an error, never null', async () => {
      await store.put('a', 0, pattern(1, 1));
      await expect(store.get('a', 1)).rejects.toSatisfy((error) =>
        hasCode(error, 'store/not-found'),
      );
      await expect(store.get('nobody', 0)).rejects.toSatisfy((error) =>
        hasCode(error, 'store/not-found'),
      );
    });

    test('lists indices in ascending order', async () => {
      for (const index of [10, 2, 0, 9]) await store.put('a', index, pattern(1, index));
      expect(await store.list('a')).toEqual([0, 2, 9, 10]);
      expect(await store.list('nobody')).toEqual([]);
    });

    test('a deleted block is missing and the others stay', async () => {
      await store.put('a', 0, pattern(8, 1));
      await store.put('a', 1, pattern(8, 2));
      await store.delete('a', 0);
      await store.delete('a', 77);
      await expect(store.get('a', 0)).rejects.toSatisfy((error) =>
        hasCode(error, 'store/not-found'),
      );
      expect(await store.list('a')).toEqual([1]);
    });

    test('a removed content leaves nothing and can be filled again', async () => {
      await store.put('a', 0, pattern(8, 1));
      await store.put('a', 5, pattern(8, 2));
      expect(await store.contents()).toEqual(['a']);
      await store.removeContent('a');
      expect(await store.contents()).toEqual([]);
      await store.put('a', 5, pattern(3, 4));
      expect(await store.list('a')).toEqual([5]);
      expect(await store.get('a', 5)).toEqual(pattern(3, 4));
    });

    test('letting go of what was read loses nothing', async () => {
      await store.put('a', 0, pattern(8, 1));
      await store.get('a', 0);
      await store.release('a');
      await store.release('nobody');
      expect(await store.get('a', 0)).toEqual(pattern(8, 1));
    });

    test('writes of many blocks at once all arrive', async () => {
      const indices = Array.from({ length: 20 }, (_, index) => index);
      await Promise.all(indices.map((index) => store.put('a', index, pattern(100, index))));
      for (const index of indices) expect(await store.get('a', index)).toEqual(pattern(100, index));
    });

    test('stores an empty block', async () => {
      await store.put('a', 0, new Uint8Array(0));
      expect((await store.get('a', 0)).byteLength).toBe(0);
    });
  });
}
