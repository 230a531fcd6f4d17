/**
 * An encoder computed by a backend: a text's tokens become one vector.
 *
 * Every token of an encoder sees all others, so a text is one step and has at most `maxTokens` tokens;
 * the caller divides longer ones. Owns the weights and its cache in the backend, as `GraphLanguageModel` does.
 * One `embed` at a time.
 */
import { throwIfAborted } from '../../common/abort.ts';
import { AppError } from '../../common/errors.ts';
import type { Executable, KvCacheHandle, Precision } from '../backend/backend.ts';
import type { Pooling } from './architecture.ts';
import type { GraphModelParts } from './graph-model.ts';
import type { LanguageModelInfo } from './language-model.ts';

export interface EmbedOptions {
  readonly precision: Precision;
  /** To length 1, so that a dot product is the cosine; true unless given. */
  readonly normalize?: boolean;
  /**
   * Only so many of the first numbers, for models that were trained for it (Matryoshka; Kusupati et
   * al. 2022); all unless given.
   */
  readonly dimensions?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class EmbeddingModel {
  readonly info: LanguageModelInfo;
  readonly maxTokens: number;
  /** Numbers of a vector. */
  readonly dimensions: number;
  readonly pooling: Pooling;
  readonly #parts: GraphModelParts;
  readonly #executable: Executable;
  readonly #cache: KvCacheHandle;
  #running = false;
  #disposed = false;

  /** Compiles the graph. @throws what `Backend` throws; the weights stay the caller's then */
  constructor(parts: GraphModelParts, pooling: Pooling) {
    const { backend, graph, weights, maxTokens, cache, info } = parts;
    this.info = info;
    this.maxTokens = maxTokens;
    this.pooling = pooling;
    this.dimensions = graph.activations[graph.result]?.columns ?? 0;
    this.#parts = parts;
    this.#cache = backend.createCache({ ...cache, capacity: maxTokens, type: 'f32' });
    try {
      this.#executable = backend.compile(graph, { weights, maxTokens, maxOutputs: maxTokens });
    } catch (error) {
      backend.releaseCache(this.#cache);
      throw error;
    }
  }

  /**
   * The vector of a text, with the special tokens the model was trained with already in `tokens`.
   * @throws AppError `engine/context-overflow`, `engine/busy`, `invalid-argument`, `aborted`,
   *   `model-file/invalid-numbers`
   */
  async embed(tokens: Int32Array, options: EmbedOptions): Promise<Float32Array> {
    this.#check(tokens, options.dimensions);
    throwIfAborted(options.signal);
    this.#running = true;
    try {
      const rows = await this.#parts.backend.run(this.#executable, {
        tokens,
        position: 0,
        outputs: this.pooling === 'last' ? 1 : tokens.length,
        precision: options.precision,
        cache: this.#cache,
      });
      const vector = pool(rows, this.dimensions, this.pooling).subarray(0, options.dimensions);
      const length = Math.hypot(...vector);
      if (!Number.isFinite(length)) {
        throw new AppError(
          'model-file/invalid-numbers',
          'The model produces invalid numbers. Its file is probably damaged: verify it, or choose another conversion of the model.',
        );
      }
      return (options.normalize ?? true) && length > 0
        ? vector.map((x) => x / length)
        : vector.slice();
    } finally {
      this.#running = false;
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { backend, weights } = this.#parts;
    backend.releaseCache(this.#cache);
    for (const weight of weights.values()) backend.releaseWeight(weight);
  }

  #check(tokens: Int32Array, dimensions = this.dimensions): void {
    if (this.#disposed) {
      throw new AppError('engine/not-loaded', 'The model was unloaded. Load it again.');
    }
    if (this.#running) {
      throw new AppError('engine/busy', 'The model is already computing. Wait or stop it first.');
    }
    if (tokens.length > this.maxTokens) {
      throw new AppError(
        'engine/context-overflow',
        `The text has ${tokens.length} tokens and the model takes ${this.maxTokens} at a time. Divide it.`,
        { details: { tokens: tokens.length, capacity: this.maxTokens } },
      );
    }
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > this.dimensions) {
      throw new AppError(
        'invalid-argument',
        `The model makes vectors of ${this.dimensions} numbers, so that "dimensions" must be a whole number from 1 to ${this.dimensions}.`,
        { details: { field: 'dimensions', value: dimensions, most: this.dimensions } },
      );
    }
    const { vocabularySize } = this.info;
    const stranger = tokens.find((token) => token < 0 || token >= vocabularySize);
    if (tokens.length === 0 || stranger !== undefined) {
      throw new AppError(
        'invalid-argument',
        stranger === undefined
          ? 'An empty text has no vector.'
          : `Token ${stranger} is not in the vocabulary.`,
        { details: { vocabularySize } },
      );
    }
  }
}

/** One vector from `rows` of `dimensions` numbers. */
export function pool(rows: Float32Array, dimensions: number, pooling: Pooling): Float32Array {
  const count = rows.length / dimensions;
  if (pooling === 'first') return rows.slice(0, dimensions);
  if (pooling === 'last') return rows.slice((count - 1) * dimensions);
  const mean = new Float64Array(dimensions);
  for (let row = 0; row < count; row++) {
    for (let d = 0; d < dimensions; d++)
      mean[d] = (mean[d] ?? 0) + (rows[row * dimensions + d] ?? NaN) / count;
  }
  return Float32Array.from(mean);
}
