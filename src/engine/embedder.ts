/**
 * Texts to vectors, as the engine's worker offers it: one loaded embedding model and its tokenizer.
 *
 * Like `Engine` it knows no browser, and loading replaces the model before. It runs in a worker of its
 * own beside the one that answers, so that search can use both.
 */
import { throwIfAborted } from '../common/abort.ts';
import type { ByteSource } from '../common/byte-source.ts';
import { AppError } from '../common/errors.ts';
import { yieldToEventLoop } from '../common/yield-to-event-loop.ts';
import type { Backend, Precision } from './backend/backend.ts';
import type { GgufFile } from './formats/gguf/gguf-file.ts';
import type { Pooling } from './models/architecture.ts';
import type { EmbeddingModel } from './models/embedding-model.ts';
import type { LanguageModelInfo } from './models/language-model.ts';
import { defineEmbeddingModel } from './models/registry.ts';
import { createTokenizer } from './tokenizer/create-tokenizer.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';
import type { PrecisionChoice } from './weights/storage-policy.ts';
import { loadEmbeddingModel } from './weights/weight-loader.ts';

export interface EmbedderLoadOptions {
  readonly precision: PrecisionChoice;
  /** Tokens of the longest text; at most what the model was trained for is given. */
  readonly contextLength: number;
  /** Memory the model may use in all; unlimited when absent. */
  readonly budgetBytes?: number;
}

export interface LoadedEmbedder {
  readonly info: LanguageModelInfo;
  /** Numbers of a vector. */
  readonly dimensions: number;
  /** Tokens of the longest text. */
  readonly contextLength: number;
  readonly pooling: Pooling;
  /** One line about what computes, for people. */
  readonly backend: string;
  readonly memoryBytes: number;
}

/** A text, with the special tokens of the vocabulary to be put around it; or ids, taken as they are. */
export type EmbeddingInput =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] };

export interface EmbeddingRequest {
  readonly inputs: readonly EmbeddingInput[];
  /** Numbers a vector; all that the model makes unless given. */
  readonly dimensions?: number;
}

/** The vector of one input, of length 1. */
export interface EmbeddingEvent {
  readonly index: number;
  readonly vector: Float32Array;
  /** Tokens of the input, special ones too. */
  readonly tokens: number;
}

interface Loaded {
  readonly backend: Backend;
  readonly model: EmbeddingModel;
  readonly tokenizer: Tokenizer;
  readonly precision: Precision;
}

export class Embedder {
  readonly #createBackend: () => Promise<Backend>;
  #loaded: Loaded | null = null;

  constructor(createBackend: () => Promise<Backend>) {
    this.#createBackend = createBackend;
  }

  /**
   * @throws AppError `model-file/*` for files that cannot be used or answer instead,
   * `engine/out-of-memory`, `store/damaged` and what else the source throws, `aborted`
   */
  async load(
    source: ByteSource,
    file: GgufFile,
    options: EmbedderLoadOptions,
    onProgress: (bytesDone: number, bytesTotal: number) => void,
    signal: AbortSignal,
  ): Promise<LoadedEmbedder> {
    this.unload();
    defineEmbeddingModel(file);
    const tokenizer = createTokenizer(file.metadata);
    const backend = await this.#createBackend();
    try {
      const { precision, contextLength: maxTokens, budgetBytes } = options;
      const model = await loadEmbeddingModel({
        ...{ source, file, backend, precision, maxTokens, budgetBytes, signal, onProgress },
      });
      this.#loaded = { backend, model, tokenizer, precision: precision === 4 ? 4 : 8 };
      const { info, dimensions, pooling } = model;
      return {
        info,
        dimensions,
        contextLength: model.maxTokens,
        pooling,
        backend: backend.description,
        memoryBytes: backend.memory().totalBytes,
      };
    } catch (error) {
      backend.dispose();
      throw error;
    }
  }

  unload(): void {
    if (this.#loaded === null) return;
    const { model, backend } = this.#loaded;
    this.#loaded = null;
    model.dispose();
    backend.dispose();
  }

  /**
   * The vectors of the inputs in their order, each as soon as it is computed. Every input is checked
   * before the first is computed.
   * @throws AppError `engine/context-overflow` with the input's `index` in its details,
   * `invalid-argument`, `engine/not-loaded`, `model-file/invalid-numbers`, `aborted`
   */
  async *embed(
    { inputs, dimensions }: EmbeddingRequest,
    signal: AbortSignal,
  ): AsyncIterable<EmbeddingEvent> {
    const { model, tokenizer, precision } = this.#need();
    const texts = inputs.map((input) => tokensOf(tokenizer, input));
    for (const [index, tokens] of texts.entries()) {
      if (tokens.length > model.maxTokens) throw tooLong(index, tokens.length, model.maxTokens);
    }
    for (const [index, tokens] of texts.entries()) {
      throwIfAborted(signal);
      const vector = await model.embed(tokens, { precision, dimensions, signal });
      yield { index, vector, tokens: tokens.length };
      // A "stop" is a message and is heard between two inputs.
      await yieldToEventLoop();
    }
  }

  tokenize(
    text: string,
    options: { readonly special: boolean; readonly boundary: boolean },
  ): number[] {
    return this.#need().tokenizer.encode(text, {
      special: options.special ? 'parse' : 'as-text',
      addBoundary: options.boundary,
    });
  }

  detokenize(tokens: readonly number[], options: { readonly special: boolean }): string {
    return this.#need().tokenizer.decode(tokens, { showSpecial: options.special });
  }

  #need(): Loaded {
    if (this.#loaded !== null) return this.#loaded;
    throw new AppError('engine/not-loaded', 'No embedding model is loaded. Choose one first.');
  }
}

function tokensOf(tokenizer: Tokenizer, input: EmbeddingInput): Int32Array {
  return Int32Array.from(
    input.kind === 'tokens'
      ? input.tokens
      : tokenizer.encode(input.text, { special: 'as-text', addBoundary: true }),
  );
}

function tooLong(index: number, tokens: number, capacity: number): AppError {
  return new AppError(
    'engine/context-overflow',
    `Input ${index} has ${tokens} tokens and the model takes ${capacity} at a time. Divide it.`,
    { details: { index, tokens, capacity } },
  );
}
