/** Hyper-parameters of a model: what every architecture has, and how they are read from a file. */
import { ModelFileError } from '../../common/errors.ts';
import type { Metadata } from '../formats/gguf/metadata.ts';

/** What the engine needs of every decoder; an architecture adds its own. */
export interface HyperParameters {
  readonly layers: number;
  /** Columns of the residual stream. */
  readonly width: number;
  readonly vocabularySize: number;
  /** Positions the model was trained for. */
  readonly trainedContext: number;
  /** Of the layers with attention, where architecture and file do not say otherwise. */
  readonly kvHeads: number;
  /** Components of a key and of a value of one head. */
  readonly headDim: number;
  readonly mixture?: ExpertParameters;
}

/** Feed-forward blocks of which every token uses a few. */
export interface ExpertParameters {
  readonly experts: number;
  /** Experts of one token. */
  readonly used: number;
  /** Rows of an expert's gate and up. */
  readonly expertWidth: number;
  /** Of the experts that all tokens share, together; 0 for none. */
  readonly sharedWidth: number;
}

/** Counts in files come from strangers: no real model comes near this, and products of two stay exact. */
const largestCount = 2 ** 24;

/**
 * Reads the keys `<architecture>.*` of a file. Absent keys without a fallback, wrong types and
 * values out of range are `ModelFileError`s that name the key.
 */
export class HyperParameterReader {
  readonly metadata: Metadata;
  readonly architecture: string;

  constructor(metadata: Metadata, architecture: string) {
    this.metadata = metadata;
    this.architecture = architecture;
  }

  has(key: string): boolean {
    return this.metadata.has(this.#full(key));
  }

  /** An integer from 1 to 2^24. */
  count(key: string, fallback?: number): number {
    const value = this.metadata.getUnsigned(this.#full(key), fallback);
    if (value < 1 || value > largestCount) {
      throw this.malformed(key, `is ${value}, outside 1 to ${largestCount}`);
    }
    return value;
  }

  /** An integer from 0 to 2^24, 0 where the key is absent. */
  countOrZero(key: string): number {
    return this.metadata.getUnsigned(this.#full(key), 0) === 0 ? 0 : this.count(key);
  }

  isList(key: string): boolean {
    return this.metadata.entries.get(this.#full(key))?.value.type === 'array';
  }

  /** An integer a layer, each from 0 to 2^24: a list, or one number for all. */
  countsOfLayers(key: string, layers: number): readonly number[] {
    const full = this.#full(key);
    if (!this.isList(key)) return new Array<number>(layers).fill(this.count(key));
    const list = Array.from(this.metadata.findIntegers(full, { length: layers }) ?? []);
    const strange = list.find((count) => count < 0 || count > largestCount);
    if (strange === undefined) return list;
    throw this.malformed(key, `has the number ${strange}, outside 0 to ${largestCount}`);
  }

  /** A finite number above zero. */
  positive(key: string, fallback?: number): number {
    const value = this.metadata.getNumber(this.#full(key), fallback);
    if (!(value > 0)) throw this.malformed(key, `is ${value}, but must be above zero`);
    return value;
  }

  /** A finite number, zero where the key is absent. */
  notNegative(key: string): number {
    const value = this.metadata.getNumber(this.#full(key), 0);
    if (value < 0) throw this.malformed(key, `is ${value}, but must not be negative`);
    return value;
  }

  string(key: string, fallback: string): string {
    return this.metadata.getString(this.#full(key), fallback);
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.metadata.getBoolean(this.#full(key), fallback);
  }

  /**
   * Which layers see a window of positions only: `attention.sliding_window_pattern`, a list with an
   * entry a layer, or a period of which all layers but the last have the window.
   */
  windowedLayers(layers: number, period: number): readonly boolean[] {
    const key = 'attention.sliding_window_pattern';
    if (this.isList(key)) {
      return this.metadata.findBooleans(this.#full(key), { length: layers }) ?? [];
    }
    const stated = this.count(key, period);
    return Array.from({ length: layers }, (_, layer) => layer % stated < stated - 1);
  }

  /** Tokens in the vocabulary: what the file lists, else what it states. */
  vocabularySize(): number {
    return this.metadata.findStrings('tokenizer.ggml.tokens')?.length ?? this.count('vocab_size');
  }

  /** The error for a key whose value contradicts itself or the others. */
  malformed(key: string, problem: string): ModelFileError {
    const field = this.#full(key);
    return new ModelFileError(
      'model-file/malformed',
      `The model file contradicts itself: "${field}" ${problem}. Get the file again, or another conversion of the model.`,
      this.#at(field),
    );
  }

  /** The error for a variant of the architecture that is not implemented. */
  unsupported(key: string, what: string): ModelFileError {
    const field = this.#full(key);
    return new ModelFileError(
      'model-file/unsupported-architecture',
      `This ${this.architecture} model needs ${what}, which Hermit does not support. Choose another model.`,
      this.#at(field),
      { details: { architecture: this.architecture } },
    );
  }

  #full(key: string): string {
    return `${this.architecture}.${key}`;
  }

  #at(field: string): { field: string; offsetBytes: number } {
    return { field, offsetBytes: this.metadata.entries.get(field)?.offsetBytes ?? 0 };
  }
}
