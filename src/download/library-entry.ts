/** What the rest of the application sees of a model: plain data that crosses threads. */
import type { ModelFacts, ModelManifest, ModelOrigin, StoredError } from '../store/manifest.ts';

export interface LibraryEntry {
  readonly id: string;
  readonly name: string;
  readonly fileName: string;
  /** Null while the server has not said. */
  readonly bytesTotal: number | null;
  readonly origin: ModelOrigin;
  readonly facts: ModelFacts;
  /** Null while unknown, and for a model in several files. */
  readonly sha256: string | null;
  /** The files of a model in several files, in order; empty for all others. */
  readonly files: readonly {
    readonly fileName: string;
    readonly bytes: number | null;
    readonly sha256: string | null;
  }[];
  readonly verified: ModelManifest['verified'];
  readonly licence: string | null;
  readonly addedAt: number;
  readonly lastUsedAt: number | null;
  readonly state: LibraryEntryState;
}

export type PauseReason = 'user' | 'quota' | 'offline' | 'error' | 'interrupted';

export type LibraryEntryState =
  | {
      /** `waiting`: for another try (`retryAt`, with `error`) or for another tab. */
      readonly kind: 'waiting' | 'downloading';
      readonly bytesDone: number;
      readonly bytesTotal: number | null;
      readonly bytesPerSecond: number;
      readonly secondsLeft: number | null;
      /** False where the server has no ranges: a pause means starting over. */
      readonly resumable: boolean;
      readonly retryAt?: number;
      readonly error?: StoredError;
    }
  | {
      readonly kind: 'paused';
      readonly bytesDone: number;
      readonly bytesTotal: number | null;
      readonly reason: PauseReason;
      readonly error?: StoredError;
    }
  | { readonly kind: 'verifying'; readonly bytesDone: number; readonly bytesTotal: number | null }
  | { readonly kind: 'ready' }
  | { readonly kind: 'damaged' | 'failed'; readonly error: StoredError }
  | { readonly kind: 'deleting' };

/** The entry of a stored model; `live` is what a job at work says about it, null without one. */
export function toLibraryEntry(model: ModelManifest, live: LibraryEntryState | null): LibraryEntry {
  return {
    id: model.id,
    name: model.name,
    fileName: model.fileName,
    bytesTotal: model.size,
    origin: model.origin,
    facts: model.facts,
    sha256: model.sha256,
    files: model.parts.map(({ fileName, size, sha256 }) => ({ fileName, bytes: size, sha256 })),
    verified: model.verified,
    licence: model.licence,
    addedAt: model.createdAt,
    lastUsedAt: model.lastUsedAt,
    state: model.state === 'deleting' ? { kind: 'deleting' } : (live ?? restingState(model)),
  };
}

/** `ByteSource.contentHash` of its stored bytes; null while it is not known. */
export function contentHashOf({ sha256, files }: LibraryEntry): string | null {
  const hashes = files.length > 0 ? files.map((file) => file.sha256) : [sha256];
  return hashes.includes(null) ? null : hashes.join('+');
}

function restingState(model: ModelManifest): LibraryEntryState {
  if (model.state === 'ready') return { kind: 'ready' };
  const { halt, problem } = model;
  if (halt?.kind === 'failed') return { kind: 'failed', error: halt.error };
  const amounts = { bytesDone: model.bytesStored, bytesTotal: model.size };
  if (halt?.kind === 'paused') {
    const error = halt.error === null ? {} : { error: halt.error };
    return { kind: 'paused', ...amounts, reason: halt.reason, ...error };
  }
  if (model.state === 'damaged' && problem !== null) {
    const kind = problem.code === 'store/damaged' ? 'damaged' : 'failed';
    return { kind, error: problem };
  }
  return { kind: 'paused', ...amounts, reason: 'interrupted' };
}
