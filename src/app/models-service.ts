/**
 * The models of the user interface: what the store worker keeps, what the catalogue offers, and
 * which model answers. Translates between the library's entries and what components show.
 */
import type { CatalogEntry } from '../download/catalog.ts';
import { parseCatalog } from '../download/catalog.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import type { AddModelRequest } from '../download/model-request.ts';
import { groupSplitFiles } from '../download/split-names.ts';
import { AppError } from '../common/errors.ts';
import { recipeOf } from '../engine/quantise/recipe.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import { offersThinkingSwitch } from '../conversation/thinking-switch.ts';
import { callback } from '../rpc/transfer.ts';
import type { BackendChoice } from '../engine/backend-choice.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import type { StoreApi } from '../rpc/contracts.ts';
import type {
  BackendReasonView,
  ActiveModelView,
  CatalogModelView,
  HubRepositoryView,
  HubResultView,
  InspectionTarget,
  InspectionView,
  CatalogView,
  FitView,
  MakingView,
  ModelsService,
  ModelView,
  ModelViewState,
  RecipeView,
  SmallerModelView,
} from '../ui/services.ts';
import type { ModelFit } from './fit/model-fit.ts';
import { errorView } from './error-view.ts';
import type { MakingState, ModelMaker } from './model-maker.ts';
import type { CatalogUpdates } from './catalog-updates.ts';
import type { EmbeddingRuntime } from './embedding-runtime.ts';
import { type FolderSource, hubFolder, localFolder, type PathFile } from './model-folders.ts';
import type { ModelPurposes } from './model-purposes.ts';
import type { InspectionSource, ModelInspector } from './model-inspector.ts';
import { guideModel } from './guide.ts';
import type { AnsweringModel } from './model-runtime.ts';

export interface ModelsServiceOptions {
  readonly store: WorkerOwner<StoreApi>;
  readonly runtime: AnsweringModel;
  readonly embeddings: EmbeddingRuntime;
  readonly purposes: ModelPurposes;
  readonly language: () => 'en' | 'zh-Hans';
  /** Reads the bundled catalogue; same origin, precached. */
  readonly fetchCatalog: () => Promise<unknown>;
  /** A newer one that takes its place. */
  readonly catalogUpdates?: CatalogUpdates;
  /** Makes smaller models out of installed ones. */
  readonly maker: ModelMaker;
  /** Loads a model with the user's settings and remembers it as the one used last. */
  readonly load: (modelId: string) => Promise<unknown>;
  readonly hubUrl: () => string;
  /** Whether models suit this device. */
  readonly fit: ModelFit;
  readonly inspector: Pick<ModelInspector, 'inspect'>;
  /** Says what a header tells, or rejects with why its model cannot be used here. */
  readonly readHeader: Parameters<StoreApi['readHeadersWith']>[0];
}

export class LibraryModelsService implements ModelsService {
  readonly #options: ModelsServiceOptions;
  readonly #models = new ObservableValue<readonly ModelView[]>([]);
  readonly #catalog = new ObservableValue<CatalogView>({ kind: 'loading' });
  readonly #active = new ObservableValue<ActiveModelView>({ kind: 'none' });
  #catalogEntries: readonly CatalogEntry[] = [];
  readonly #entries = new ObservableValue<readonly LibraryEntry[]>([]);
  readonly #making = new ObservableValue<MakingView | null>(null);
  /** The model that is being made, once it is listed. */
  #madeId: string | null = null;
  #stopMaking = new AbortController();
  #following = false;

  constructor(options: ModelsServiceOptions) {
    this.#options = options;
    options.runtime.state.subscribe((state) => {
      this.#active.set(this.#activeView(state));
    });
    options.maker.job.subscribe((job) => {
      this.#showJob(job);
    });
    options.purposes.known.subscribe(() => {
      this.#showModels();
    });
  }

  get models(): Observable<readonly ModelView[]> {
    return this.#models;
  }
  get catalog(): Observable<CatalogView> {
    return this.#catalog;
  }
  get active(): Observable<ActiveModelView> {
    return this.#active;
  }

  /** What the library holds, as the store worker tells it. */
  get entries(): Observable<readonly LibraryEntry[]> {
    return this.#entries;
  }

  /** True while bytes are being downloaded, checked or imported: an update must wait. */
  get busy(): boolean {
    if (this.#making.value !== null) return true;
    return this.#entries.value.some(
      ({ state }) =>
        state.kind === 'waiting' || state.kind === 'downloading' || state.kind === 'verifying',
    );
  }

