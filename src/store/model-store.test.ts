import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { laggingHash } from '../../test/fixtures/lagging-hash.ts';
import { AppError, hasCode } from '../common/errors.ts';
import { FaultyChunkStore } from './faulty-chunk-store.ts';
import type { ManifestStore } from './manifest-store.ts';
import { emptyOrigin, type ManifestTables, unknownFacts } from './manifest.ts';
import { MemoryChunkStore } from './memory-chunk-store.ts';
import { MemoryManifestStore } from './memory-manifest-store.ts';
import { type ModelDraft, ModelStore } from './model-store.ts';

const sizes = { chunkBytes: 40, blockBytes: 16 };
const bytes = Uint8Array.from({ length: 151 }, (_, index) => (index * 37) & 255);
const sha256 = createHash('sha256').update(bytes).digest('hex');

const draft: ModelDraft = {
  name: 'Model',
  fileName: 'Model One.gguf',
  origin: { ...emptyOrigin('url'), url: 'https://example.org/model' },
  expectedSize: null,
  expectedSha256: null,
  licence: null,
  facts: unknownFacts,
};

async function fill(store: ModelStore, id: string): Promise<void> {
  const writer = await store.openWriter(id);
  await writer.setSize(bytes.length);
  for (let block = writer.nextMissing(); block !== null; block = writer.nextMissing()) {
    await writer.write(block.index, bytes.slice(block.offset, block.offset + block.bytes));
  }
  await writer.finish();
}

/** A thread that dies at the `limit`-th step and does nothing afterwards. */
class Mortal {
  readonly dead = new AppError('internal', 'The thread died');
  steps = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  step(): void {
    if (this.steps++ >= this.limit) throw this.dead;
  }
}

class MortalManifest implements ManifestStore {
  readonly #inner: ManifestStore;
  readonly #mortal: Mortal;

  constructor(inner: ManifestStore, mortal: Mortal) {
    this.#inner = inner;
    this.#mortal = mortal;
  }

  read(): Promise<ManifestTables> {
    return this.#inner.read();
  }

  async change<T>(edit: (tables: ManifestTables) => T): Promise<T> {
    this.#mortal.step();
    return this.#inner.change(edit);
  }

  close(): void {
    this.#inner.close();
  }
}

describe('a kill at every step', () => {
  test('never leaves a false ready, and loses no acknowledged block', async () => {
    let completed = false;
    for (let limit = 0; !completed; limit++) {
      const manifest = new MemoryManifestStore();
      const disk = new MemoryChunkStore();
      const mortal = new Mortal(limit);
      const chunks = new FaultyChunkStore(disk, ({ operation }) => {
        if (operation === 'put') mortal.step();
        return null;
      });
      const first = new ModelStore({
        manifest: new MortalManifest(manifest, mortal),
        chunks,
        sizes,
      });
      const work = async (): Promise<void> => fill(first, (await first.begin(draft)).manifest.id);
      completed = await work().then(
        () => true,
        (error: unknown) => {
          if (error !== mortal.dead) throw error;
          return false;
        },
      );

      const store = new ModelStore({ manifest, chunks: disk, sizes });
      await store.collectGarbage();
      const [found] = await store.list();
      if (found !== undefined) {
        expect(found.state === 'ready').toBe(completed);
        expect((await disk.list(found.contentId)).length).toBe(found.blocks.length);
        const puts = Math.max(0, Math.floor((limit - 3) / 2));
        expect(found.blocks.length).toBe(Math.min(puts, 11));
      }
      const { id } = (await store.begin(draft)).manifest;
      if (!completed) await fill(store, id);
      const source = await store.open(id);
      expect(await source.read(0, source.size)).toEqual(bytes);
      expect((await store.get(id)).sha256).toBe(sha256);
      source.close();
    }
  });
});

test('a saved hash that ends in the middle of a block is gone on with', async () => {
  const manifest = new MemoryManifestStore();
  const chunks = new MemoryChunkStore();
  const open = (): ModelStore =>
    new ModelStore({ manifest, chunks, sizes, openHash: laggingHash(5) });
  const before = open();
  const { id } = (await before.begin(draft)).manifest;
  const writer = await before.openWriter(id);
  await writer.setSize(bytes.length);
  for (const index of [0, 1, 2]) {
    const { offset, bytes: length } = writer.range(index);
    await writer.write(index, bytes.slice(offset, offset + length));
  }
  // The tab is gone; what another one goes on with is behind by some bytes.
  const after = open();
  await fill(after, id);
  expect((await after.get(id)).sha256).toBe(sha256);
});

