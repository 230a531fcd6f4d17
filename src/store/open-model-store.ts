/**
 * Chooses where models are kept, by trying: a store that cannot write, read back and delete a small
 * block now will not hold gigabytes later.
 */
import { GIBIBYTE, MEBIBYTE } from '../common/bytes.ts';
import { type AppError, hasCode, toAppError } from '../common/errors.ts';
import { BroadcastChangeChannel } from './change-channel.ts';
import type { ChunkStore } from './chunk-store.ts';
import { IdbChunkStore } from './idb-chunk-store.ts';
import { IdbManifestStore } from './idb-manifest-store.ts';
import { LocalLocks, type LockManagerLike, WebLocks } from './locks.ts';
import { MemoryChunkStore } from './memory-chunk-store.ts';
import { MemoryManifestStore } from './memory-manifest-store.ts';
import { ModelStore } from './model-store.ts';
import { probeContentId } from './store-context.ts';
import { toStoreError } from './store-errors.ts';

/** Models larger than this are refused where nothing can be kept. */
const memoryLimitBytes = GIBIBYTE;

export interface OpenedModelStore {
  readonly store: ModelStore;
  /** Why nothing will be kept; null when the browser's storage works. */
  readonly notKept: AppError | null;
}

/** Never rejects: without storage the models live in memory. */
export async function openModelStore(
  lockManager: LockManagerLike | undefined,
): Promise<OpenedModelStore> {
  const locks = lockManager === undefined ? new LocalLocks() : new WebLocks(lockManager);
  const manifest = new IdbManifestStore();
  const chunks = new IdbChunkStore();
  try {
    const { models } = await manifest.read();
    // One probe at a time: the tabs of a restored session all start together.
    await locks
      .hold('hermit-probe', 'exclusive', () => probeChunkStore(chunks))
      .catch((error: unknown) => {
        // A full disk keeps what it has, and only there can the person make room.
        if (!hasCode(error, 'store/quota') || models.size === 0) throw error;
      });
    const channel = new BroadcastChangeChannel();
    return { store: new ModelStore({ manifest, chunks, locks, channel }), notKept: null };
  } catch (error) {
    manifest.close();
    chunks.close();
    const store = new ModelStore({
      manifest: new MemoryManifestStore(),
      chunks: new MemoryChunkStore({ limitBytes: memoryLimitBytes }),
      locks: new LocalLocks(),
    });
    return { store, notKept: toAppError(error) };
  }
}

/** Writes, reads back and deletes 1 MiB. @throws AppError `store/*` */
export async function probeChunkStore(chunks: ChunkStore): Promise<void> {
  const bytes = new Uint8Array(MEBIBYTE);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  try {
    await chunks.put(probeContentId, 0, bytes);
    const back = await chunks.get(probeContentId, 0);
    const same = back.length === bytes.length && back.every((byte, at) => byte === bytes[at]);
    if (!same) throw toStoreError(new Error('What was written is not what was read'));
  } finally {
    await chunks.removeContent(probeContentId).catch(() => undefined);
  }
}

/**
 * The kept store for threads that only read models: without the probe, which the store worker has
 * passed by the time there is anything to read.
 */
export function openStoreForReading(lockManager: LockManagerLike): ModelStore {
  return new ModelStore({
    manifest: new IdbManifestStore(),
    chunks: new IdbChunkStore(),
    locks: new WebLocks(lockManager),
    channel: new BroadcastChangeChannel(),
  });
}
