/**
 * The composition root: makes every part, hands each what it needs, and gives the user interface
 * its services and scripts of the page their API. All wiring is here and nowhere else.
 */
import { AppError, toAppError } from '../common/errors.ts';
import { ObservableValue } from '../common/observable.ts';
import { openConversationStore } from '../conversation/conversation-store.ts';
import type { EngineEvent } from '../engine/engine.ts';
import { probeCapabilities } from '../platform/capabilities.ts';
import { kernelThreads } from '../platform/kernel-threads.ts';
import { memoryBudget, memoryHints } from '../platform/memory-budget.ts';
import { observeDevice } from '../platform/signals/device-signals.ts';
import { measureWorkerMemory } from '../platform/signals/worker-memory.ts';
import { usualWattHours } from '../policy/power-meter.ts';
import { contentHashOf, type LibraryEntry } from '../download/library-entry.ts';
import { InstallPrompt } from '../pwa/install-prompt.ts';
import { serviceWorkerOfThisPage } from '../pwa/service-worker-registration.ts';
import { UpdateController } from '../pwa/update-controller.ts';
import type { EmbedderApi, EngineApi, ModelReference, StoreApi } from '../rpc/contracts.ts';
import { callback, transfer } from '../rpc/transfer.ts';
import { openSegmentStore } from '../store/segment-store.ts';
import { WorkerOwner } from '../rpc/worker-owner.ts';
import { resolveLocale } from '../ui/localization.ts';
import type { PowerService, Services } from '../ui/services.ts';
import { BrowserAppService } from './app-service.ts';
import {
  askOnce,
  chatTabs,
  downloadSignals,
  modelLine,
  tabLocks,
  tabWideLocks,
  usableLocks,
} from './browser-parts.ts';
import { CatalogUpdates } from './catalog-updates.ts';
import { StoredChatsService } from './chats-service.ts';
import { DownloadWatch } from './download-watch.ts';
import { DeviceFit } from './fit/device-fit.ts';
import type { DeviceProfile } from './fit/own-speeds.ts';
import { EmbeddingRuntime } from './embedding-runtime.ts';
import { HeaderSandbox } from './header-sandbox.ts';
import { LastModel } from './last-model.ts';
import { loadWithinMemory } from './load-within-memory.ts';
import { ModelInspector } from './model-inspector.ts';
import { ModelsInUse } from './models-in-use.ts';
import { ModelPurposes } from './model-purposes.ts';
import { ModelRuntime, type RuntimeLoadOptions } from './model-runtime.ts';
import { ModelMaker } from './model-maker.ts';
import { LibraryModelsService } from './models-service.ts';
import { Hermit } from './page-api/hermit.ts';
import { PolicyController } from './power/policy-controller.ts';
import { PromptRenderer } from './prompt-renderer.ts';
import { createRepair } from './repair-model.ts';
import { TabModel } from './shared-model/tab-model.ts';
import { Safety } from './safety.ts';
import { browserStorage, StoredSettings } from './settings.ts';
import { StoredMeasurements } from './stored-measurements.ts';
import type { ChatTools } from './tool-calls.ts';
import {
  createEmbedderWorker,
  createEngineWorker,
  createQuantiseWorker,
  createSandboxWorker,
  createStoreWorker,
} from './workers.ts';

/** Silence after which a CPU worker counts as hung: a slice of a large prompt stays far below it. */
const SILENCE_LIMIT_MS = 15_000;

/** States of models in which the used storage changes all the time. */
const changing: ReadonlySet<LibraryEntry['state']['kind']> = new Set([
  'waiting',
  'downloading',
  'verifying',
  'deleting',
]);

export interface Application {
  readonly services: Services;
  readonly hermit: Hermit;
  /**
   * Starts the workers and loads the model used last.
   * @throws AppError where the store could not start or the model cannot be loaded
   */
  readonly start: (report: (error: unknown) => void) => Promise<void>;
}