describe('reading a stored model', () => {
  async function stored(): Promise<{ store: ModelStore; chunks: FaultyChunkStore; id: string }> {
    const chunks = new FaultyChunkStore(new MemoryChunkStore());
    const store = new ModelStore({ manifest: new MemoryManifestStore(), chunks, sizes });
    const { id } = (await store.begin(draft)).manifest;
    await fill(store, id);
    return { store, chunks, id };
  }

  test('gives every range exactly', async () => {
    const { store, id } = await stored();
    const source = await store.open(id);
    for (let start = 0; start <= bytes.length; start += 5) {
      for (let end = start; end <= bytes.length; end += 7) {
        expect(await source.read(start, end - start)).toEqual(bytes.slice(start, end));
      }
    }
    await expect(source.read(150, 2)).rejects.toSatisfy((error) =>
      hasCode(error, 'invalid-argument'),
    );
    source.close();
    await expect(source.read(0, 1)).rejects.toSatisfy((error) => hasCode(error, 'store/closed'));
  });

  test('asks the disk for a block once while it is in use', async () => {
    const { store, chunks, id } = await stored();
    const gets: (number | null)[] = [];
    chunks.plan = ({ operation, index }) => {
      if (operation === 'get') gets.push(index);
      return null;
    };
    const source = await store.open(id);
    for (let at = 0; at < bytes.length; at++) await source.read(at, 1);
    expect(gets).toEqual([...Array(gets.length).keys()]);
    source.close();
  });

  test('an unfinished model cannot be opened', async () => {
    const chunks = new MemoryChunkStore();
    const store = new ModelStore({ manifest: new MemoryManifestStore(), chunks, sizes });
    const { id } = (await store.begin(draft)).manifest;
    await expect(store.open(id)).rejects.toSatisfy((error) => hasCode(error, 'store/not-ready'));
    const writer = await store.openWriter(id);
    await writer.setSize(bytes.length);
    await writer.write(0, bytes.slice(0, 16));
    await expect(store.open(id)).rejects.toSatisfy((error) => hasCode(error, 'store/not-ready'));
    await expect(store.open('nobody')).rejects.toSatisfy((error) =>
      hasCode(error, 'store/not-found'),
    );
  });

  test('one that is being changed cannot be opened', async () => {
    const { store, id } = await stored();
    const opening = store.locks.hold(`hermit-model:${id}`, 'exclusive', () => store.open(id));
    await expect(opening).rejects.toSatisfy((error) => hasCode(error, 'store/in-use'));
  });

  test('blocks of a wrong length are refused', async () => {
    const { store } = await stored();
    const other = { ...draft, origin: { ...draft.origin, url: 'https://example.org/other' } };
    const { id } = (await store.begin(other)).manifest;
    expect(id).toBe('model-one-2');
    const writer = await store.openWriter(id);
    await writer.setSize(bytes.length);
    await expect(writer.write(0, new Uint8Array(15))).rejects.toBeInstanceOf(AppError);
    await expect(writer.setSize(152)).rejects.toSatisfy((error) =>
      hasCode(error, 'download/changed-upstream'),
    );
    expect((await store.get(id)).blocks).toEqual([]);
  });
});

/** Takes no new or changed record, as a database on a full disk; records can still be deleted. */
class FullManifest extends MemoryManifestStore {
  full = false;

  override async change<T>(edit: (tables: ManifestTables) => T): Promise<T> {
    const before = await this.read();
    const after = { models: new Map(before.models), contents: new Map(before.contents) };
    edit(after);
    const written =
      [...after.models].some(([id, model]) => before.models.get(id) !== model) ||
      [...after.contents].some(([id, content]) => before.contents.get(id) !== content);
    if (this.full && written) throw new AppError('store/quota', 'The disk is full');
    return super.change(edit);
  }
}

describe('on a full disk', () => {
  test('models can be read and deleted', async () => {
    const manifest = new FullManifest();
    const chunks = new MemoryChunkStore();
    const store = new ModelStore({ manifest, chunks, sizes });
    const { id } = (await store.begin(draft)).manifest;
    await fill(store, id);
    manifest.full = true;
    const source = await store.open(id);
    expect(await source.read(0, bytes.length)).toEqual(bytes);
    source.close();
    await store.remove(id);
    expect(await store.list()).toEqual([]);
    expect(await chunks.contents()).toEqual([]);
  });
});
