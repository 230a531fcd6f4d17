/**
 * The model that answers: loads it into the engine worker, renders its chat template in the
 * sandbox, and lets one request at a time use it, in the order of the requests.
 *
 * The chat service and the page API share one runtime, so both see the same model and wait for
 * each other instead of failing.
 */
import { untilAborted } from '../common/abort.ts';
import { AppError, hasCode, toAppError } from '../common/errors.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import type {
  EngineEvent,
  EngineLoadOptions,
  EnginePrompt,
  GenerationRequest,
  LoadedModel,
  TokenReport,
} from '../engine/engine.ts';
import type { StepProfile } from '../engine/step-profile.ts';
import { checkPlan, type ExecutionPlan, type ExecutionStatus } from '../engine/execution-plan.ts';
import type { Measurement } from '../engine/backend-choice.ts';
import type { EngineApi, EngineLoadRequest } from '../rpc/contracts.ts';
import { consumeStream } from '../rpc/stream-channel.ts';
import { transfer } from '../rpc/transfer.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import { loadIntoWorker, type ModelAccess } from './load-into-worker.ts';
import { Turns, type Urgency } from './turns.ts';

export type RuntimeState =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'loading';
      readonly id: string;
      readonly name: string;
      readonly fraction: number;
      /** Bytes that are being fetched again because they were damaged on disk; 0 otherwise. */
      readonly repairBytes: number;
    }
  | {
      readonly kind: 'ready';
      readonly id: string;
      readonly name: string;
      readonly model: LoadedModel;
    }
  | {
      readonly kind: 'failed';
      readonly id: string;
      readonly name: string;
      readonly error: AppError;
    };

export interface ModelRuntimeOptions extends ModelAccess {
  readonly engine: WorkerOwner<EngineApi>;
  /** Memory a model may use in all, in bytes. */
  readonly budgetBytes: number;
  /** Models in other workers; they give way where there is not enough memory for both. */
  readonly beside?: { memoryBytes(): number; release(): Promise<void> };
  /** Fetches what is damaged of a model on disk; without it, damage ends the load. */
  readonly repair?: RepairModel;
  /** Speeds of both backends, so that a model is timed once; nothing is kept unless given. */
  readonly measurements?: MeasurementStore;
  /** Is told of every event of every answer, as it comes. */
  readonly observer?: (event: EngineEvent) => void;
}

/**
 * Makes a damaged model whole again. `onProgress`: bytes that are missing, and the share that came.
 * @throws AppError why it cannot be repaired
 */
