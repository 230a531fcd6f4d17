/** The work under way on one model: how to stop it, and what it says about itself. */
import { AppError } from '../common/errors.ts';
import { type ModelManifest, toStoredError } from '../store/manifest.ts';
import type { DownloadEvent } from './downloader.ts';
import type { LibraryEntryState } from './library-entry.ts';

export type JobIntent = 'pause' | 'remove' | 'close';

export class LibraryJob {
  readonly id: string;
  readonly #controller = new AbortController();
  /** Settles when the job has ended, never rejects. */
  done: Promise<void> = Promise.resolve();
  /** Why it was told to stop. */
  intent: JobIntent | null = null;
  live: LibraryEntryState | null = null;

  constructor(id: string) {
    this.id = id;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async run(work: () => Promise<void>): Promise<void> {
    const running = work();
    this.done = running.catch(() => undefined);
    await running;
  }

  /** Resolves when the work has ended. */
  async stop(intent: JobIntent): Promise<void> {
    this.intent ??= intent;
    this.#controller.abort();
    await this.done;
  }

  /** Takes over what the download of one file tells; `others` are the other files of the model. */
  accept(event: DownloadEvent, others: OtherFiles = noOtherFiles): void {
    this.live = liveState(ofAll(event, others), this.live);
  }

  /** What to show; before the first word of the job, that it waits with what is stored. */
  stateOf(model: ModelManifest): LibraryEntryState {
    return (
      this.live ?? {
        kind: 'waiting',
        bytesDone: model.bytesStored,
        bytesTotal: model.size,
        bytesPerSecond: 0,
        secondsLeft: null,
        resumable: true,
      }
    );
  }
}

/** Bytes of a model's other files: what is stored of them, and how many they are in all. */
export interface OtherFiles {
  readonly bytesDone: number;
  /** Null while one of their sizes is unknown. */
  readonly bytesTotal: number | null;
}

const noOtherFiles: OtherFiles = { bytesDone: 0, bytesTotal: 0 };

/** What an event of one file means for the whole model. */
function ofAll(event: DownloadEvent, others: OtherFiles): DownloadEvent {
  if (others.bytesTotal === 0 || event.kind === 'waiting' || event.kind === 'offline') return event;
  const bytesDone = others.bytesDone + event.bytesDone;
  const total = event.bytesTotal;
  const bytesTotal =
    total === null || others.bytesTotal === null ? null : total + others.bytesTotal;
  if (event.kind === 'verifying') {
    // Its own bytes are checked; those of the files before were, those of the rest are not here.
    return { ...event, bytesDone, bytesTotal: bytesTotal ?? bytesDone };
  }
  const left = bytesTotal === null ? null : bytesTotal - bytesDone;
  const secondsLeft =
    left === null || event.bytesPerSecond === 0 ? null : left / event.bytesPerSecond;
  return { ...event, bytesDone, bytesTotal, secondsLeft };
}

function liveState(event: DownloadEvent, before: LibraryEntryState | null): LibraryEntryState {
  const known =
    before !== null && 'bytesDone' in before
      ? { bytesDone: before.bytesDone, bytesTotal: before.bytesTotal }
      : { bytesDone: 0, bytesTotal: null };
  switch (event.kind) {
    case 'progress': {
      const { bytesDone, bytesTotal, bytesPerSecond, secondsLeft, resumable } = event;
      const amounts = { bytesDone, bytesTotal, bytesPerSecond, secondsLeft, resumable };
      return { kind: 'downloading', ...amounts };
    }
    case 'waiting':
      return {
        kind: 'waiting',
        ...known,
        bytesPerSecond: 0,
        secondsLeft: null,
        resumable: before?.kind === 'downloading' ? before.resumable : true,
        retryAt: event.retryAt,
        error: toStoredError(event.error),
      };
    case 'offline':
      return { kind: 'paused', ...known, reason: 'offline', error: toStoredError(event.error) };
    case 'verifying':
      return { kind: 'verifying', bytesDone: event.bytesDone, bytesTotal: event.bytesTotal };
  }
}

export function inUseError(name: string): AppError {
  return new AppError(
    'store/in-use',
    `"${name}" is in use, perhaps in another tab. Choose another model there first, then remove it.`,
    { details: { name } },
  );
}