export interface ApplicationOptions {
  /** False where nothing may be stored that nobody asked for: in frames of other sites. */
  readonly serviceWorker?: boolean;
  /** Tools that chats may use. */
  readonly tools?: ChatTools;
}

export async function createApplication(
  version: string,
  { serviceWorker = true, tools }: ApplicationOptions = {},
): Promise<Application> {
  const storage = browserStorage();
  const settings = new StoredSettings(storage);
  addEventListener('storage', ({ key }) => {
    settings.noteStored(key);
  });
  const lastModel = new LastModel(storage);
  const locks = await usableLocks();
  const safety = new Safety(storage, tabLocks(locks));
  addEventListener('pagehide', () => {
    safety.journal.leave();
  });
  const store = new WorkerOwner<StoreApi>({
    name: 'store',
    create: createStoreWorker,
    silenceLimitMs: SILENCE_LIMIT_MS * 4,
    onDeath: () => {
      // If it cannot be started any more, whatever the person does next with a model says so.
      models.restart().catch(() => undefined);
    },
  });
  const engine = new WorkerOwner<EngineApi>({
    name: 'engine',
    create: createEngineWorker,
    silenceLimitMs: SILENCE_LIMIT_MS,
    onDeath: (error) => {
      local.lost(error);
    },
  });
  let keeping: Promise<boolean> | null = null;
  const kept = (): Promise<boolean> =>
    (keeping ??= store
      .use((remote) => remote.kept())
      .catch((error: unknown) => {
        keeping = null; // a store that could not start now may start at the next try
        throw error;
      }));
  const capabilities = probeCapabilities();
  const refer = async (id: string): Promise<ModelReference> =>
    (await kept()) ? { kind: 'stored', id } : serveFromMemory(store, id);
  const deviceBytes = memoryBudget(memoryHints());
  const budgetBytes = (): number => {
    const { memoryLimit } = settings.settings.value;
    return memoryLimit === 0 ? deviceBytes : Math.min(deviceBytes, memoryLimit * 1e6);
  };
  const headers = new HeaderSandbox(createSandboxWorker, deviceBytes);
  const readHeader = (model: ModelReference, header: MessagePort): Promise<void> =>
    headers.readHeader(model, header);
  const embeddings = new EmbeddingRuntime({
    worker: new WorkerOwner<EmbedderApi>({
      name: 'embedder',
      create: createEmbedderWorker,
      silenceLimitMs: SILENCE_LIMIT_MS,
      onDeath: () => {
        embeddings.lost();
      },
    }),
    refer,
    readHeader,
    budgetBytes: () => {
      const { value } = runtime.state;
      return budgetBytes() - (value.kind === 'ready' ? value.model.memoryBytes : 0);
    },
  });
  const observer = (event: EngineEvent): void => {
    policy.note(event);
    // What is held back says nothing of what the device can do.
    if (event.type === 'done' && policy.atFullPace) deviceFit.own.note(event.stats);
  };
  const local = new ModelRuntime({
    engine,
    refer,
    readHeader,
    get budgetBytes() {
      return budgetBytes();
    },
    measurements: new StoredMeasurements(storage, version),
    observer,
    repair: (id, onProgress, signal) => {
      const repair = createRepair({
        store,
        entries: models.entries,
        online: () => navigator.onLine,
      });
      return repair(id, onProgress, signal);
    },
    beside: {
      memoryBytes: () => embeddings.memoryBytes,
      release: () => embeddings.unload(),
    },
  });
  const runtime = new TabModel({
    local,
    endLocal: () => {
      engine.terminate();
      local.lost(new AppError('engine/worker-died', 'Another tab holds the model now.'));
    },
    line: modelLine(locks, import.meta.url),
    journal: safety.journal,
    observer,
  });
  const policy = new PolicyController({
    device: observeDevice(),
    runtime,
    settings: settings.settings,
    budgetBytes,
    besideBytes: () => embeddings.memoryBytes,
    measureWorkers: () => measureWorkerMemory(),
    fullThreads: kernelThreads(),
    cores: navigator.hardwareConcurrency,
    wattHours: usualWattHours[memoryHints().mobile ? 'mobile' : 'desktop'],
  });
  embeddings.loaded.subscribe(() => {
    policy.refresh();
  });
  const deviceFit = new DeviceFit({
    storage,
    build: version,
    budgetBytes,
    capabilities,
    contextLength: () => settings.settings.value.contextLength,
    readDevices,
  });
  const purposes = new ModelPurposes({
    storage,
    read: async (id) => headers.readUse(await refer(id)),
  });
  const inspector = new ModelInspector({
    store,
    sandbox: headers,
    refer,
    budgetBytes: deviceBytes,
  });
  const prompts = new PromptRenderer(runtime, createSandboxWorker);
  const load = async (id: string, onProgress?: (fraction: number) => void): Promise<void> => {
    const { contextLength, precision, backend } = settings.settings.value;
    const wanted: RuntimeLoadOptions = { contextLength, precision, backend };
    const taken = await loadWithinMemory(wanted, (options) =>
      safety.journal.during(id, 'loading', () => runtime.load(id, options, onProgress)),
    );
    if (taken.contextLength < contextLength) {
      const shorter = { wanted: contextLength, taken: taken.contextLength };
      safety.notices.show({ kind: 'shorter-context', ...shorter });
    } else if (taken.reducedTo4 === true) safety.notices.show({ kind: 'four-bits' });
    lastModel.remember(id);
  };
  const maker = new ModelMaker({
    store,
    createWorker: createQuantiseWorker,
    refer,
    readHeader,
    planConversion: (...folder) => headers.planConversion(...folder),
    calibrationText: readCalibrationText,
    budgetBytes: deviceBytes,
    entries: () => models.entries,
  });
  const models = new LibraryModelsService({
    store,
    runtime,
    maker,
    embeddings,
    purposes,
    language: () => resolveLocale(settings.settings.value.language, navigator.languages),
    fetchCatalog: readCatalog,
    catalogUpdates: new CatalogUpdates(storage, version),
    load: async (id) => {
      await load(id);
      // A person who uses a model does not want it gone; before that there is nothing to keep.
      askOnce(storage, () => app.requestPersistence());
    },
    fit: deviceFit.models,
    hubUrl: () => settings.settings.value.hubUrl,
    inspector,
    readHeader: (bytes, port) => headers.refuseUnusable(bytes, port),
  });
  deviceFit.own.points.subscribe(() => {
    models.refreshFits();
  });
  const superseded = (): void => {
    safety.notices.show({ kind: 'superseded' });
  };
  const databaseEvents = {
    superseded,
    cleared: () => {
      safety.notices.show({ kind: 'data-cleared' });
      Promise.all([chats.storeAgain(), models.refresh()]).catch(() => undefined);
    },
  };
  // Without the list the page would greet a person of long standing like a stranger.
  const [conversations, listed] = await Promise.all([
    openConversationStore({ events: databaseEvents }),
    models.start().then(
      () => null,
      (error: unknown) => toAppError(error),
    ),
  ]);
  // Another context needs another state, and which backend is chosen is told by loading: the model is
  // loaded again before the next answer. An answer under way moves to the other backend at once.
  let { contextLength, backend, memoryLimit } = settings.settings.value;
  let reloadNeeded = false;
  settings.settings.subscribe((now) => {
    if (now.contextLength !== contextLength || now.backend !== backend) reloadNeeded = true;
    if (now.contextLength !== contextLength || now.memoryLimit !== memoryLimit) {
      models.refreshFits();
    }
    ({ contextLength, backend, memoryLimit } = now);
  });
  const reading = openSegmentStore();
  const chats = new StoredChatsService({
    // In frames of other sites nothing is stored that nobody asked for.
    ...(serviceWorker ? { reading } : {}),
    store: conversations,
    runtime,
    prompts,
    settings: settings.settings,
    tabs: chatTabs(locks),
    journal: safety.journal,
    reduction: () => policy.reduction,
    watts: () => policy.watts,
    tools,
    ensureModel: async (onProgress) => {
      policy.requireMemory();
      const state = runtime.state.value;
      if (state.kind === 'ready' && !reloadNeeded) return;
      reloadNeeded = false;
      const installed = models.models.value.filter(
        (model) => model.state.kind === 'ready' && model.purpose !== 'embedding',
      );
      const wanted = state.kind === 'none' ? lastModel.id : state.id;
      const model = installed.find(({ id }) => id === wanted) ?? installed[0];
      if (model === undefined) throw noModel();
      await load(model.id, onProgress);
    },
  });
  const inUse = new ModelsInUse(tabWideLocks(locks));
  runtime.state.subscribe((state) => {
    const held = state.kind === 'ready' || state.kind === 'loading';
    inUse.use('answers', held ? state.id : null);
  });
  embeddings.loaded.subscribe((loaded) => {
    inUse.use('embeddings', loaded?.id ?? null);
  });
  const busy = new ObservableValue(false);
  const refreshBusy = (): void => {
    const loading = runtime.state.value.kind === 'loading';
    const working = runtime.busy.value || embeddings.busy.value;
    busy.set(chats.busy.value || models.busy || loading || working);
  };
  chats.busy.subscribe(refreshBusy);
  models.models.subscribe(refreshBusy);
  runtime.state.subscribe(refreshBusy);
  runtime.busy.subscribe(refreshBusy);
  embeddings.busy.subscribe(refreshBusy);
  const updates = new UpdateController({
    client: serviceWorker ? serviceWorkerOfThisPage() : null,
    busy,
    reload: () => {
      location.reload();
    },
  });
  const app = new BrowserAppService({
    version,
    capabilities,
    updates,
    installing: new InstallPrompt({
      events: globalThis,
      standalone: matchMedia('(display-mode: standalone)').matches,
      safariStandalone: (navigator as { readonly standalone?: boolean }).standalone,
    }),
    notices: safety.notices,
    kept: async () => (await kept()) && conversations.kept,
    reading,
  });
  chats.summaries.subscribe(({ length }) => {
    safety.note({ chats: length });
  });
  const watch = new DownloadWatch({
    entries: models.entries,
    keepAwake: () => settings.settings.value.keepAwake,
    signals: downloadSignals(),
  });
  settings.settings.subscribe(() => {
    watch.refresh();
  });
  let { hubUrl } = settings.settings.value;
  settings.settings.subscribe((now) => {
    if (now.hubUrl !== hubUrl) models.useHub(now.hubUrl).catch(() => undefined);
    ({ hubUrl } = now);
  });
  settings.settings.subscribe(({ keepReading }) => {
    models.refreshCatalog();
    // What cannot be deleted now is shown with its size beside the button that deletes it.
    if (!keepReading && app.storage.value.readingBytes !== 0)
      void app.clearReading().catch(() => undefined);
  });
  models.entries.subscribe((now) => {
    safety.note({ models: now.length });
    // A paused download has its bytes too, and a full disk is when the numbers are looked at.
    const settled = now.every(({ state }) => !changing.has(state.kind));
    if (!settled) return;
    void app.refreshStorage();
    if (listed === null) {
      const stored = now.map(contentHashOf).filter((hash) => hash !== null);
      // A cache that cannot be opened is none; at the next start it is tried again.
      reading.retainModels(new Set(stored)).catch(() => undefined);
    }
  });
  const hermit = new Hermit({
    version,
    store,
    inspector,
    entries: models.entries,
    maker,
    runtime,
    embeddings,
    purposes,
    prompts,
    loadDefaults: () => {
      const { contextLength, precision, backend } = settings.settings.value;
      return { contextLength, precision, backend };
    },
    ensureModel: async (id) => {
      policy.requireMemory();
      const state = runtime.state.value;
      const wanted = id ?? (state.kind === 'none' ? lastModel.id : state.id);
      if (wanted === null) throw noModel();
      if (state.kind !== 'none' && state.kind !== 'failed' && state.id === wanted) {
        await runtime.need();
      } else {
        await load(wanted);
      }
      return wanted;
    },
    capabilities: () => app.capabilities(),
    speeds: () => deviceFit.own.profile(),
    policy,
    settings,
  });
  const power: PowerService = {
    power: policy.power,
    changes: policy.changes,
    profile: () => policy.profile(),
    speedsFile: () => speedsFile(deviceFit.own.profile()),
  };
  return { services: { models, chats, settings, app, power }, hermit, start };

  /** What needs the workers, after the page is shown. A part that cannot start leaves the others. */
  async function start(report: (error: unknown) => void): Promise<void> {
    const fits = deviceFit.start().then(() => {
      models.refreshFits();
    });
    const parts = [
      chats.start(),
      models.loadCatalog(),
      app.refreshStorage(),
      updates.start(),
      fits,
    ];
    for (const part of parts) part.catch(report);
    if (listed !== null) throw listed;
    store.use((remote) => remote.onSuperseded(callback(superseded))).catch(report);
    const [chatsRead] = await Promise.allSettled(parts);
    if (chatsRead?.status === 'fulfilled') {
      safety.compare({ chats: chats.summaries.value.length, models: models.entries.value.length });
    }
    const crashed = await safety.tellCrash(
      (modelId) => models.entries.value.find((entry) => entry.id === modelId)?.name ?? null,
    );
    const { id } = lastModel;
    // What took the tab down would do so again, and one visit would end after the other.
    if (crashed || id === null || safety.journal.isFeared(id)) return;
    // Another tab may have loaded it.
    await runtime.settled();
    const ready = models.entries.value.some(
      (entry) => entry.id === id && entry.state.kind === 'ready',
    );
    if (ready && runtime.state.value.kind === 'none') await load(id);
  }
}

