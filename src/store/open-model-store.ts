/**
 * Chooses where models are kept, by trying: a store that cannot write, read back and delete a small
 * block now will not hold gigabytes later.
 */
import { GIBIBYTE, MEBIBYTE } from '../common/bytes.ts';
import { type AppError, hasCode, toAppError } from '../common/errors.ts';
import type { Observable } from '../common/observable.ts';
import { BroadcastChangeChannel } from './change-channel.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { DatabaseStatus } from './database.ts';
import { type OpenFileHash, openLocalFileHash } from './file-hash.ts';
import { IdbChunkStore } from './idb-chunk-store.ts';
import { IdbManifestStore } from './idb-manifest-store.ts';
import { LocalLocks, type LockManagerLike, WebLocks } from './locks.ts';
import { MemoryChunkStore } from './memory-chunk-store.ts';
import { MemoryManifestStore } from './memory-manifest-store.ts';
import { ModelStore } from './model-store.ts';
import { OpfsChunkStore, type WriteFile, writeFile } from './opfs-chunk-store.ts';
import { PlacedChunkStore } from './placed-chunk-store.ts';
import { probeContentId } from './store-context.ts';
import { toStoreError } from './store-errors.ts';

/** Models larger than this are refused where nothing can be kept. */
const memoryLimitBytes = GIBIBYTE;

export interface OpenedModelStore {
  readonly store: ModelStore;
  /** Why nothing will be kept; null when the browser's storage works. */
  readonly notKept: AppError | null;
  /** Calls back when another tab has taken the manifest's database away, at once if it has already. */
  readonly whenSuperseded: (listener: () => void) => void;
}

/** Work that is done beside this thread where it can be. */
export interface StoreThreads {
  readonly openHash?: OpenFileHash;
  readonly write?: WriteFile;
}

/** Never rejects: without storage the models live in memory. */
export async function openModelStore(
  lockManager: LockManagerLike | undefined,
  threads: StoreThreads = {},
): Promise<OpenedModelStore> {
  const locks = lockManager === undefined ? new LocalLocks() : new WebLocks(lockManager);
  const manifest = new IdbManifestStore();
  const places = await placesForBlocks(threads.write);
  const openHash = threads.openHash ?? openLocalFileHash;
  try {
    const { models } = await manifest.read();
    // One probe at a time: the tabs of a restored session all start together.
    const chunks = await locks.hold('hermit-probe', 'exclusive', () =>
      firstThatWorks(places, models.size > 0),
    );
    const channel = new BroadcastChangeChannel();
    const store = new ModelStore({ manifest, chunks, locks, channel, openHash });
    return { store, notKept: null, whenSuperseded: (listener) => watch(manifest.status, listener) };
  } catch (error) {
    manifest.close();
    for (const place of places) place.close();
    const store = new ModelStore({
      manifest: new MemoryManifestStore(),
      chunks: new MemoryChunkStore({ limitBytes: memoryLimitBytes }),
      locks: new LocalLocks(),
      openHash,
    });
    return { store, notKept: toAppError(error), whenSuperseded: () => undefined };
  }
}

function watch(status: Observable<DatabaseStatus>, listener: () => void): void {
  const look = (): void => {
    if (status.value === 'superseded') listener();
  };
  status.subscribe(look);
  look();
}

/** What this browser has, the best first. */
async function placesForBlocks(
  write: WriteFile = writeFile,
): Promise<readonly [ChunkStore, ...ChunkStore[]]> {
  const files = new OpfsChunkStore({ write });
  // A private window may refuse what it has by name.
  const usable = await files.contents().then(
    () => true,
    () => false,
  );
  return usable ? [files, new IdbChunkStore()] : [new IdbChunkStore()];
}

/** @throws AppError `store/*`, of the last place, when none works */
async function firstThatWorks(
  places: readonly ChunkStore[],
  hasModels: boolean,
): Promise<ChunkStore> {
  let problem: unknown;
  for (const place of places) {
    const others = places.filter((other) => other !== place);
    try {
      await probeChunkStore(place);
      return new PlacedChunkStore(place, others);
    } catch (error) {
      // A full disk keeps what it has, and only there can the person make room.
      if (hasCode(error, 'store/quota') && hasModels) return new PlacedChunkStore(place, others);
      problem = error;
    }
  }
  throw problem;
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
export async function openStoreForReading(lockManager: LockManagerLike): Promise<ModelStore> {
  const [preferred, ...others] = await placesForBlocks();
  return new ModelStore({
    manifest: new IdbManifestStore(),
    chunks: new PlacedChunkStore(preferred, others),
    locks: new WebLocks(lockManager),
    channel: new BroadcastChangeChannel(),
  });
}
