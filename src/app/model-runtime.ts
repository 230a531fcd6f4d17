/**
 * The model that answers: loads it into the engine worker, renders its chat template in the
 * sandbox, and lets one request at a time use it, in the order of the requests.
 *
 * The chat service and the page API share one runtime, so both see the same model and wait for
 * each other instead of failing.
 */
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
import type { EngineApi, EngineLoadRequest, LoadEvent, ModelReference } from '../rpc/contracts.ts';
import { consumeStream } from '../rpc/stream-channel.ts';
import { transfer } from '../rpc/transfer.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';

export type RuntimeState =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'loading';
      readonly id: string;
      readonly name: string;
      readonly fraction: number;
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

export interface ModelRuntimeOptions {
  readonly engine: WorkerOwner<EngineApi>;
  /** Parses a stored model's header in a disposable sandbox and posts it on the port. */
  readonly readHeader: (model: ModelReference, header: MessagePort) => Promise<void>;
  /** How a worker reaches the model's bytes; a reference serves one worker. */
  readonly refer: (modelId: string) => Promise<ModelReference>;
}

export type RuntimeLoadOptions = Pick<EngineLoadOptions, 'precision' | 'contextLength'>;

interface Loading {
  readonly id: string;
  readonly options: RuntimeLoadOptions;
  readonly controller: AbortController;
  readonly loaded: Promise<LoadedModel>;
}

export class ModelRuntime {
  readonly #options: ModelRuntimeOptions;
  readonly #state = new ObservableValue<RuntimeState>({ kind: 'none' });
  #names: ReadonlyMap<string, string> = new Map();
  #loadOptions: RuntimeLoadOptions | null = null;
  #loading: Loading | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #running = 0;

  constructor(options: ModelRuntimeOptions) {
    this.#options = options;
  }

  get state(): Observable<RuntimeState> {
    return this.#state;
  }

  /** True while a request runs or waits. */
  get busy(): boolean {
    return this.#running > 0;
  }

  /** Tells the names of the installed models, for messages. */
  setNames(entries: readonly { readonly id: string; readonly name: string }[]): void {
    this.#names = new Map(entries.map(({ id, name }) => [id, name]));
  }

  /**
   * Loads a stored model and makes it the one that answers. The same model with the same options is
   * kept as it is, or waited for when it is being loaded; another one stops the load before.
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
    const loading =
      this.#loading?.id === id && same ? this.#loading : this.#startLoading(id, options);
    const stop = (): void => {
      loading.controller.abort();
    };
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    const stopReporting = this.#state.subscribe((state) => {
      if (state.kind === 'loading' && state.id === id) onProgress(state.fraction);
    });
    try {
      return await loading.loaded;
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
        const model = await this.#exclusively(() =>
          this.#loadInto(id, options, controller.signal, (fraction) => {
            show({ kind: 'loading', id, name, fraction });
          }),
        );
        this.#loadOptions = options;
        show({ kind: 'ready', id, name, model });
        return model;
      } catch (thrown) {
        const error = toAppError(thrown);
        const stopped = hasCode(error, 'aborted');
        show(stopped ? { kind: 'none' } : { kind: 'failed', id, name, error });
        throw error;
      } finally {
        if (this.#loading === loading) this.#loading = null;
      }
    };
    const loading: Loading = { id, options, controller, loaded: run() };
    this.#loading = loading;
    show({ kind: 'loading', id, name, fraction: 0 });
    return loading;
  }

  async unload(): Promise<void> {
    this.#loading?.controller.abort();
    // Ending the worker is the one way that surely gives its WASM memory back.
    await this.#exclusively(() => Promise.resolve(this.#options.engine.terminate()));
    this.#state.set({ kind: 'none' });
  }

  /** Gives up the model if it is this one: before it is deleted. */
  async unloadIf(id: string): Promise<void> {
    const state = this.#state.value;
    if (state.kind !== 'none' && state.id === id) await this.unload();
  }