function noModel(): AppError {
  return new AppError('engine/not-loaded', 'No model is loaded. Choose one first.');
}

/** Without storage the model is in the store worker's memory: reads go through a port. */
async function serveFromMemory(store: WorkerOwner<StoreApi>, id: string): Promise<ModelReference> {
  const { port1, port2 } = new MessageChannel();
  const served = await store.use((remote) => remote.serveBytes(id, transfer(port1, [port1])));
  return { kind: 'port', port: port2, ...served };
}

/** The text that importances are measured on: same origin, precached. */
async function readCalibrationText(): Promise<string> {
  const response = await fetch('/calibration.json');
  const content: unknown = response.ok ? await response.json() : null;
  const texts =
    content !== null && typeof content === 'object' && 'texts' in content ? content.texts : null;
  if (!Array.isArray(texts)) {
    throw new AppError(
      'engine/asset-mismatch',
      'A part of the application is missing, probably because an update is under way. Reload the page.',
      { details: { status: response.status } },
    );
  }
  return texts.join('\n\n');
}

/** What is known of classes of devices: same origin, precached. */
async function readDevices(): Promise<unknown> {
  const response = await fetch('/devices.json');
  return response.ok ? response.json() : null;
}

function speedsFile(profile: DeviceProfile | null): Blob | null {
  if (profile === null || profile.speeds.length === 0) return null;
  return new Blob([`${JSON.stringify(profile, null, 2)}\n`], { type: 'application/json' });
}

/** The bundled catalogue: same origin, precached. */
async function readCatalog(): Promise<unknown> {
  const response = await fetch('/catalog.json');
  if (!response.ok) {
    throw new AppError('catalog/invalid', 'The catalogue of models could not be read.', {
      details: { status: response.status },
    });
  }
  return response.json();
}
