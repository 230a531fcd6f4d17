/**
 * The models on this device and the work on them: what the store worker exposes.
 *
 * One job at a time works on a model, under a lock that all tabs share; a tab that waits for it takes
 * over when the holder dies. A model that is neither complete nor worked on is "interrupted" and
 * waits for `resume`. Entries are plain data.
 */
import type { ByteSource } from '../common/byte-source.ts';
import { AppError } from '../common/errors.ts';
import { Emitter } from '../common/events.ts';
import { modelLockName, modelUseLockName } from '../store/locks.ts';
import type { ModelManifest } from '../store/manifest.ts';
import { filesOf } from '../store/model-parts.ts';
import type { ModelStore } from '../store/model-store.ts';
import type { Network } from './downloader.ts';
import { inUseError, LibraryJob } from './library-job.ts';
import { type LibraryEntry, toLibraryEntry } from './library-entry.ts';
import { ModelFetch, updateIfPossible } from './model-fetch.ts';
import { type HeaderReader, unfinished } from './model-preparation.ts';
import {
  type AddModelRequest,
  type MadeModel,
  type SourceOptions,
  localFiles,
  madeDraft,
  sourceOf,
  toDrafts,
} from './model-request.ts';
import { type HubFile, HubSource, hubUrl } from './hub-source.ts';
import { HubApi, type HubRepository, type HubSearchResult } from './hub-api.ts';
import { type Fetch, RangeFetcher } from './range-fetcher.ts';
import { parseModelUrl } from './safe-url.ts';
import { ProducedSource } from './produced-source.ts';
import type { ModelSource } from './model-source.ts';
import { patiently, PatientByteSource } from './patient-byte-source.ts';
import { openRemoteFile, type RemoteFile } from './remote-byte-source.ts';
import { openRemoteModel, type RemoteModel } from './remote-model.ts';
import { type Clock, systemClock } from './retry.ts';

export interface LibraryUsage {
  /** Bytes of stored blocks, shared ones counted once. */
  readonly modelBytes: number;
  /** The browser's own estimates, which overstate; null where it does not say. */
  readonly usageBytes: number | null;
  readonly quotaBytes: number | null;
  /** False when everything is forgotten with the page. */
  readonly kept: boolean;
}

export interface ModelLibraryOptions {
  readonly store: ModelStore;
  readonly fetch: Fetch;
  readonly network: Network;
  readonly clock?: Clock;
  readonly estimate?: () => Promise<{ readonly usage?: number; readonly quota?: number }>;
  /** Where hub repositories are, for tests. */
  readonly hubUrl?: string;
  /**
   * Reads a model's header in the sandbox as soon as it is here; rejects with `model-file/*` or
   * `engine/out-of-memory` where the model cannot be used. Without it nothing is refused early.
   */
  readonly readHeader?: HeaderReader;
  /** Shortest time between two reports of progress; the default is two a second. */
  readonly reportEveryMs?: number;
}

/** Waits for a model that was let go a moment ago, in milliseconds. */
const letGoDelaysMs = [50, 250] as const;

export class ModelLibrary {
  readonly #options: ModelLibraryOptions;
  readonly #store: ModelStore;
  readonly #clock: Clock;
  #hubUrl: string;
  readonly #entries = new Emitter<LibraryEntry[]>();
  readonly #jobs = new Map<string, LibraryJob>();
  /** Local files chosen in this session: their handles do not survive it. */
  readonly #files = new Map<string, File>();
  /** Models that are being made in this session. */
  readonly #produced = new Map<string, ProducedSource>();
  readonly #started: Promise<void>;
  readonly #stopObserving: () => void;
  #reportTimer: ReturnType<typeof setTimeout> | null = null;
  #reporting = false;
  #reportAgain = false;
  #closed = false;

