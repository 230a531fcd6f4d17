/**
 * One run of work on a model that is not complete: preparation, every file, and what is written down
 * when it fails. The caller holds the model's exclusive lock.
 */
import { type AppError, hasCode, toAppError } from '../common/errors.ts';
import { type ModelManifest, toStoredError } from '../store/manifest.ts';
import { type ModelPatch, type ModelStore, needsRestart } from '../store/model-store.ts';
import { Downloader, type Network } from './downloader.ts';
import { HeaderTap } from './header-tap.ts';
import type { LibraryJob } from './library-job.ts';
import {
  type HeaderReader,
  ModelPreparation,
  otherFiles,
  unfinished,
} from './model-preparation.ts';
import { forgetVersion } from './model-request.ts';
import type { ModelSource } from './model-source.ts';
import type { Clock } from './retry.ts';

export interface ModelFetchOptions {
  readonly store: ModelStore;
  readonly job: LibraryJob;
  readonly clock: Clock;
  readonly network: Network;
  /** Null where nothing is refused early. */
  readonly readHeader: HeaderReader | null;
  readonly sourceOf: (file: ModelManifest) => ModelSource;
  /** Of a model that is being made on this device: told why nobody takes more of it. */
  readonly maker: { cancel(reason: AppError): void } | null;
  /** Called for every file that is complete. */
  readonly complete: (fileId: string) => void;
  /** The job has something new to show. */
  readonly report: () => void;
}

/** Failures after which going on makes sense; anything else needs another decision. */
const pausing = [
  'download/network',
  'download/offline',
  'download/rate-limited',
  'download/server-error',
  'download/stalled',
  'download/bad-range',
  'store/quota',
  'store/unavailable',
  'store/closed',
  'store/damaged',
] as const;

export class ModelFetch {
  readonly #options: ModelFetchOptions;
  readonly #preparation: ModelPreparation;

  constructor(options: ModelFetchOptions) {
    this.#options = options;
    const { job, report } = options;
    this.#preparation = new ModelPreparation({
      ...options,
      signal: job.signal,
      report: (event) => {
        job.accept(event);
        report();
      },
    });
  }

  /**
   * Never rejects: a failure is written down. `takeover` goes on only when nobody paused the model
   * meanwhile.
   */
  async run(reason: 'asked' | 'takeover'): Promise<void> {
    const { store, job } = this.#options;
    try {
      const model = await store.get(job.id);
      if (model.state === 'ready' || model.state === 'deleting') return;
      if (reason === 'takeover' && model.halt !== null) return;
      for (const file of unfinished(model)) await this.#beginAnewIfChanged(file);
      await this.#preparation.run(await store.get(job.id));
      for (const file of unfinished(await store.get(job.id))) await this.#fetch(file);
    } catch (error) {
      await this.#noteFailure(toAppError(error));
    }
  }

  async #fetch(file: ModelManifest): Promise<void> {
    const { store, job, clock, network, readHeader, sourceOf, complete, report } = this.#options;
    const model = await store.get(job.id);
    const others = otherFiles(model, file.id);
    // A model in several files was looked at before its first file.
    const looking = model.parts.length === 0 && readHeader !== null;
    const header = looking
      ? new HeaderTap((source) => this.#preparation.check(model, source))
      : null;
    try {
      await new Downloader({
        store,
        modelId: file.id,
        source: sourceOf(file),
        clock,
        network,
        signal: job.signal,
        header,
        report: (event) => {
          job.accept(event, others);
          report();
        },
      }).run();
    } finally {
      header?.close();
    }
    complete(file.id);
  }

  /** A file that changed is fetched anew: going on after that message is the user's consent. */
  async #beginAnewIfChanged(file: ModelManifest): Promise<void> {
    const { store } = this.#options;
    const code = file.halt?.kind === 'failed' ? file.halt.error.code : null;
    const changed = code === 'download/changed-upstream' || code === 'download/hash-mismatch';
    if (!changed && !needsRestart(file)) return;
    await store.update(file.id, forgetVersion(file));
    await store.restart(file.id);
  }

  async #noteFailure(failure: AppError): Promise<void> {
    const { store, job, maker } = this.#options;
    const { id } = job;
    if (maker !== null) {
      // It is made from its beginning or not at all.
      maker.cancel(failure);
      if (job.intent !== 'remove') await store.remove(id).catch(() => undefined);
      return;
    }
    if (failure.code === 'aborted' || failure.code === 'store/not-found') {
      if (job.intent === 'pause') {
        const halt = { kind: 'paused', reason: 'user', error: null } as const;
        await updateIfPossible(store, id, { halt });
      }
      return;
    }
    if (isWorthless(failure)) await this.#dropBytes().catch(() => undefined);
    let stored = toStoredError(failure);
    if (failure.code === 'store/quota') {
      const { bytesStored, size } = await store.get(id);
      stored = { ...stored, details: { ...failure.details, bytesStored, bytesNeeded: size } };
      const halt = { kind: 'paused', reason: 'quota', error: stored } as const;
      await updateIfPossible(store, id, { halt });
      return;
    }
    await updateIfPossible(
      store,
      id,
      hasCode(failure, ...pausing)
        ? { halt: { kind: 'paused', reason: 'error', error: stored } }
        : { halt: { kind: 'failed', error: stored } },
    );
  }

  async #dropBytes(): Promise<void> {
    const { store, job } = this.#options;
    for (const file of unfinished(await store.get(job.id))) await store.restart(file.id);
  }
}

/** Whether what was stored is of no use: what does not belong to a usable model must not occupy space. */
function isWorthless(error: AppError): boolean {
  return (
    error.code.startsWith('model-file/') ||
    hasCode(error, 'download/not-a-model', 'download/local-file-changed', 'engine/out-of-memory')
  );
}

/** When even this cannot be written, the model is found interrupted next time, which is true. */
export async function updateIfPossible(
  store: ModelStore,
  id: string,
  patch: ModelPatch,
): Promise<void> {
  await store.update(id, patch).catch((error: unknown) => {
    console.warn('The state of a download could not be written down.', error);
  });
}
