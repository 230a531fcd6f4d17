/**
 * What every chunk store promises, as checks that need no test runner: Vitest runs them in Node, a
 * worker of a real browser runs them over the stores that only a browser has.
 */
import { hasCode } from '../../../src/common/errors.ts';
import type { ChunkStore } from '../../../src/store/chunk-store.ts';

function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 7) & 255);
}

type Comparable = number | readonly (number | string)[] | Uint8Array;

function textOf(value: Comparable): string {
  return typeof value === 'number' ? String(value) : value.join(' ');
}

function same(actual: Comparable, expected: Comparable): void {
  if (textOf(actual) === textOf(expected)) return;
  throw new Error(`Expected ${textOf(expected)}, got ${textOf(actual)}`);
}

async function isMissing(reading: Promise<unknown>): Promise<void> {
  const outcome = await reading.then(
    () => 'a block',
    (error: unknown) => error,
  );
  if (!hasCode(outcome, 'store/not-found')) throw new Error('A missing block must be an error.');
}

/** Checks by name; each is given an empty store. */
export const chunkStoreChecks: Readonly<Record<string, (store: ChunkStore) => Promise<void>>> = {
  'gives back the bytes that were put': async (store) => {
    await store.put('a', 3, pattern(5000, 1));
    same(await store.get('a', 3), pattern(5000, 1));
  },

  'keeps its own copy of what was put and hands out copies': async (store) => {
    const bytes = pattern(16, 2);
    await store.put('a', 0, bytes);
    bytes.fill(0);
    const first = await store.get('a', 0);
    same(first, pattern(16, 2));
    first.fill(9);
    same(await store.get('a', 0), pattern(16, 2));
  },

  'takes a view into a larger buffer': async (store) => {
    const large = pattern(100, 3);
    await store.put('a', 0, large.subarray(10, 30));
    same(await store.get('a', 0), large.slice(10, 30));
  },

  'gives a block as a Blob': async (store) => {
    await store.put('a', 0, pattern(30, 4));
    same(new Uint8Array(await (await store.blob('a', 0)).arrayBuffer()), pattern(30, 4));
    await isMissing(store.blob('a', 1));
  },

  overwrites: async (store) => {
    await store.put('a', 0, pattern(10, 1));
    await store.put('a', 0, pattern(4, 2));
    same(await store.get('a', 0), pattern(4, 2));
  },

  'keeps contents apart': async (store) => {
    await store.put('a', 0, pattern(10, 1));
    await store.put('b', 0, pattern(10, 2));
    await store.removeContent('a');
    same(await store.get('b', 0), pattern(10, 2));
  },

  'a missing block is an error, never null': async (store) => {
    await store.put('a', 0, pattern(1, 1));
    await isMissing(store.get('a', 1));
    await isMissing(store.get('nobody', 0));
  },

  'lists indices in ascending order': async (store) => {
    for (const index of [10, 2, 0, 9]) await store.put('a', index, pattern(1, index));
    same(await store.list('a'), [0, 2, 9, 10]);
    same(await store.list('nobody'), []);
  },

  'a deleted block is missing and the others stay': async (store) => {
    await store.put('a', 0, pattern(8, 1));
    await store.put('a', 1, pattern(8, 2));
    await store.delete('a', 0);
    await store.delete('a', 77);
    await isMissing(store.get('a', 0));
    same(await store.list('a'), [1]);
  },

  'a removed content leaves nothing and can be filled again': async (store) => {
    await store.put('a', 0, pattern(8, 1));
    await store.put('a', 5, pattern(8, 2));
    same(await store.contents(), ['a']);
    await store.removeContent('a');
    same(await store.contents(), []);
    await store.put('a', 5, pattern(3, 4));
    same(await store.list('a'), [5]);
    same(await store.get('a', 5), pattern(3, 4));
  },

  'letting go of what was read loses nothing': async (store) => {
    await store.put('a', 0, pattern(8, 1));
    await store.get('a', 0);
    await store.release('a');
    await store.release('nobody');
    same(await store.get('a', 0), pattern(8, 1));
  },

  'writes of many blocks at once all arrive': async (store) => {
    const indices = Array.from({ length: 20 }, (_, index) => index);
    await Promise.all(indices.map((index) => store.put('a', index, pattern(100, index))));
    for (const index of indices) same(await store.get('a', index), pattern(100, index));
  },

  'stores an empty block': async (store) => {
    await store.put('a', 0, new Uint8Array(0));
    same((await store.get('a', 0)).byteLength, 0);
  },
};