  /** Begins to follow the store; resolves once the entries are known. */
  async start(): Promise<void> {
    const { store, readHeader, hubUrl } = this.#options;
    await store.use((remote) => remote.readHeadersWith(callback(readHeader)));
    await this.useHub(hubUrl());
    // The callback's messages travel on a port of their own and may come after the answer.
    const entries = await store.use((remote) => remote.list());
    this.#showEntries(entries);
    await store.use((remote) =>
      remote.observe(
        callback((changed: readonly LibraryEntry[]) => {
          this.#showEntries(changed);
        }),
      ),
    );
    this.#following = true;
  }

  /** Reads the list anew, after something happened to it that nobody was told of. */
  async refresh(): Promise<void> {
    this.#showEntries(await this.#options.store.use((remote) => remote.list()));
  }

  /**
   * Follows the store again after its worker was lost; what it was downloading shows as interrupted.
   * A store that was lost before it could be followed is not started over and over.
   */
  async restart(): Promise<void> {
    if (!this.#following) return;
    this.#following = false;
    await this.start();
  }

  /** Reads the catalogue and shows it in the user's language. */
  async loadCatalog(): Promise<void> {
    try {
      const { catalogUpdates, fetchCatalog } = this.#options;
      const updated = (await catalogUpdates?.current()) ?? null;
      this.#catalogEntries = (updated ?? parseCatalog(await fetchCatalog())).models;
      this.refreshCatalog();
    } catch (error) {
      this.#catalog.set({ kind: 'failed', error: errorView(error) });
    }
  }

  async updateCatalog(file: Blob): Promise<void> {
    const { catalogUpdates } = this.#options;
    if (catalogUpdates === undefined) return;
    this.#catalogEntries = (await catalogUpdates.take(await file.text())).models;
    this.refreshCatalog();
  }

  /** Rebuilds the catalogue's texts, after a change of language or of the installed models. */
  refreshCatalog(): void {
    if (this.#catalogEntries.length === 0) return;
    this.#catalog.set({
      kind: 'ready',
      models: this.#catalogEntries.map((entry) => this.#catalogView(entry)),
    });
  }

  addFromUrl(url: string): Promise<string> {
    return this.#add({ kind: 'url', url });
  }

  modelsIn(files: readonly File[]): Promise<readonly (readonly File[])[]> {
    // A promise, so that every failure of the service comes the same way.
    return new Promise((resolve) => {
      resolve(groupSplitFiles(files));
    });
  }

  addFromFile(file: File, ...more: readonly File[]): Promise<string> {
    return this.#add({ kind: 'file', file, more });
  }

  /** The guide again where it is already here; else fetched from the site Hermit is served from. */
  async addGuide(): Promise<string> {
    const here = this.#models.value.find((model) => model.builtIn);
    if (here !== undefined) return here.id;
    const { name, path, sha256 } = guideModel;
    return this.#add({ kind: 'url', url: new URL(path, location.origin).href, sha256, name });
  }

  async addFromCatalog(catalogId: string): Promise<string> {
    return this.#add({ kind: 'catalog', entry: this.#catalogEntry(catalogId) });
  }

