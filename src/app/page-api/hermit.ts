/**
 * `globalThis.hermit`: what scripts of this page (and, by a port, of embedding pages) can do.
 * The shapes follow the OpenAI API where there is one; errors are `AppError`.
 */
import { AppError } from '../../common/errors.ts';
import type { Observable } from '../../common/observable.ts';
import type { LibraryEntry } from '../../download/library-entry.ts';
import type { AddModelRequest } from '../../download/model-request.ts';
import type { LoadedEmbedder } from '../../engine/embedder.ts';
import type { LoadedModel } from '../../engine/engine.ts';
import { recipeOf, type Recipe } from '../../engine/quantise/recipe.ts';
import type { StepProfile } from '../../engine/step-profile.ts';
import type { Capabilities } from '../../platform/capabilities.ts';
import type { Signal } from '../../platform/signals/signal.ts';
import type { PolicySignals } from '../../policy/policy-types.ts';
import type { StoreApi } from '../../rpc/contracts.ts';
import type { WorkerOwner } from '../../rpc/worker-owner.ts';
import type { CalibrationChoice, MadeResult, MakingState, ModelMaker } from '../model-maker.ts';
import { hubFolder, localFolder } from '../model-folders.ts';
import type { DeviceProfile } from '../fit/own-speeds.ts';
import { wrongPurpose, type EmbeddingRuntime } from '../embedding-runtime.ts';
import type { ModelPurposes } from '../model-purposes.ts';
import type { InspectionReport, InspectionSource, ModelInspector } from '../model-inspector.ts';
import type { PolicyController } from '../power/policy-controller.ts';
import type { AnsweringModel, RuntimeLoadOptions } from '../model-runtime.ts';
import { Turns } from '../turns.ts';
import { untilReady } from '../until-ready.ts';
import { browserModelReady } from './browser-model.ts';
import {
  ChatCompletions,
  type CallOptions,
  type CompletionDependencies,
} from './chat-completions.ts';
import { Completions } from './completions.ts';
import { Embeddings, noEmbedder } from './embeddings.ts';
import { HermitPolicy, type PolicyDependencies } from './policy.ts';
import {
  invalidField,
  isTokenList,
  requireBoolean,
  requireModel,
  requireRequest,
  requireText,
  requireWhole,
} from './request-checks.ts';

/**
 * An address, a file of this device, the files of a divided model, or an address with the checksum
 * its bytes must have. The address of one file of a divided model leads to all.
 */
export type InstallSource =
  string | File | readonly File[] | { readonly url: string; readonly sha256?: string };

export interface InstallOptions extends CallOptions {
  readonly onProgress?: (progress: {
    readonly bytesDone: number;
    readonly bytesTotal: number | null;
  }) => void;
}

export interface LoadOptions extends Partial<RuntimeLoadOptions>, CallOptions {
  /** `auto` measures the model on processor and graphics card, where there is one, and takes the faster. */
  readonly backend?: 'auto' | 'wasm' | 'webgpu';
  readonly onProgress?: (fraction: number) => void;
}

export interface QuantiseOptions extends CallOptions {
  readonly recipe: Recipe;
  /** As `MakeOptions.calibration`. */
  readonly calibration?: CalibrationChoice;
  readonly onProgress?: (state: MakingState) => void;
}

/** The files of a model's folder (config.json, tokenizer.json, safetensors), or a repository of the hub that has them. */
export type ConvertSource = readonly File[] | { readonly repository: string };

export interface ConvertOptions extends CallOptions {
  /** Makes it smaller on the way; without one every tensor keeps its type. */
  readonly recipe?: Recipe;
  /** What it is called; as its folder or repository is, unless given. */
  readonly name?: string;
  readonly onProgress?: (state: MakingState) => void;
}

/** What `inspect` looks into: as for `install`, and an installed model by its id or a file of the hub. */
export type InspectSource =
  | InstallSource
  | { readonly id: string }
  | { readonly repository: string; readonly file: string; readonly revision?: string };

