/** Waits for a listed model to be complete and verified, or for what ends it otherwise. */
import { AppError, hasCode } from '../common/errors.ts';
import type { Observable } from '../common/observable.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import { errorFromWire } from '../rpc/errors-over-wire.ts';
import type { StoreApi } from '../rpc/contracts.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import type { StoredError } from '../store/manifest.ts';

export interface UntilReadyOptions {
  readonly store: WorkerOwner<StoreApi>;
  /** The library's entries, as they change. */
  readonly entries: Observable<readonly LibraryEntry[]>;
  readonly id: string;
  readonly onProgress?:
    | ((progress: { readonly bytesDone: number; readonly bytesTotal: number | null }) => void)
    | undefined;
}

/**
 * Reads the list again whenever something changed: what is observed may be older than what is
 * known, and tell of a model with the same id that was removed before.
 * @throws AppError what ended it otherwise; `aborted` when it was cancelled
 */
export async function untilReady(options: UntilReadyOptions): Promise<void> {
  const { store, entries, id, onProgress } = options;
  let changed = true;
  let wake = (): void => undefined;
  const stop = entries.subscribe(() => {
    changed = true;
    wake();
  });
  try {
    for (;;) {
      changed = false;
      const listed = await store.use((remote) => remote.list());
      const entry = listed.find((candidate) => candidate.id === id);
      const end = entry === undefined ? gone() : outcome(entry, onProgress);
      if (end === 'ready') return;
      if (end !== null) throw end;
      if (changed) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stop();
  }
}

function gone(): AppError {
  return new AppError('aborted', 'The download was cancelled.');
}

/** `ready`, the error that ended it, or null while it goes on. */
function outcome(
  { state, bytesTotal }: LibraryEntry,
  onProgress: UntilReadyOptions['onProgress'],
): 'ready' | AppError | null {
  switch (state.kind) {
    case 'ready':
      if (bytesTotal !== null) onProgress?.({ bytesDone: bytesTotal, bytesTotal });
      return 'ready';
    case 'waiting':
    case 'downloading':
    case 'verifying':
      onProgress?.({ bytesDone: state.bytesDone, bytesTotal });
      return null;
    case 'paused':
      // Being offline ends by itself; everything else waits for a person.
      if (state.reason === 'offline') return null;
      return state.error === undefined
        ? new AppError('aborted', 'The download was paused.')
        : errorOf(state.error);
    case 'damaged':
    case 'failed':
      return errorOf(state.error);
    case 'deleting':
      return gone();
    default:
      return state satisfies never;
  }
}

function errorOf(stored: StoredError): AppError {
  const error = errorFromWire({ ...stored, causeText: null, stack: null });
  return hasCode(error, 'aborted') ? gone() : error;
}