  #catalogEntry(catalogId: string): CatalogEntry {
    const entry = this.#catalogEntries.find(({ id }) => id === catalogId);
    if (entry !== undefined) return entry;
    throw new AppError('store/not-found', 'The catalogue has no such model.', {
      details: { id: catalogId },
    });
  }

  addFromHub(repository: string, revision: string, file: string): Promise<string> {
    return this.#add({ kind: 'hub', repository, revision, file });
  }

  /** Looks for models on this server from now on. */
  useHub(url: string): Promise<void> {
    return this.#options.store.use((store) => store.useHub(url));
  }

  searchHub(query: string): Promise<readonly HubResultView[]> {
    return this.#options.store.use((store) => store.searchHub(query));
  }

  async openHubRepository(repository: string): Promise<HubRepositoryView> {
    const opened = await this.#options.store.use((store) => store.openHubRepository(repository));
    const models = opened.models.map((model) => ({
      ...model,
      installedAs: this.#installedFromHub(repository, model.file),
      fit: this.#options.fit.ofSize(model.bytes, model.quantization),
    }));
    // The largest that fits well answers best.
    const recommended = models.findLast(({ fit }) => fit.kind === 'fits')?.file ?? null;
    const { folder } = opened;
    return {
      ...{ ...opened, models, recommended },
      folder: folder && {
        bytes: folder.bytes,
        fit: this.#options.fit.ofSize(folder.bytes, 'BF16'),
      },
    };
  }

  #installedFromHub(repository: string, file: string): string | null {
    const same = this.#entries.value.find(
      ({ origin }) => origin.repository === repository && origin.file === file,
    );
    return same?.id ?? null;
  }

  async inspect(target: InspectionTarget, signal: AbortSignal): Promise<InspectionView> {
    return this.#options.inspector.inspect(this.#inspectionSource(target), signal);
  }

  #inspectionSource(target: InspectionTarget): InspectionSource {
    switch (target.kind) {
      case 'installed':
      case 'url':
      case 'hub':
        return target;
      case 'files': {
        const [file, ...more] = target.files;
        if (file !== undefined) return { kind: 'file', file, more };
        throw new AppError('invalid-argument', 'Choose a file.');
      }
      case 'catalog':
        return { kind: 'catalog', entry: this.#catalogEntry(target.id) };
      default:
        return target satisfies never;
    }
  }

  pause(id: string): Promise<void> {
    return this.#options.store.use((store) => store.pause(id));
  }
  resume(id: string): Promise<void> {
    return this.#options.store.use((store) => store.resume(id));
  }
  cancel(id: string): Promise<void> {
    return this.#options.store.use((store) => store.cancel(id));
  }
  verify(id: string): Promise<void> {
    return this.#options.store.use((store) => store.verify(id));
  }

  async remove(id: string): Promise<void> {
    await this.#options.runtime.unloadIf(id);
    await this.#options.embeddings.unloadIf(id);
    await this.#options.store.use((store) => store.remove(id));
  }

  async select(id: string): Promise<void> {
    await this.#options.load(id);
  }

  get making(): Observable<MakingView | null> {
    return this.#making;
  }

  estimateSmaller(
    id: string,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<readonly SmallerModelView[]> {
    return this.#options.maker.estimate(id, signal, onProgress);
  }

  async makeSmaller(id: string, recipe: RecipeView, calibration: boolean): Promise<string> {
    const { signal } = this.#stopMaking;
    const made = await this.#options.maker.make(id, {
      recipe: recipeOf(recipe),
      calibration,
      signal,
    });
    return made.id;
  }

  async convertFolder(files: readonly (File | PathFile)[], name?: string): Promise<string> {
    return this.#convert(localFolder(files, name));
  }

  async convertRepository(repository: string): Promise<string> {
    return this.#convert(await hubFolder(this.#options.store, repository));
  }

  async #convert(folder: FolderSource): Promise<string> {
    const { signal } = this.#stopMaking;
    const made = await this.#options.maker.convert(folder, { recipe: null, signal });
    return made.id;
  }

  stopMaking(): void {
    this.#stopMaking.abort();
    this.#stopMaking = new AbortController();
  }

  exportFiles(id: string): Promise<readonly File[]> {
    return this.#options.store.use((store) => store.exportFiles(id));
  }

  #showJob(job: MakingState | null): void {
    this.#making.set(job);
    if (this.#madeId === (job?.modelId ?? null)) return;
    this.#madeId = job?.modelId ?? null;
    this.#showModels();
  }

  /** What fits was measured or chosen anew. */
  refreshFits(): void {
    this.#showModels();
    this.refreshCatalog();
  }

  #fitOf(entry: LibraryEntry): FitView | null {
    const { fit, purposes } = this.#options;
    const memory = purposes.memory(entry);
    if (memory !== null) return fit.ofHeader(memory);
    const { bytesTotal, facts } = entry;
    return bytesTotal === null ? null : fit.ofSize(bytesTotal, facts.quantization);
  }

  /** What is being made is shown as a job and not among the models, until it is one. */
  #showModels(): void {
    const shown = this.#entries.value.filter(
      ({ id, state }) => id !== this.#madeId || state.kind === 'ready',
    );
    const { purposes } = this.#options;
    this.#models.set(
      shown.map((entry) => modelView(entry, purposes.find(entry), this.#fitOf(entry))),
    );
  }

  #add(request: AddModelRequest): Promise<string> {
    return this.#options.store.use((store) => store.add(request));
  }

  #showEntries(entries: readonly LibraryEntry[]): void {
    const before = new Set(this.#entries.value.map(({ id }) => id));
    const changed = entries.length !== before.size || entries.some(({ id }) => !before.has(id));
    this.#entries.set(entries);
    this.#options.runtime.setNames(entries);
    this.#showModels();
    void this.#options.purposes.follow(entries);
    if (changed) this.refreshCatalog();
  }

  #catalogView(entry: CatalogEntry): CatalogModelView {
    const { repository } = entry;
    const installed = this.#entries.value.find(({ origin }) => origin.catalogId === entry.id);
    return {
      id: entry.id,
      name: entry.name,
      description: entry.description[this.#options.language()],
      parameters: entry.parameters,
      quantization: entry.quantization,
      bytes: entry.bytes,
      approximateBytes: entry.approximateBytes,
      memoryBytes: entry.memoryBytes,
      contextLength: entry.contextLength,
      licence: {
        ...entry.licence,
        useLimits: entry.licence.useLimits?.[this.#options.language()] ?? null,
      },
      dialect: entry.dialect,
      languages: entry.languages,
      repository,
      repositoryUrl: `https://huggingface.co/${repository}`,
      checked: entry.verified,
      installedAs: installed?.id ?? null,
      fit: this.#options.fit.ofSize(
        entry.bytes ?? entry.approximateBytes,
        entry.quantization,
        entry.memoryBytes,
      ),
    };
  }

  #activeView(state: AnsweringModel['state']['value']): ActiveModelView {
    switch (state.kind) {
      case 'none':
        return state;
      case 'loading':
        return state;
      case 'failed':
        return { kind: 'failed', id: state.id, name: state.name, error: errorView(state.error) };
      case 'ready':
        return {
          kind: 'ready',
          id: state.id,
          name: state.name,
          architecture: state.model.info.architecture,
          contextLength: state.model.contextLength,
          backend: state.model.backend,
          backendReason: backendReason(state.model.choice),
          memoryBytes: state.model.memoryBytes,
          thinkingSwitch: offersThinkingSwitch(state.model.chatTemplate),
          notices: state.model.notices,
        };
      default:
        return state satisfies never;
    }
  }
}