export type RepairModel = (
  id: string,
  onProgress: (missingBytes: number, fraction: number) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Keeps what was measured on this device. */
export interface MeasurementStore {
  list(): readonly Measurement[];
  remember(measurement: Measurement): void;
}

export type RuntimeLoadOptions = Pick<
  EngineLoadOptions,
  'precision' | 'contextLength' | 'threads' | 'backend'
> & {
  /** The precision is nobody's choice: memory was too little for more. */
  readonly reducedTo4?: true;
};

export interface GenerateOptions {
  readonly signal?: AbortSignal;
  readonly modelId?: string;
  /** The person's chat goes before what scripts ask. */
  readonly urgency?: Urgency;
  /** Another tab that asks: its plan is followed while it has its turn. */
  readonly asker?: object;
}

/** The model that answers, as everybody sees it who does not own its worker. */
export type AnsweringModel = Omit<Pick<ModelRuntime, keyof ModelRuntime>, 'lost'>;

type ReadyState = Extract<RuntimeState, { kind: 'ready' }>;

interface Loading {
  readonly id: string;
  readonly options: RuntimeLoadOptions;
  readonly controller: AbortController;
  readonly loaded: Promise<LoadedModel>;
  /** Callers of `load` that have not given up. */
  waiting: number;
}

export class ModelRuntime {
  readonly #options: ModelRuntimeOptions;
  readonly #state = new ObservableValue<RuntimeState>({ kind: 'none' });
  #names: ReadonlyMap<string, string> = new Map();
  #loadOptions: RuntimeLoadOptions | null = null;
  #loading: Loading | null = null;
  /** What the engine holds; the state is ahead of it while a load waits for its turn. */
  #held: ReadyState | null = null;
  readonly #turns = new Turns();
  /** Of this tab (`this`) and of others that ask; they hold for models loaded later too. */
  readonly #plans = new WeakMap<object, ExecutionPlan>();
  /** Whose plan is in force: who had the last turn. */
  #asker: object = this;
  /** Stops all answers, those that wait for their turn too. */
  #answers = new AbortController();

  constructor(options: ModelRuntimeOptions) {
    this.#options = options;
  }

  get state(): Observable<RuntimeState> {
    return this.#state;
  }

  /** What the loaded model was asked to be loaded with; null while none was. */
  get loadOptions(): RuntimeLoadOptions | null {
    return this.#loadOptions;
  }

  /** True while a request runs or waits. */
  get busy(): Observable<boolean> {
    return this.#turns.busy;
  }

  /** Tells the names of the installed models, for messages. */
  setNames(entries: readonly { readonly id: string; readonly name: string }[]): void {
    this.#names = new Map(entries.map(({ id, name }) => [id, name]));
  }

  /**
   * Loads a stored model and makes it the one that answers. The same model with the same options is
   * kept as it is, or waited for when it is being loaded; another one stops the load before. The
   * signal ends the waiting at once, and the load when nobody else waits for it.
   * @throws AppError `store/*`, `model-file/*`, `engine/*`, `aborted`
   */
  async load(
    id: string,
    options: RuntimeLoadOptions,
    onProgress: (fraction: number) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<LoadedModel> {
    const now = this.#state.value;
    const same = sameOptions(this.#loading?.options ?? this.#loadOptions, options);
    if (now.kind === 'ready' && now.id === id && same) return now.model;
    const current = this.#loading;
    const joinable = current?.id === id && same && !current.controller.signal.aborted;
    const loading = joinable ? current : this.#startLoading(id, options);
    loading.waiting += 1;
    const stop = (): void => {
      loading.waiting -= 1;
      if (loading.waiting === 0) loading.controller.abort();
    };
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    const stopReporting = this.#state.subscribe((state) => {
      if (state.kind === 'loading' && state.id === id) onProgress(state.fraction);
    });
    try {
      return await untilAborted(loading.loaded, signal);
    } finally {
      stopReporting();
      signal?.removeEventListener('abort', stop);
    }
  }

  #startLoading(id: string, options: RuntimeLoadOptions): Loading {
    this.#loading?.controller.abort();
    const controller = new AbortController();
    const name = this.#names.get(id) ?? id;
    const show = (state: RuntimeState): void => {
      if (this.#loading === loading) this.#state.set(state);
    };
    const run = async (): Promise<LoadedModel> => {
      try {
        const model = await this.#turns.run(
          () =>
            this.#loadWhole(id, options, controller.signal, (fraction, repairBytes) => {
              show({ kind: 'loading', id, name, fraction, repairBytes });
            }),
          controller.signal,
        );
        this.#loadOptions = options;
        this.#held = { kind: 'ready', id, name, model };
        show(this.#held);
        return model;
      } catch (thrown) {
        const error = toAppError(thrown);
        const stopped = hasCode(error, 'aborted');
        // A load that was stopped before its turn leaves the model before it as it was.
        show(stopped ? (this.#held ?? { kind: 'none' }) : { kind: 'failed', id, name, error });
        throw error;
      } finally {
        if (this.#loading === loading) this.#loading = null;
      }
    };
    const loading: Loading = { id, options, controller, loaded: run(), waiting: 0 };
    this.#loading = loading;
    show({ kind: 'loading', id, name, fraction: 0, repairBytes: 0 });
    return loading;
  }

  /** Frees the memory of the model; answers under way are stopped where they are. */
  async unload(): Promise<void> {
    this.#loading?.controller.abort();
    this.#answers.abort();
    this.#answers = new AbortController();
    // Ending the worker is the one way that surely gives its WASM memory back.
    const finish = await this.#turns.take(undefined, 'high');
    this.#end();
    if (this.#loading === null) this.#state.set({ kind: 'none' });
    finish();
  }

  /** Gives up the model if it is this one: before it is deleted. */
  async unloadIf(id: string): Promise<void> {
    const state = this.#state.value;
    if (state.kind !== 'none' && state.id === id) await this.unload();
  }

  /**
   * The loaded model: waits for a load under way, and loads again what was lost with its worker.
   * @throws AppError `engine/not-loaded`, and what loading throws
   */
  async need(): Promise<LoadedModel> {
    if (this.#loading !== null) return this.#loading.loaded;
    const state = this.#state.value;
    if (state.kind === 'ready') return state.model;
    if (state.kind === 'failed' && this.#loadOptions !== null) {
      return this.load(state.id, this.#loadOptions);
    }
    throw noModel();
  }

  /** The engine worker was lost: the next request loads the model again. */
  lost(error: AppError): void {
    this.#held = null;
    const state = this.#state.value;
    if (state.kind !== 'ready') return;
    this.#state.set({ kind: 'failed', id: state.id, name: state.name, error });
  }

  /**
   * Waits for its turn, reads the prompt and writes the answer. `modelId` is the model whose prompt
   * it is: another one that took its place meanwhile does not answer.
   * @throws AppError what `Engine.generate` throws, `engine/not-loaded`, `engine/worker-died`,
   * `engine/worker-silent`, and `aborted` when the signal fires before its turn
   */
  async *generate(
    request: GenerationRequest,
    { signal, modelId, urgency, asker = this }: GenerateOptions = {},
  ): AsyncGenerator<EngineEvent> {
    const signals = [this.#answers.signal, ...(signal === undefined ? [] : [signal])];
    const stop = AbortSignal.any(signals);
    const finish = await this.#turns.take(stop, urgency);
    // The turn ends with the engine's work and not with its reader, who may never read to the end.
    const work = async (port: MessagePort): Promise<void> => {
      try {
        if (modelId !== undefined) this.#requireModel(modelId);
        await this.#followPlanOf(asker);
        await this.#options.engine.use((engine) =>
          engine.generate(request, transfer(port, [port])),
        );
      } finally {
        finish();
      }
    };
    const observer = asker === this ? this.#options.observer : undefined;
    const stream = consumeStream<EngineEvent>(stop, observer);
    const ended = work(stream.producerPort).catch((error: unknown) => {
      // A worker that dies cannot end its stream: the stream ends with the death of the call.
      stream.fail(toAppError(error));
    });
    for await (const event of stream) {
      if (event.type === 'moved') this.#noteMove(event);

      yield event;
    }
    await ended;
  }

  /** Another device computes from now on. */
  #noteMove({ backend, choice }: Extract<EngineEvent, { type: 'moved' }>): void {
    const before = this.#held;
    if (before === null) return;
    this.#held = { ...before, model: { ...before.model, backend, choice } };
    if (this.#state.value === before) this.#state.set(this.#held);
  }

  #requireModel(id: string): void {
    if (this.#held?.id === id) return;
    const state = this.#state.value;
    if (state.kind === 'failed' && state.id === id) throw state.error;
    if (state.kind === 'none') throw noModel();
    throw new AppError(
      'engine/not-loaded',
      'Another model was chosen while this request waited. Ask again.',
      { details: { wanted: id } },
    );
  }

  promptTokens(prompt: EnginePrompt, signal?: AbortSignal, urgency?: Urgency): Promise<number[]> {
    return this.#turns.run(
      () => this.#options.engine.use((engine) => engine.promptTokens(prompt)),
      signal,
      urgency,
    );
  }

  score(
    tokens: readonly number[],
    topLogprobs: number,
    signal?: AbortSignal,
  ): Promise<readonly TokenReport[]> {
    return this.#turns.run(
      () => this.#options.engine.use((engine) => engine.score(tokens, topLogprobs)),
      signal,
    );
  }

  /**
   * How models compute from the next token on: the one that is loaded, in the middle of an answer
   * too, and those that are loaded later. The plan of another tab (`asker`) holds for what it asks.
   * @throws AppError `invalid-argument`
   */
  async applyPlan(plan: ExecutionPlan, asker: object = this): Promise<void> {
    checkPlan(plan);
    this.#plans.set(asker, plan);
    // A hidden tab that holds the model must not slow down the one that is looked at.
    if (this.#state.value.kind !== 'ready' || asker !== this.#asker) return;
    await this.#options.engine.use((engine) => engine.applyPlan(plan));
  }

  async #followPlanOf(asker: object): Promise<void> {
    if (asker === this.#asker) return;
    this.#asker = asker;
    const plan = this.#plans.get(asker);
    if (plan === undefined || this.#held === null) return;
    await this.#options.engine.use((engine) => engine.applyPlan(plan));
  }

  /** What of the plan is in force; null where no model is loaded. */
  async execution(): Promise<ExecutionStatus | null> {
    if (this.#state.value.kind !== 'ready') return null;
    return this.#options.engine.use((engine) => engine.execution());
  }

  /** What the parts of a token take; waits for its turn. @throws AppError `engine/*` */
  profile(signal?: AbortSignal): Promise<StepProfile> {
    return this.#turns.run(() => this.#options.engine.use((engine) => engine.profile()), signal);
  }

  tokenize(text: string, options: { special: boolean; boundary: boolean }): Promise<number[]> {
    return this.#options.engine.use((engine) => engine.tokenize(text, options));
  }

  detokenize(tokens: readonly number[], options: { special: boolean }): Promise<string> {
    return this.#options.engine.use((engine) => engine.detokenize(tokens, options));
  }

  #end(): void {
    this.#held = null;
    this.#options.engine.terminate();
  }

  /** Loads a model; one that is damaged on disk is repaired first, once. */
  async #loadWhole(
    id: string,
    options: RuntimeLoadOptions,
    signal: AbortSignal,
    onProgress: (fraction: number, repairBytes: number) => void,
  ): Promise<LoadedModel> {
    const { repair } = this.#options;
    const load = (): Promise<LoadedModel> =>
      this.#loadInto(id, options, signal, (fraction) => {
        onProgress(fraction, 0);
      });
    try {
      return await load();
    } catch (error) {
      if (repair === undefined || !hasCode(error, 'store/damaged')) throw error;
      await repair(
        id,
        (missingBytes, fraction) => {
          onProgress(fraction, missingBytes);
        },
        signal,
      );
      return load();
    }
  }

  async #loadInto(
    id: string,
    options: RuntimeLoadOptions,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<LoadedModel> {
    const { budgetBytes, beside } = this.#options;
    const taken = beside?.memoryBytes() ?? 0;
    try {
      return await this.#loadWithin(budgetBytes - taken, id, options, signal, onProgress);
    } catch (error) {
      if (beside === undefined || taken === 0 || !hasCode(error, 'engine/out-of-memory')) {
        throw error;
      }
      await beside.release();
      return this.#loadWithin(budgetBytes, id, options, signal, onProgress);
    }
  }

  async #loadWithin(
    budgetBytes: number,
    id: string,
    options: RuntimeLoadOptions,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<LoadedModel> {
    const store = this.#options.measurements;
    const measurements = store?.list() ?? [];
    // A fresh worker: WASM memory never shrinks, so the model before would stay in it.
    this.#end();
    this.#options.engine.prepare();
    try {
      const loaded = await loadIntoWorker<LoadedModel>(
        this.#options,
        id,
        (model, header, events) =>
          this.#options.engine.use((engine) =>
            engine.load(
              transferReference({ model, options: { ...options, budgetBytes, measurements } }),
              transfer(header, [header]),
              transfer(events, [events]),
            ),
          ),
        onProgress,
        signal,
      );
      const plan = this.#plans.get(this.#asker);
      if (plan !== undefined) await this.#options.engine.use((engine) => engine.applyPlan(plan));
      const { measurement } = loaded.choice;
      if (measurement !== null) store?.remember(measurement);
      return loaded;
    } catch (error) {
      // What was loaded of it would stay in the worker's memory until the next model is wanted.
      this.#end();
      throw error;
    }
  }
}

function noModel(): AppError {
  return new AppError('engine/not-loaded', 'No model is loaded. Choose one first.');
}

function transferReference(request: EngineLoadRequest): EngineLoadRequest {
  return request.model.kind === 'port' ? transfer(request, [request.model.port]) : request;
}

function sameOptions(a: RuntimeLoadOptions | null, b: RuntimeLoadOptions): boolean {
  return (
    a !== null &&
    a.precision === b.precision &&
    a.contextLength === b.contextLength &&
    a.threads === b.threads &&
    (a.backend ?? 'auto') === (b.backend ?? 'auto')
  );
}