export interface HermitDependencies extends Omit<CompletionDependencies, 'turns'> {
  readonly store: WorkerOwner<StoreApi>;
  readonly inspector: Pick<ModelInspector, 'inspect'>;
  /** The library's entries, as they change. */
  readonly entries: Observable<readonly LibraryEntry[]>;
  readonly maker: ModelMaker;
  readonly runtime: AnsweringModel;
  readonly embeddings: EmbeddingRuntime;
  readonly purposes: ModelPurposes;
  readonly loadDefaults: () => RuntimeLoadOptions;
  readonly capabilities: () => Promise<Capabilities>;
  /** What was measured here. */
  readonly speeds: () => DeviceProfile | null;
  readonly policy: PolicyController;
  readonly settings: PolicyDependencies['settings'];
  readonly version: string;
}

/** Requests of scripts that may wait; more are a mistake of the script. */
const MOST_WAITING = 256;

export class Hermit {
  readonly version: string;
  readonly models: HermitModels;
  readonly chat: { readonly completions: ChatCompletions };
  readonly completions: Completions;
  readonly embeddings: Embeddings;
  readonly policy: HermitPolicy;
  readonly device: {
    report(): Promise<DeviceReport>;
    /**
     * What the parts of a token take with the loaded model, measured now; waits for its turn.
     * @throws AppError `engine/*`
     */
    profile(): Promise<StepProfile>;
    /** Tokens a second measured on this device, as they can be handed on; null until its class is known. */
    speeds(): DeviceProfile | null;
  };
  readonly #dependencies: HermitDependencies;