  /** The loaded model, loading it again when its worker was lost. @throws AppError `engine/not-loaded` */
  async need(): Promise<LoadedModel> {
    const state = this.#state.value;
    if (state.kind === 'ready') return state.model;
    if (state.kind === 'failed' && this.#loadOptions !== null) {
      return this.load(state.id, this.#loadOptions);
    }
    throw new AppError('engine/not-loaded', 'No model is loaded. Choose one first.');
  }

  /** The engine worker was lost: the next request loads the model again. */
  lost(error: AppError): void {
    const state = this.#state.value;
    if (state.kind !== 'ready') return;
    this.#state.set({ kind: 'failed', id: state.id, name: state.name, error });
  }

  /**
   * Waits for its turn, reads the prompt and writes the answer.
   * @throws AppError what `Engine.generate` throws, `engine/worker-died`, `engine/worker-silent`
   */
  async *generate(request: GenerationRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    const release = await this.#turn();
    const left = new AbortController();
    const stream = consumeStream<EngineEvent>(
      signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]),
    );
    const call = this.#options.engine.use((engine) =>
      engine.generate(request, transfer(stream.producerPort, [stream.producerPort])),
    );
    // A worker that dies cannot end its stream: the stream ends with the death of the call.
    const ended = call.catch((error: unknown) => {
      stream.fail(toAppError(error));
    });
    try {
      yield* stream;
    } finally {
      left.abort();
      await ended;
      release();
    }
  }

  promptTokens(prompt: EnginePrompt): Promise<number[]> {
    return this.#exclusively(() =>
      this.#options.engine.use((engine) => engine.promptTokens(prompt)),
    );
  }

  score(tokens: readonly number[], topLogprobs: number): Promise<readonly TokenReport[]> {
    return this.#exclusively(() =>
      this.#options.engine.use((engine) => engine.score(tokens, topLogprobs)),
    );
  }

  tokenize(text: string, options: { special: boolean; boundary: boolean }): Promise<number[]> {
    return this.#options.engine.use((engine) => engine.tokenize(text, options));
  }

  detokenize(tokens: readonly number[], options: { special: boolean }): Promise<string> {
    return this.#options.engine.use((engine) => engine.detokenize(tokens, options));
  }

  async #loadInto(
    id: string,
    options: RuntimeLoadOptions,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<LoadedModel> {
    // A fresh worker: WASM memory never shrinks, so the model before would stay in it.
    this.#options.engine.terminate();
    // The header goes from the sandbox to the engine directly: a vocabulary is too large to copy twice.
    const header = new MessageChannel();
    await this.#options.readHeader(await this.#options.refer(id), header.port1);
    const events = consumeStream<LoadEvent>(signal);
    const model = await this.#options.refer(id);
    const call = this.#options.engine.use((engine) =>
      engine.load(
        transferReference({ model, options }),
        transfer(header.port2, [header.port2]),
        transfer(events.producerPort, [events.producerPort]),
      ),
    );
    const ended = call.catch((error: unknown) => {
      events.fail(toAppError(error));
    });
    let loaded: LoadedModel | null = null;
    for await (const event of events) {
      if (event.kind === 'loaded') loaded = event.model;
      else onProgress(event.bytesTotal === 0 ? 0 : event.bytesDone / event.bytesTotal);
    }
    await ended;
    if (loaded === null) throw new AppError('internal', 'The engine loaded nothing.');
    return loaded;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#turn();
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Resolves when everything asked for before has ended; call the result to let the next one in. */
  async #turn(): Promise<() => void> {
    this.#running += 1;
    const before = this.#queue;
    let finish = (): void => undefined;
    this.#queue = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await before;
    return () => {
      this.#running -= 1;
      finish();
    };
  }
}

function transferReference(request: EngineLoadRequest): EngineLoadRequest {
  return request.model.kind === 'port' ? transfer(request, [request.model.port]) : request;
}

function sameOptions(a: RuntimeLoadOptions | null, b: RuntimeLoadOptions): boolean {
  return a !== null && a.precision === b.precision && a.contextLength === b.contextLength;
}
