import 'fake-indexeddb/auto';
import { afterEach, expect, test, vi } from 'vitest';
import { AppError } from '../common/errors.ts';
import { IdbChunkStore } from './idb-chunk-store.ts';
import { IdbManifestStore } from './idb-manifest-store.ts';
import { emptyOrigin, unknownFacts } from './manifest.ts';
import { MemoryChunkStore } from './memory-chunk-store.ts';
import { ModelStore } from './model-store.ts';
import { openModelStore } from './open-model-store.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('a full disk does not hide the models that are on it', async () => {
  const full = new AppError('store/quota', 'The disk is full');
  vi.spyOn(IdbChunkStore.prototype, 'put').mockRejectedValue(full);
  const empty = await openModelStore(undefined);
  expect(empty.notKept).toBe(full);
  expect(empty.store.isPersistent).toBe(false);

  const before = new ModelStore({
    manifest: new IdbManifestStore(),
    chunks: new MemoryChunkStore(),
  });
  await before.begin({
    name: 'Model',
    fileName: 'model.gguf',
    origin: { ...emptyOrigin('url'), url: 'https://example.org/model.gguf' },
    expectedSize: null,
    expectedSha256: null,
    licence: null,
    facts: unknownFacts,
  });
  before.close();
  const later = await openModelStore(undefined);
  expect(later.notKept).toBeNull();
  expect((await later.store.list()).map(({ id }) => id)).toEqual(['model']);
  later.store.close();

  // A disk that loses what it acknowledged is another matter, whatever is on it.
  vi.spyOn(IdbChunkStore.prototype, 'put').mockResolvedValue();
  vi.spyOn(IdbChunkStore.prototype, 'get').mockResolvedValue(new Uint8Array(1));
  expect((await openModelStore(undefined)).notKept?.code).toMatch(/^store\//);
});