  constructor(dependencies: HermitDependencies) {
    const ensureModel = async (id: string | undefined): Promise<string> => {
      if (id !== undefined) await this.models.requireInstalled(id, 'chat');
      return dependencies.ensureModel(id);
    };
    this.#dependencies = { ...dependencies, ensureModel };
    this.version = dependencies.version;
    this.models = new HermitModels(dependencies);
    const completing = { ...this.#dependencies, turns: new Turns({ mostWaiting: MOST_WAITING }) };
    this.chat = { completions: new ChatCompletions(completing) };
    this.completions = new Completions(completing);
    this.embeddings = new Embeddings({
      embeddings: dependencies.embeddings,
      findEmbedder: (id) => this.models.findEmbedder(id),
    });
    this.policy = new HermitPolicy(dependencies);
    this.device = {
      report: () => this.#report(),
      speeds: dependencies.speeds,
      profile: async () => {
        await ensureModel(undefined);
        return dependencies.runtime.profile();
      },
    };
  }

  /** Token ids of a text; `special` turns control spellings into their tokens, `boundary` adds BOS and EOS. */
  async tokenize(
    modelId: string,
    text: string,
    options: { readonly special?: boolean; readonly boundary?: boolean } = {},
  ): Promise<number[]> {
    requireText(text, 'text');
    const special = requireBoolean(options.special, 'special');
    const boundary = requireBoolean(options.boundary, 'boundary');
    const id = requireModel(modelId);
    const { runtime, embeddings, ensureModel } = this.#dependencies;
    if (id !== undefined && (await this.models.purposeOf(id)) === 'embedding') {
      return embeddings.tokenize(id, text, { special, boundary });
    }
    await ensureModel(id);
    return runtime.tokenize(text, { special, boundary });
  }

  /** Text of token ids; control tokens are shown only when `special`. */
  async detokenize(
    modelId: string,
    ids: readonly number[],
    options: { readonly special?: boolean } = {},
  ): Promise<string> {
    if (!isTokenList(ids)) throw invalidField('ids', 'a list of token ids');
    const special = requireBoolean(options.special, 'special');
    const id = requireModel(modelId);
    const { runtime, embeddings, ensureModel } = this.#dependencies;
    if (id !== undefined && (await this.models.purposeOf(id)) === 'embedding') {
      return embeddings.detokenize(id, ids, { special });
    }
    await ensureModel(id);
    return runtime.detokenize(ids, { special });
  }

  async #report(): Promise<DeviceReport> {
    const state = this.#dependencies.runtime.state.value;
    return {
      hermit: this.version,
      ...(await this.#dependencies.capabilities()),
      browserModel: await browserModelReady(),
      signals: withAge(this.#dependencies.policy.signals),
      model: state.kind === 'ready' ? { id: state.id, ...state.model } : null,
    };
  }
}

/** Hardware profile and loaded model, plain JSON. */
export interface DeviceReport extends Capabilities {
  readonly hermit: string;
  /** Whether `model: 'browser'` answers: the browser's own, without a download. */
  readonly browserModel: boolean;
  /** What the device tells of its battery, pressure, memory and page; missing ones with the reason. */
  readonly signals: SignalReport;
  readonly model: ({ readonly id: string } & LoadedModel) | null;
}

type Aged<S> =
  S extends Signal<infer T>
    ? Signal<T> & {
        /** Since it was told; null for what is missing. */ readonly ageMs: number | null;
      }
    : never;

export type SignalReport = { readonly [K in keyof PolicySignals]: Aged<PolicySignals[K]> };

function withAge(signals: PolicySignals): SignalReport {
  const now = Date.now();
  const entries = Object.entries(signals).map(([name, signal]: [string, Signal<unknown>]) => [
    name,
    { ...signal, ageMs: signal.kind === 'known' ? Math.max(0, now - signal.at) : null },
  ]);
  return Object.fromEntries(entries) as SignalReport;
}

class HermitModels {
  readonly #dependencies: HermitDependencies;

  constructor(dependencies: HermitDependencies) {
    this.#dependencies = dependencies;
  }

  list(): Promise<readonly LibraryEntry[]> {
    return this.#dependencies.store.use((store) => store.list());
  }

  /**
   * Downloads or imports a model and resolves with its id once its bytes are verified and it can be
   * loaded. Stopping by the signal gives the space back.
   * @throws AppError `download/*`, `store/*`, `model-file/*`, `aborted`
   */
  async install(source: InstallSource, options: InstallOptions = {}): Promise<string> {
    const { signal, onProgress } = options;
    const { store } = this.#dependencies;
    const id = await store.use((remote) => remote.add(requestOf(source)));
    const cancel = (): void => {
      void store.use((remote) => remote.cancel(id)).catch(() => undefined);
    };
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    try {
      await untilReady({ store, entries: this.#dependencies.entries, id, onProgress });
      return id;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * What the header of a model tells: metadata, tensors, tokenizer, chat template, memory need, and
   * what keeps it from being used. Nothing is installed; of a model elsewhere its header is fetched
   * and no weights. A text is an address, or the id of an installed model.
   * @throws AppError `invalid-argument`, `model-file/*`, `download/*`, `store/*`, `aborted`
   */
  inspect(source: InspectSource, options: CallOptions = {}): Promise<InspectionReport> {
    return this.#dependencies.inspector.inspect(inspectionOf(source), options.signal);
  }

  /**
   * Makes an installed model the one that answers; an embedding model is loaded beside it.
   * @throws AppError `invalid-argument`, `store/not-found`, `store/not-ready`, `model-file/*`,
   * `engine/*`, `aborted`
   */
  async load(id: string, options: LoadOptions = {}): Promise<LoadedModel | LoadedEmbedder> {
    const { runtime, embeddings, loadDefaults } = this.#dependencies;
    const chosen = loadOptions(options, loadDefaults());
    await this.requireInstalled(requireText(id, 'id'));
    const { onProgress, signal } = options;
    if ((await this.purposeOf(id)) === 'embedding') {
      const { precision, contextLength } = chosen;
      return embeddings.load(id, { precision, contextLength }, onProgress, signal);
    }
    return runtime.load(id, chosen, onProgress, signal);
  }

  /** Frees the memory of the loaded model; without an id, of all that are loaded. */
  async unload(id?: string): Promise<void> {
    for (const runtime of [this.#dependencies.runtime, this.#dependencies.embeddings]) {
      await (id === undefined ? runtime.unload() : runtime.unloadIf(id));
    }
  }

  /** What an installed model is for. @throws AppError `store/not-found`, `store/not-ready` */
  async purposeOf(id: string): Promise<'chat' | 'embedding'> {
    return this.#dependencies.purposes.of(await this.#readyEntry(id));
  }

  /** @throws AppError `store/not-found`, `store/not-ready`, `model-file/wrong-kind`, `engine/not-loaded` */
  async findEmbedder(id: string | undefined): Promise<string> {
    if (id !== undefined) {
      await this.requireInstalled(id, 'embedding');
      return id;
    }
    const { embeddings, purposes } = this.#dependencies;
    const loaded = embeddings.loaded.value;
    if (loaded !== null) return loaded.id;
    const found: string[] = [];
    for (const entry of await this.list()) {
      if (entry.state.kind !== 'ready') continue;
      if ((await purposes.of(entry)) === 'embedding') found.push(entry.id);
    }
    const [only] = found;
    if (only === undefined || found.length > 1) throw noEmbedder(found);
    return only;
  }

  /**
   * Makes a smaller model of an installed one and resolves with its id, and the measured error of
   * every tensor, once it is stored. Stopping by the signal leaves nothing behind.
   * @throws AppError `invalid-argument`, `store/*`, `model-file/*`, `aborted`
   */
  async quantise(id: string, options: QuantiseOptions): Promise<MadeResult> {
    requireRequest(options);
    const { signal, onProgress, calibration } = options;
    requireCalibration(calibration);
    const recipe = recipeOf(options.recipe);
    await this.requireInstalled(requireText(id, 'id'));
    return this.#dependencies.maker.make(id, { recipe, calibration, signal, onProgress });
  }

  /**
   * Makes a model of a folder or repository in safetensors and resolves with its id once it is stored.
   * A repository is read as it is converted, and nothing else of it is kept. Stopping by the signal
   * leaves nothing behind.
   * @throws AppError `invalid-argument`, `model-file/*`, `download/*`, `store/*`, `aborted`
   */
  async convert(source: ConvertSource, options: ConvertOptions = {}): Promise<MadeResult> {
    requireRequest(options);
    const { signal, onProgress, name } = options;
    if (name !== undefined) requireText(name, 'name');
    const recipe = options.recipe === undefined ? null : recipeOf(options.recipe);
    const { store, maker } = this.#dependencies;
    const folder = isFiles(source)
      ? localFolder(source, name)
      : await hubFolder(store, requireText(requireRequest(source).repository, 'repository'), name);
    return maker.convert(folder, { recipe, signal, onProgress });
  }

  /**
   * The files of an installed model (several where it was published in several), checked, to save.
   * @throws AppError `store/*`
   */
  async exportFiles(id: string): Promise<readonly File[]> {
    await this.requireInstalled(requireText(id, 'id'));
    return this.#dependencies.store.use((store) => store.exportFiles(id));
  }

  /** Reads every stored byte again and compares it with its checksum. */
  verify(id: string): Promise<void> {
    return this.#dependencies.store.use((store) => store.verify(id));
  }

  /**
   * The model loaded now is given up for another one: not for one that cannot take its place.
   * @throws AppError `store/not-found`, `store/not-ready`, `model-file/wrong-kind`
   */
  async requireInstalled(id: string, purpose?: 'chat' | 'embedding'): Promise<void> {
    const state = this.#dependencies.runtime.state.value;
    if (state.kind === 'ready' && state.id === id && purpose !== 'embedding') return;
    const entry = await this.#readyEntry(id);
    if (purpose === undefined) return;
    const actual = await this.#dependencies.purposes.of(entry);
    if (actual !== purpose) throw wrongPurpose(entry.name, actual);
  }

  async #readyEntry(id: string): Promise<LibraryEntry> {
    const entry = (await this.list()).find((candidate) => candidate.id === id);
    if (entry === undefined) {
      throw new AppError('store/not-found', `No model with the id "${id}" is installed.`, {
        details: { id },
      });
    }
    if (entry.state.kind === 'ready') return entry;
    if (entry.state.kind === 'damaged') {
      const { code, message, details } = entry.state.error;
      throw new AppError(code, message, { details });
    }
    throw new AppError('store/not-ready', `The model "${entry.name}" cannot be used yet.`, {
      details: { id, state: entry.state.kind },
    });
  }

  /** Deletes the model's bytes. */
  async remove(id: string): Promise<void> {
    await this.unload(id);
    await this.#dependencies.store.use((store) => store.remove(id));
  }
}

function requireCalibration(value: unknown): void {
  if (value === undefined || typeof value === 'boolean' || typeof value === 'string') return;
  if (!(value instanceof Blob)) throw invalidField('calibration', 'true, a text or a file', value);
}

function requestOf(source: InstallSource): AddModelRequest {
  if (typeof source === 'string') return { kind: 'url', url: source };
  if (source instanceof File) return { kind: 'file', file: source };
  if (isList(source)) {
    const [file, ...more] = source;
    if (file === undefined || !source.every((each) => each instanceof File)) {
      throw invalidField('source', 'an address, a file or a list of files');
    }
    return { kind: 'file', file, more };
  }
  const { url, sha256 } = requireRequest(source);
  return {
    kind: 'url',
    url: requireText(url, 'url'),
    ...(sha256 === undefined ? {} : { sha256: requireText(sha256, 'sha256') }),
  };
}

function inspectionOf(source: InspectSource): InspectionSource {
  if (typeof source === 'string' && !source.includes('://'))
    return { kind: 'installed', id: source };
  if (typeof source === 'string' || source instanceof File || isList(source)) {
    return requestOf(source);
  }
  const { id, url, repository, file, revision } = requireRequest(source);
  if (id !== undefined) return { kind: 'installed', id: requireText(id, 'id') };
  if (url !== undefined) return requestOf({ url: requireText(url, 'url') });
  return {
    kind: 'hub',
    repository: requireText(repository, 'repository'),
    file: requireText(file, 'file'),
    ...(revision === undefined ? {} : { revision: requireText(revision, 'revision') }),
  };
}

function isFiles(source: ConvertSource): source is readonly File[] {
  if (!Array.isArray(source)) return false;
  if (source.length > 0 && source.every((each) => each instanceof File)) return true;
  throw invalidField('source', 'a list of files or a repository');
}

/** `Array.isArray` does not know of read-only lists. */
function isList(source: InspectSource): source is readonly File[] {
  return Array.isArray(source);
}

function loadOptions(
  { backend, precision, contextLength, threads }: LoadOptions,
  defaults: RuntimeLoadOptions,
): RuntimeLoadOptions {
  const computes = backend ?? defaults.backend ?? 'auto';
  if (!['auto', 'wasm', 'webgpu'].includes(computes)) {
    throw invalidField('backend', '"auto", "wasm" or "webgpu"', computes);
  }
  const chosen = precision ?? defaults.precision;
  if (!['auto', 8, 4].includes(chosen)) throw invalidField('precision', '"auto", 8 or 4', chosen);
  const most = requireWhole(contextLength, 'contextLength', 1, 1e9);
  const loading = {
    precision: chosen,
    contextLength: most ?? defaults.contextLength,
    backend: computes,
  };
  if (threads === undefined) return { ...defaults, ...loading };
  if (threads !== 'auto') requireWhole(threads, 'threads', 1, 1024);
  return { ...loading, threads };
}