function modelView(
  entry: LibraryEntry,
  purpose: ModelView['purpose'],
  fit: FitView | null,
): ModelView {
  return {
    id: entry.id,
    name: entry.name,
    fileName: entry.fileName,
    bytesTotal: entry.bytesTotal,
    ...sourceOf(entry),
    madeFrom: entry.origin.madeFrom ?? null,
    licence: entry.licence,
    sha256: entry.sha256,
    files: entry.files,
    builtIn: entry.sha256 === guideModel.sha256,
    verified: entry.verified,
    addedAt: entry.addedAt,
    lastUsedAt: entry.lastUsedAt,
    purpose,
    fit,
    state: viewState(entry.state),
  };
}

function viewState(state: LibraryEntry['state']): ModelViewState {
  switch (state.kind) {
    case 'waiting':
    case 'downloading':
      return {
        kind: 'downloading',
        bytesDone: state.bytesDone,
        bytesPerSecond: state.bytesPerSecond,
        secondsLeft: state.secondsLeft,
        resumable: state.resumable,
        retryAt: state.retryAt ?? null,
      };
    case 'paused':
      return {
        kind: 'paused',
        bytesDone: state.bytesDone,
        reason: state.reason,
        error: state.error ?? null,
      };
    case 'verifying':
      return { kind: 'verifying', bytesDone: state.bytesDone };
    case 'ready':
    case 'deleting':
    case 'damaged':
    case 'failed':
      return state;
    default:
      return state satisfies never;
  }
}

function sourceOf({ origin }: LibraryEntry): { sourceLabel: string; sourceUrl: string | null } {
  if (origin.repository !== null) {
    return {
      sourceLabel: origin.repository,
      sourceUrl: `https://huggingface.co/${origin.repository}`,
    };
  }
  if (origin.url === null) return { sourceLabel: '', sourceUrl: null };
  return { sourceLabel: new URL(origin.url).host, sourceUrl: origin.url };
}

function backendReason({ phases, reason }: BackendChoice): BackendReasonView {
  if (reason !== 'measured') return reason;
  const { prefill, decode } = phases;
  if (prefill !== decode) return decode === 'webgpu' ? 'gpu-writes' : 'gpu-reads';
  return decode === 'webgpu' ? 'faster-gpu' : 'faster-processor';
}
