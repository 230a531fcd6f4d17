import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SegmentStore, type SegmentText } from './segment-store.ts';

const text = (tokens: readonly number[], change: Partial<SegmentText> = {}): SegmentText => ({
  model: 'm',
  format: 'f',
  segmentTokens: 2,
  tokens,
  ...change,
});
const owner = (conversation: string, since: number) => ({ conversation, since });
const bytesOf = (index: number) => new Uint8Array([index, 1, 2, 3, 4, 5, 6, 7]);

describe('stored segments', () => {
  let store: SegmentStore;
  let name: string;
  let time: number;
  let limit: number;
  let made: number[];

  beforeEach(() => {
    name = crypto.randomUUID();
    time = 1000;
    limit = 1e6;
    made = [];
    store = new SegmentStore({
      name,
      limitBytes: () => Promise.resolve(limit),
      now: () => ++time,
    });
  });
  afterEach(() => {
    store.close();
  });

  async function keep(what: SegmentText, conversation: string, since = ++time): Promise<void> {
    const stored = await store.open(what);
    await stored.keep(owner(conversation, since), (index) => {
      made.push(index);
      return Promise.resolve(bytesOf(index));
    });
  }

  /** The segments from the start that can be read. */
  async function readable(what: SegmentText): Promise<number> {
    const stored = await store.open(what);
    for (let index = 0; ; index++) {
      const bytes = await stored.read(index);
      if (bytes === null) return index;
      expect(bytes).toEqual(bytesOf(index));
    }
  }

  it('gives back whole segments of the same text, and of a text that begins like it', async () => {
    await keep(text([1, 2, 3, 4, 5]), 'chat');
    expect(await readable(text([1, 2, 3, 4, 5]))).toBe(2);
    expect(await readable(text([1, 2, 3, 9]))).toBe(1);
    expect(await readable(text([9, 2, 3, 4]))).toBe(0);
    // What follows other words means something else, even where it is spelled the same.
    expect(await readable(text([9, 9, 3, 4]))).toBe(0);
    expect(await store.usage()).toBe(16);
  });

  it('tells models and formats apart', async () => {
    await keep(text([1, 2]), 'chat');
    expect(await readable(text([1, 2], { model: 'other' }))).toBe(0);
    expect(await readable(text([1, 2], { format: 'other' }))).toBe(0);
  });

  it('makes only what is missing', async () => {
    await keep(text([1, 2, 3, 4]), 'chat');
    await keep(text([1, 2, 3, 4, 5, 6]), 'chat');
    await keep(text([1, 2, 7, 8]), 'other');
    expect(made).toEqual([0, 1, 2, 1]);
  });

  it('deletes a segment with the last of its conversations', async () => {
    await keep(text([1, 2, 3, 4]), 'one');
    await keep(text([1, 2, 7, 8]), 'two');
    await store.forget('one');
    expect(await readable(text([1, 2, 3, 4]))).toBe(1);
    expect(await readable(text([1, 2, 7, 8]))).toBe(2);
    await store.forget('two');
    expect(await store.usage()).toBe(0);
  });

  it.each(['the conversation', 'everything'])(
    'stores nothing for a request that began before %s was forgotten',
    async (what) => {
      await (what === 'everything' ? store.clear() : store.forget('chat'));
      await keep(text([1, 2]), 'chat', 1000);
      expect(await store.usage()).toBe(0);
      await keep(text([1, 2]), 'chat', time + 1);
      expect(await readable(text([1, 2]))).toBe(1);
    },
  );

  it('stops in the middle when the conversation is forgotten meanwhile', async () => {
    const stored = await store.open(text([1, 2, 3, 4, 5, 6]));
    await stored.keep(owner('chat', time), async (index) => {
      if (index === 1) await store.forget('chat');
      return bytesOf(index);
    });
    expect(await store.usage()).toBe(0);
  });

  it('deletes what belongs to models that are gone', async () => {
    await keep(text([1, 2]), 'chat');
    await keep(text([1, 2], { model: 'other' }), 'chat');
    await store.retainModels(new Set(['other']));
    expect(await readable(text([1, 2]))).toBe(0);
    expect(await readable(text([1, 2], { model: 'other' }))).toBe(1);
  });

  it('keeps to its limit, and of the text used last the beginning', async () => {
    limit = 32;
    await keep(text([1, 2, 3, 4]), 'old');
    await keep(text([5, 6, 7, 8]), 'new');
    expect(await store.usage()).toBe(32);
    await keep(text([5, 6, 7, 8, 9, 10]), 'new');
    expect(await readable(text([5, 6, 7, 8, 9, 10]))).toBe(3);
    expect(await readable(text([1, 2, 3, 4]))).toBe(1);
    limit = 16;
    await keep(text([5, 6, 7, 8, 9, 11]), 'new');
    expect(await store.usage()).toBe(16);
    expect(await readable(text([5, 6, 7, 8, 9, 11]))).toBe(2);
  });

  it('counts what is damaged as missing, deletes it, and stores it anew', async () => {
    await keep(text([1, 2, 3, 4]), 'chat');
    const database = await openDB(name);
    const [key = ''] = await database.getAllKeys('data');
    const data = (await database.get('data', key)) as ArrayBuffer;
    const bytes = new Uint8Array(data);
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    await database.put('data', data, key);
    database.close();
    const before = await store.usage();
    expect(await readable(text([1, 2, 3, 4]))).toBeLessThan(2);
    const stored = await store.open(text([1, 2, 3, 4]));
    await Promise.all([stored.read(0), stored.read(1)]);
    expect(await store.usage()).toBe(before - 8);
    await keep(text([1, 2, 3, 4]), 'chat');
    expect(await readable(text([1, 2, 3, 4]))).toBe(2);
  });

  it('is opened again by another tab', async () => {
    await keep(text([1, 2]), 'chat');
    store.close();
    store = new SegmentStore({ name });
    expect(await readable(text([1, 2]))).toBe(1);
  });
});
