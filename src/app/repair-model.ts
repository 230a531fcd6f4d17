/** Makes a stored model whole that was found damaged when it was to be loaded. */
import { AppError } from '../common/errors.ts';
import { untilAborted } from '../common/abort.ts';
import type { Observable } from '../common/observable.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import type { StoreApi } from '../rpc/contracts.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import type { RepairModel } from './model-runtime.ts';
import { untilReady } from './until-ready.ts';

export interface RepairOptions {
  readonly store: WorkerOwner<StoreApi>;
  readonly entries: Observable<readonly LibraryEntry[]>;
  readonly online: () => boolean;
}

/**
 * Finds every damaged part first, so that one repair is enough, and fetches those parts from where
 * the model came from. What came from a file of this device cannot be fetched.
 */
export function createRepair({ store, entries, online }: RepairOptions): RepairModel {
  return async (id, onProgress, signal) => {
    await untilAborted(
      store.use((remote) => remote.verify(id)),
      signal,
    );
    const listed = await store.use((remote) => remote.list());
    const entry = listed.find((candidate) => candidate.id === id);
    if (entry?.state.kind !== 'damaged') return;
    const { message, details } = entry.state.error;
    const damagedBytes = details['bytes'];
    const missing = typeof damagedBytes === 'number' ? damagedBytes : (entry.bytesTotal ?? 0);
    const whole = entry.bytesTotal ?? missing;
    if (!online()) {
      throw new AppError('store/damaged', message, { details: { ...details, offline: true } });
    }
    onProgress(missing, 0);
    await store.use((remote) => remote.resume(id));
    const repaired = untilReady({
      store,
      entries,
      id,
      onProgress: ({ bytesDone }) => {
        const left = Math.max(0, whole - bytesDone);
        onProgress(missing, missing === 0 ? 1 : Math.max(0, 1 - left / missing));
      },
    });
    await untilAborted(repaired, signal);
  };
}
