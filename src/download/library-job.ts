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

  /** Takes over what the download tells. */
  accept(event: DownloadEvent): void {
    this.live = liveState(event, this.live);
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
