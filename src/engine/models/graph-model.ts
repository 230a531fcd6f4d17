/**
 * A language model computed by a backend from our own graph.
 *
 * Owns the weights and the caches it created in the backend and frees them in `dispose`; the backend
 * itself belongs to the caller. One `forward` at a time.
 */
import { throwIfAborted } from '../../common/abort.ts';
import { AppError } from '../../common/errors.ts';
import type {
  Backend,
  Executable,
  Precision,
  StepInput,
  TopLogits,
  TopRequest,
  WeightHandle,
} from '../backend/backend.ts';
import { WeightTraffic } from '../backend/weight-traffic.ts';
import type { Graph } from '../graph/ops.ts';
import type { StateShape } from './architecture.ts';
import { KvCache } from './kv-cache.ts';
import type {
  ForwardOptions,
  GivenPlanes,
  LanguageModel,
  LanguageModelInfo,
  ModelState,
  StateOptions,
} from './language-model.ts';

/** Logits of one step at most: a large vocabulary must not make the result buffer the largest of all. */
const largestResultBytes = 8 * 1024 * 1024;

/** Rows of logits of one step that keep the result buffer small, at least 1. */
export function outputRows(maxTokens: number, vocabularySize: number): number {
  return Math.max(1, Math.min(maxTokens, Math.floor(largestResultBytes / (4 * vocabularySize))));
}

export interface GraphModelParts {
  readonly info: LanguageModelInfo;
  readonly cache: StateShape;
  readonly backend: Backend;
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, WeightHandle>;
  readonly lowPlanes?: GivenPlanes;
  readonly maxTokens: number;
}

export class GraphLanguageModel implements LanguageModel {
  readonly info: LanguageModelInfo;
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly #parts: GraphModelParts;
  readonly #executable: Executable;
  readonly #traffic: WeightTraffic;
  readonly #states = new Set<KvCache>();
  #running = false;
  #disposed = false;

