/**
 * The embedding model: an engine worker of its own beside the model that answers, so that loading the
 * one never unloads the other. Loads what a request names, lets one request at a time use it, in the
 * order of the requests, and gives its memory back when it is asked for room.
 */
import { AppError, toAppError } from '../common/errors.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import type { EmbeddingEvent, EmbeddingRequest, LoadedEmbedder } from '../engine/embedder.ts';
import type { EmbedderApi } from '../rpc/contracts.ts';
import { consumeStream } from '../rpc/stream-channel.ts';
import { transfer } from '../rpc/transfer.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import { loadIntoWorker, type ModelAccess } from './load-into-worker.ts';
import type { RuntimeLoadOptions } from './model-runtime.ts';
import { Turns } from './turns.ts';

export interface EmbeddingRuntimeOptions extends ModelAccess {
  readonly worker: WorkerOwner<EmbedderApi>;
  /** Memory that is left for an embedding model now, in bytes. */
  readonly budgetBytes: () => number;
}

interface Held {
  readonly id: string;
  readonly options: RuntimeLoadOptions;
  readonly model: LoadedEmbedder;
}

/**
 * Texts are divided into pieces of some hundred tokens before they are embedded; this leaves room for
 * long ones, and its activations take some tens of megabytes and not hundreds.
 */
const defaults: RuntimeLoadOptions = { precision: 'auto', contextLength: 2048 };

type Text = { readonly special: boolean; readonly boundary: boolean };

export class EmbeddingRuntime {
  readonly #options: EmbeddingRuntimeOptions;
  readonly #turns = new Turns();
  readonly #held = new ObservableValue<Held | null>(null);
  /** Stops the load or the request under way, and those that wait. */
  #work = new AbortController();

  constructor(options: EmbeddingRuntimeOptions) {
    this.#options = options;
  }

  /** The loaded model, or null. */
  get loaded(): Observable<{ readonly id: string; readonly model: LoadedEmbedder } | null> {
    return this.#held;
  }

  /** True while a request runs or waits. */
  get busy(): Observable<boolean> {
    return this.#turns.busy;
  }

  /** What the model takes of the memory. */
  get memoryBytes(): number {
    return this.#held.value?.model.memoryBytes ?? 0;
  }

  /**
   * Loads a stored embedding model in the place of the one before; one that is loaded with the same
   * options, or with any when none are given, is kept.
   * @throws AppError `store/*`, `model-file/*`, `engine/out-of-memory`, `aborted`
   */
  load(
    id: string,
    options?: RuntimeLoadOptions,
    onProgress: (fraction: number) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<LoadedEmbedder> {
    return this.#inTurn(signal, (stop) => this.#ensure(id, options, onProgress, stop));
  }

  /**
   * The vectors of the inputs, in their order, made by this model.
   * @throws AppError what `Embedder.embed` and `load` throw, `engine/worker-died`, `engine/worker-silent`
   */
  embed(
    id: string,
    request: EmbeddingRequest,
    signal?: AbortSignal,
  ): Promise<readonly EmbeddingEvent[]> {
    return this.#inTurn(signal, async (stop) => {
      await this.#ensure(id, undefined, () => undefined, stop);
      const stream = consumeStream<EmbeddingEvent>(stop);
      const { producerPort: port } = stream;
      const ended = this.#options.worker
        .use((worker) => worker.embed(request, transfer(port, [port])))
        .catch((error: unknown) => {
          // A worker that dies cannot end its stream: the stream ends with the death of the call.
          stream.fail(toAppError(error));
        });
      const events: EmbeddingEvent[] = [];
      for await (const event of stream) events.push(event);
      await ended;
      return events;
    });
  }

  /** Token ids as the model's vocabulary has them. */
  tokenize(id: string, text: string, options: Text): Promise<number[]> {
    return this.#inTurn(undefined, async (stop) => {
      await this.#ensure(id, undefined, () => undefined, stop);
      return this.#options.worker.use((worker) => worker.tokenizeInput(text, options));
    });
  }

  detokenize(
    id: string,
    tokens: readonly number[],
    options: { readonly special: boolean },
  ): Promise<string> {
    return this.#inTurn(undefined, async (stop) => {
      await this.#ensure(id, undefined, () => undefined, stop);
      return this.#options.worker.use((worker) => worker.detokenizeInput(tokens, options));
    });
  }

  /** Frees the memory; requests under way and waiting are stopped. */
  async unload(): Promise<void> {
    this.#work.abort();
    this.#work = new AbortController();
    const finish = await this.#turns.take();
    this.#end();
    finish();
  }

  /** Gives up the model if it is this one: before it is deleted. */
  async unloadIf(id: string): Promise<void> {
    // A load under way may be of this one.
    if (this.#held.value?.id === id || this.#turns.busy.value) await this.unload();
  }

  /** The worker was lost: the next request loads the model again. */
  lost(): void {
    this.#held.set(null);
  }

  async #inTurn<T>(
    signal: AbortSignal | undefined,
    work: (stop: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const signals = signal === undefined ? [] : [signal];
    const stop = AbortSignal.any([this.#work.signal, ...signals]);
    return this.#turns.run(() => work(stop), stop);
  }

  async #ensure(
    id: string,
    wanted: RuntimeLoadOptions | undefined,
    onProgress: (fraction: number) => void,
    signal: AbortSignal,
  ): Promise<LoadedEmbedder> {
    const held = this.#held.value;
    if (held?.id === id && (wanted === undefined || sameOptions(held.options, wanted))) {
      return held.model;
    }
    const options = wanted ?? defaults;
    // A fresh worker: WASM memory never shrinks, so the model before would stay in it.
    this.#end();
    const budgetBytes = this.#options.budgetBytes();
    try {
      const model = await loadIntoWorker<LoadedEmbedder>(
        this.#options,
        id,
        (reference, header, events) => {
          const request = { model: reference, options: { ...options, budgetBytes } };
          const moved = reference.kind === 'port' ? [reference.port] : [];
          return this.#options.worker.use((worker) =>
            worker.loadEmbedder(
              transfer(request, moved),
              transfer(header, [header]),
              transfer(events, [events]),
            ),
          );
        },
        onProgress,
        signal,
      );
      this.#held.set({ id, options, model });
      return model;
    } catch (error) {
      // What was loaded of it would stay in the worker's memory.
      this.#end();
      throw error;
    }
  }

  #end(): void {
    this.#held.set(null);
    this.#options.worker.terminate();
  }
}

function sameOptions(a: RuntimeLoadOptions, b: RuntimeLoadOptions): boolean {
  return a.precision === b.precision && a.contextLength === b.contextLength;
}

/** The error for a model that answers where one is needed that makes vectors, or the other way round. */
export function wrongPurpose(name: string, purpose: 'chat' | 'embedding'): AppError {
  const message =
    purpose === 'chat'
      ? `The model "${name}" writes texts and makes no vectors. Choose an embedding model.`
      : `The model "${name}" makes vectors for search and cannot answer. Choose a language model.`;
  return new AppError('model-file/wrong-kind', message, { details: { purpose } });
}