  constructor(options: ModelLibraryOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#hubUrl = options.hubUrl ?? hubUrl;
    this.#stopObserving = this.#store.observe(({ modelId, from }) => {
      this.#scheduleReport();
      if (from === 'elsewhere') void this.#followOtherTab(modelId);
    });
    this.#started = this.#recover();
  }

  /** The newest first. @throws AppError `store/*` */
  async list(): Promise<LibraryEntry[]> {
    await this.#started;
    return this.#readEntries();
  }

  /** Calls `listener` with all entries when something changed, at most about five times a second. */
  observe(listener: (entries: LibraryEntry[]) => void): () => void {
    return this.#entries.on(listener);
  }

  /**
   * Lists a model and begins to fetch it; adding what is there already continues it.
   * @returns its id, at once
   * @throws AppError `invalid-argument`, `download/insecure-url`, `catalog/invalid`, `store/*`
   */
  async add(request: AddModelRequest): Promise<string> {
    const drafts = toDrafts(request);
    await this.#started;
    const { manifest } = await this.#store.begin(...drafts);
    if (request.kind === 'file') {
      const chosen = localFiles(request);
      for (const [index, { id }] of filesOf(manifest).entries()) {
        const file = chosen[index];
        if (file !== undefined) this.#files.set(id, file);
      }
    }
    if (manifest.state !== 'ready') await this.resume(manifest.id);
    return manifest.id;
  }

  /**
   * Lists a model that is being made on this device and stores its bytes as they come. It stays only
   * when it is complete; what ended it otherwise, the maker is told by the cancelled stream.
   * @returns its id, at once
   */
  async addMade(made: MadeModel, bytes: ReadableStream<Uint8Array>): Promise<string> {
    await this.#started;
    const { manifest } = await this.#store.begin(madeDraft(made, this.#clock.now()));
    this.#produced.set(
      manifest.id,
      new ProducedSource(bytes, { fileName: made.fileName, size: made.sizeBytes }),
    );
    this.#startJob(manifest.id, 'asked');
    return manifest.id;
  }

  /**
   * Opens a model where it is, for reading its header; nothing is stored. Close it afterwards.
   * @throws AppError as `add`, `download/*`, `aborted`
   */
  async openRemote(
    request: AddModelRequest,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<RemoteModel> {
    const drafts = toDrafts(request);
    const chosen = request.kind === 'file' ? localFiles(request) : [];
    return openRemoteModel(
      drafts,
      (draft, index) => this.#sourceOf(draft, chosen[index]),
      this.#clock,
      signal,
    );
  }

  /**
   * Opens one file of a hub repository that is going to be read to its end; nothing is stored.
   * @throws AppError `invalid-argument`, `download/*`, `aborted`
   */
  async openHubFile(file: HubFile, signal: AbortSignal): Promise<ByteSource & { close(): void }> {
    const { fetch, network } = this.#options;
    const isOnline = (): boolean => network.online();
    const fetcher = new RangeFetcher({ fetch, isOnline, compareValidators: false });
    const source = new HubSource(file, null, fetcher, this.#hubUrl);
    const open = async (): Promise<RemoteFile> => {
      const { size } = await source.resolve(signal);
      return openRemoteFile(source, size, this.#clock, signal);
    };
    const opened = await patiently(open, this.#clock, signal);
    const patient = new PatientByteSource(opened, this.#clock, signal);
    return {
      size: patient.size,
      read: (offset, length) => patient.read(offset, length),
      close: () => {
        opened.close();
      },
    };
  }

  /** Where hub repositories are looked for and fetched from, from now on. */
  useHub(url: string): void {
    this.#hubUrl = parseModelUrl(url).origin;
  }

  /** @throws AppError `download/*` */
  searchHub(query: string): Promise<HubSearchResult[]> {
    return this.#hub().search(query, new AbortController().signal);
  }

  /** @throws AppError `invalid-argument`, `download/*` */
  openHubRepository(repository: string): Promise<HubRepository> {
    return this.#hub().open(repository, new AbortController().signal);
  }

  #hub(): HubApi {
    const { fetch, network } = this.#options;
    const fetcher = new RangeFetcher({ fetch, isOnline: () => network.online() });
    return new HubApi(fetcher, this.#hubUrl);
  }

  /** Stops fetching and keeps what is stored. */
  async pause(id: string): Promise<void> {
    await this.#started;
    const { state } = await this.#store.get(id);
    if (state === 'ready' || state === 'deleting') return;
    // Written down first: a download in another tab sees it at its next block.
    await this.#store.update(id, { halt: { kind: 'paused', reason: 'user', error: null } });
    await this.#jobs.get(id)?.stop('pause');
    // The job may have been between its first step and the note above, which clears it.
    const after = await this.#store.get(id);
    if (after.state !== 'ready' && after.halt === null) {
      await this.#store.update(id, { halt: { kind: 'paused', reason: 'user', error: null } });
    }
  }

  /**
   * Goes on with a paused, interrupted, failed or damaged model; of a damaged one only the damaged
   * parts are fetched. Where the file changed upstream it begins anew with the new version.
   * @throws AppError `invalid-argument` when the local file must be chosen again
   */
  async resume(id: string): Promise<void> {
    await this.#started;
    const job = this.#jobs.get(id);
    if (job !== undefined) {
      if (job.intent === null) return;
      await job.done;
    }
    const model = await this.#store.get(id);
    if (model.state === 'ready' || model.state === 'deleting') return;
    if (this.#jobs.has(id)) return;
    // Asked for the error it throws when a local file is missing.
    for (const file of unfinished(model)) this.#sourceOf(file, this.#files.get(file.id));
    this.#startJob(id, 'asked');
  }

  /** Stops fetching and drops what is stored of it. Same as `remove` for a complete model. */
  cancel(id: string): Promise<void> {
    return this.remove(id);
  }

  /** @throws AppError `store/in-use` while the model is loaded somewhere */
  async remove(id: string): Promise<void> {
    await this.#started;
    const model = await this.#store.get(id);
    const lock = modelLockName(id);
    if (model.state !== 'ready' && model.state !== 'damaged') {
      // Makes a download in another tab let the lock go; where the disk is full, that failed already.
      await updateIfPossible(this.#store, id, {
        halt: { kind: 'paused', reason: 'user', error: null },
      });
      await this.#jobs.get(id)?.stop('remove');
      await this.#store.locks.hold(lock, 'exclusive', () => this.#store.remove(id));
    } else {
      await this.#jobs.get(id)?.stop('remove');
      if (!(await this.#removeUnused(id))) throw inUseError(model.name);
    }
    for (const { id: fileId } of filesOf(model)) this.#files.delete(fileId);
  }

  /**
   * Deletes a complete model that nobody has loaded, who may need it again, or loads, who reads it
   * now. A tab that has just let it go may take a moment to be out of the way.
   * @returns whether it did
   */
  async #removeUnused(id: string): Promise<boolean> {
    const { locks } = this.#store;
    for (const waitMs of [...letGoDelaysMs, null]) {
      const result = await locks.tryHold(modelUseLockName(id), 'exclusive', () =>
        locks.tryHold(modelLockName(id), 'exclusive', () => this.#store.remove(id)),
      );
      if (result.held && result.value.held) return true;
      if (waitMs !== null) await this.#clock.sleep(waitMs, new AbortController().signal);
    }
    return false;
  }

  /** Reads all bytes back and compares; resolves when done, the entry says what was found. */
  async verify(id: string): Promise<void> {
    await this.#started;
    if (this.#jobs.has(id)) return;
    const job = new LibraryJob(id);
    this.#jobs.set(id, job);
    const work = async (): Promise<void> => {
      await this.#store.locks.hold(
        modelLockName(id),
        'shared',
        () =>
          this.#store.verify(id, {
            signal: job.signal,
            onProgress: (bytesDone, bytesTotal) => {
              this.#showLive(job, { kind: 'verifying', bytesDone, bytesTotal });
            },
          }),
        job.signal,
      );
    };
    await job.run(work).finally(() => {
      this.#endJob(job);
    });
  }

  /**
   * The files of a complete model, to be saved, after all their bytes were compared.
   * @throws AppError `store/damaged`, `store/not-ready`, `store/in-use`, `store/not-found`
   */
  async exportFiles(id: string): Promise<readonly File[]> {
    await this.verify(id);
    return this.#store.exportFiles(id);
  }

  async usage(): Promise<LibraryUsage> {
    await this.#started;
    const estimate = (await this.#options.estimate?.().catch(() => undefined)) ?? {};
    return {
      modelBytes: await this.#store.bytesStored(),
      usageBytes: estimate.usage ?? null,
      quotaBytes: estimate.quota ?? null,
      kept: this.#store.isPersistent,
    };
  }

  /** Stops all work as if the page was closed: nothing is lost, everything can be resumed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopObserving();
    if (this.#reportTimer !== null) clearTimeout(this.#reportTimer);
    await this.#started.catch(() => undefined);
    await Promise.all([...this.#jobs.values()].map((job) => job.stop('close')));
  }

  /** At start: gives back lost space, and takes up what needs no network or is done elsewhere. */
  async #recover(): Promise<void> {
    await this.#store.collectGarbage();
    for (const model of await this.#store.list()) {
      const unfinished = model.state === 'downloading' || model.state === 'verifying';
      if (model.origin.kind === 'made' && (unfinished || model.state === 'reserved')) {
        await this.#dropUnfinished(model.id);
        continue;
      }
      if (!unfinished || model.halt !== null) continue;
      if (model.size !== null && model.bytesStored === model.size) {
        this.#startJob(model.id, 'takeover');
      } else {
        await this.#queueBehindOtherTab(model);
      }
    }
  }

  /** What a tab that died was making is of no use; what another tab is making is let alone. */
  async #dropUnfinished(id: string): Promise<void> {
    await this.#store.locks.tryHold(modelLockName(id), 'exclusive', () => this.#store.remove(id));
  }

  async #followOtherTab(id: string): Promise<void> {
    if (this.#closed || this.#jobs.has(id)) return;
    const model = await this.#store.get(id).catch(() => null);
    const active = model?.state === 'reserved' || model?.state === 'downloading';
    if (model === null || !active || model.halt !== null) return;
    await this.#queueBehindOtherTab(model);
  }

  /** Where another tab is at work: show it, and take over when that tab dies. */
  async #queueBehindOtherTab(model: ModelManifest): Promise<void> {
    if (model.origin.kind === 'file' || model.origin.kind === 'made') return;
    const free = await this.#store.locks.tryHold(modelLockName(model.id), 'exclusive', () =>
      Promise.resolve(),
    );
    if (!free.held && !this.#closed && !this.#jobs.has(model.id)) {
      this.#startJob(model.id, 'takeover');
    }
  }

  /** `takeover`: goes on only when nobody paused the model meanwhile. */
  #startJob(id: string, reason: 'asked' | 'takeover'): void {
    const job = new LibraryJob(id);
    this.#jobs.set(id, job);
    this.#scheduleReport();
    const work = (): Promise<void> =>
      this.#store.locks.hold(
        modelLockName(id),
        'exclusive',
        () => this.#download(job, reason),
        job.signal,
      );
    // Every failure was written down by `#download`; what is left is a stop while waiting.
    void job
      .run(work)
      .catch(() => undefined)
      .finally(() => {
        this.#endJob(job);
      });
  }

  async #download(job: LibraryJob, reason: 'asked' | 'takeover'): Promise<void> {
    const produced = this.#produced.get(job.id);
    await new ModelFetch({
      store: this.#store,
      job,
      // What is being made was looked at before it was begun.
      clock: this.#clock,
      network: this.#options.network,
      readHeader: produced === undefined ? (this.#options.readHeader ?? null) : null,
      maker: produced ?? null,
      sourceOf: (file) => this.#sourceOf(file, this.#files.get(file.id), produced),
      complete: (fileId) => this.#files.delete(fileId),
      report: () => {
        this.#scheduleReport();
      },
    }).run(reason);
    this.#produced.delete(job.id);
    // Whatever was not taken is not wanted: its maker must not wait for ever.
    produced?.cancel(new AppError('aborted', 'The model was not needed.'));
  }

  #sourceOf(
    model: Pick<ModelManifest, 'origin' | 'fileName' | 'name'>,
    file: File | undefined,
    produced?: ProducedSource,
  ): ModelSource {
    if (produced !== undefined) return produced;
    const options: SourceOptions = {
      fetch: this.#options.fetch,
      isOnline: () => this.#options.network.online(),
      now: () => this.#clock.now(),
      hubUrl: this.#hubUrl,
    };
    return sourceOf(model, file, options);
  }

  #showLive(job: LibraryJob, state: NonNullable<LibraryJob['live']>): void {
    job.live = state;
    this.#scheduleReport();
  }

  #endJob(job: LibraryJob): void {
    if (this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
    this.#scheduleReport();
  }

  async #readEntries(): Promise<LibraryEntry[]> {
    const models = await this.#store.list();
    return models.map((model) =>
      toLibraryEntry(model, this.#jobs.get(model.id)?.stateOf(model) ?? null),
    );
  }

  #scheduleReport(): void {
    if (this.#closed || this.#reportTimer !== null) return;
    this.#reportTimer = setTimeout(() => {
      this.#reportTimer = null;
      void this.#report();
    }, this.#options.reportEveryMs ?? 500);
  }

  async #report(): Promise<void> {
    if (this.#reporting) {
      this.#reportAgain = true;
      return;
    }
    this.#reporting = true;
    try {
      const entries = await this.#readEntries();
      if (!this.#closed) this.#entries.emit(entries);
    } catch (error) {
      console.warn('The list of models could not be read.', error);
    } finally {
      this.#reporting = false;
      if (this.#reportAgain) {
        this.#reportAgain = false;
        this.#scheduleReport();
      }
    }
  }
}