  /** Compiles the graph. @throws what `Backend.compile` throws; the weights stay the caller's then */
  constructor(parts: GraphModelParts) {
    const { info, backend, graph, weights, maxTokens } = parts;
    this.info = info;
    this.maxTokens = maxTokens;
    this.#parts = parts;
    this.maxOutputs = outputRows(maxTokens, info.vocabularySize);
    this.#executable = backend.compile(graph, {
      weights,
      maxTokens,
      maxOutputs: this.maxOutputs,
    });
    this.#traffic = new WeightTraffic(graph, weights);
  }

  get lowPlanes(): GivenPlanes | undefined {
    return this.#parts.lowPlanes;
  }

  /** Has further threads take shares of the weights, where that pays and `spareBytes` suffice. */
  async spread(spareBytes: number): Promise<void> {
    await this.#parts.backend.spread?.(this.#executable, spareBytes);
  }

  weightBytesOfToken(precision: Precision): number {
    return this.#traffic.bytes({ tokens: 1, outputs: 1 }, precision);
  }

  createState({ capacity, kvType }: StateOptions): ModelState {
    this.#checkAlive();
    const { backend, cache } = this.#parts;
    const state = new KvCache(backend, { ...cache, capacity, type: kvType }, (disposed) => {
      this.#states.delete(disposed);
    });
    this.#states.add(state);
    return state;
  }

  get promptSlice(): number | undefined {
    return this.#parts.backend.boundsSteps === true ? this.maxTokens : undefined;
  }

  get mostCandidates(): number | undefined {
    return this.#parts.backend.mostCandidates;
  }

  async forward(
    tokens: Int32Array,
    state: ModelState,
    options: ForwardOptions,
  ): Promise<Float32Array> {
    return this.#exclusively(tokens, state, options, (cache) =>
      options.want === 'all' && tokens.length > this.maxOutputs
        ? this.#forwardAll(tokens, cache, options)
        : this.#forwardSome(tokens, cache, options),
    );
  }

  async forwardTop(
    tokens: Int32Array,
    state: ModelState,
    options: Omit<ForwardOptions, 'want'>,
    request: TopRequest,
  ): Promise<TopLogits> {
    return this.#exclusively(tokens, state, options, (cache) =>
      this.#step(tokens, cache, { ...options, want: 'last' }, async (input) => {
        const top = await this.#parts.backend.runTop?.(this.#executable, input, request);
        if (top === undefined) throw new AppError('internal', 'This backend finds no candidates.');
        checkNumbers(top.logits);
        return top;
      }),
    );
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const state of [...this.#states]) state.dispose();
    for (const weight of this.#parts.weights.values()) this.#parts.backend.releaseWeight(weight);
  }

  /** One step at a time, with tokens and a state that were checked. */
  async #exclusively<T>(
    tokens: Int32Array,
    state: ModelState,
    { signal }: Pick<ForwardOptions, 'signal'>,
    compute: (cache: KvCache) => Promise<T>,
  ): Promise<T> {
    this.#checkAlive();
    if (this.#running) {
      throw new AppError('engine/busy', 'The model is already computing. Wait or stop it first.');
    }
    const cache = this.#ownState(state);
    this.#checkTokens(tokens, cache);
    throwIfAborted(signal);
    this.#running = true;
    try {
      return await compute(cache);
    } finally {
      this.#running = false;
    }
  }

  #forwardSome(tokens: Int32Array, cache: KvCache, options: ForwardOptions): Promise<Float32Array> {
    return this.#step(tokens, cache, options, async (input) => {
      const logits = await this.#parts.backend.run(this.#executable, input);
      checkNumbers(logits);
      return logits;
    });
  }

  /** Has the backend `run` a step, and counts it. */
  async #step<T>(
    tokens: Int32Array,
    cache: KvCache,
    options: ForwardOptions,
    run: (input: StepInput) => Promise<T>,
  ): Promise<T> {
    const outputs = { none: 0, last: 1, all: tokens.length }[options.want];
    cache.begin(tokens.length);
    try {
      const result = await run({
        tokens,
        position: cache.length,
        outputs,
        precision: options.precision,
        cache: cache.handle,
        signal: options.signal,
      });
      cache.advance(tokens.length);
      this.#report(tokens.length, outputs, cache, options);
      return result;
    } catch (error) {
      cache.spoil();
      throw error;
    }
  }

  #report(tokens: number, outputs: number, cache: KvCache, options: ForwardOptions): void {
    const { backend } = this.#parts;
    const { precision, onStep } = options;
    onStep?.({
      backend: backend.kind,
      threads: backend.threadsUsed ?? 0,
      precision,
      kvType: cache.handle.spec.type,
      tokens,
      weightBytes: this.#traffic.bytes({ tokens, outputs }, precision),
    });
  }

  /** All logits of more tokens than the result buffer holds rows: several steps, gathered. */
  async #forwardAll(
    tokens: Int32Array,
    cache: KvCache,
    options: ForwardOptions,
  ): Promise<Float32Array> {
    const before = cache.length;
    const gathered = new Float32Array(tokens.length * this.info.vocabularySize);
    try {
      for (let start = 0; start < tokens.length; start += this.maxOutputs) {
        throwIfAborted(options.signal);
        const part = tokens.subarray(start, start + this.maxOutputs);
        gathered.set(
          await this.#forwardSome(part, cache, options),
          start * this.info.vocabularySize,
        );
      }
    } catch (error) {
      cache.truncate(Math.min(before, cache.length));
      throw error;
    }
    return gathered;
  }

  #checkAlive(): void {
    if (!this.#disposed) return;
    throw new AppError('engine/not-loaded', 'The model was unloaded. Load it again.');
  }

  #ownState(state: ModelState): KvCache {
    if (state instanceof KvCache && this.#states.has(state)) return state;
    throw new AppError('invalid-argument', 'The conversation belongs to another model.');
  }

  #checkTokens(tokens: Int32Array, cache: KvCache): void {
    if (tokens.length < 1 || tokens.length > this.maxTokens) {
      throw new AppError(
        'invalid-argument',
        `A step takes 1 to ${this.maxTokens} tokens, not ${tokens.length}.`,
      );
    }
    const { vocabularySize } = this.info;
    const stranger = tokens.find((token) => token < 0 || token >= vocabularySize);
    if (stranger !== undefined) {
      throw new AppError('invalid-argument', `Token ${stranger} is not in the vocabulary.`, {
        details: { token: stranger, vocabularySize },
      });
    }
    if (cache.length + tokens.length > cache.capacity) {
      throw new AppError(
        'engine/context-overflow',
        `The conversation needs more than the ${cache.capacity} tokens of its context. Start a new chat, shorten the text or load the model with a larger context.`,
        { details: { capacity: cache.capacity, length: cache.length, tokens: tokens.length } },
      );
    }
  }
}

/** A sum of finite float32 values stays finite in double precision, and one that is not poisons it. */
function checkNumbers(logits: Float32Array): void {
  let sum = 0;
  for (const logit of logits) sum += logit;
  if (Number.isFinite(sum)) return;
  throw new AppError(
    'model-file/invalid-numbers',
    'The model produces invalid numbers. Its file is probably damaged: verify it, or choose another conversion of the model.',
  );
}
