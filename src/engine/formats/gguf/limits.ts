/**
 * What a GGUF header may ask for. A file is hostile until it was read: every count and length is
 * checked against these before anything of that size is allocated or looped over.
 */
import { GIBIBYTE, MEBIBYTE } from '../../../common/bytes.ts';

export interface GgufLimits {
  readonly metadataEntries: number;
  readonly tensors: number;
  readonly keyBytes: number;
  readonly stringBytes: number;
  readonly longStringBytes: number;
  readonly arrayElements: number;
  readonly arrayTextBytes: number;
  readonly dimensions: number;
  readonly tensorNameBytes: number;
  readonly alignment: number;
  readonly blockCount: number;
  readonly contextLength: number;
  readonly headerBytes: number;
}

export const ggufLimits: GgufLimits = {
  /** Ordinary files have some dozens of entries: a thousand times that is no ordinary file. */
  metadataEntries: 65_536,
  /** About ten a layer, experts being stacked in one: 1,024 layers stay far below. */
  tensors: 65_536,
  /** The specification's own bound on keys. */
  keyBytes: 65_535,
  /** Names, tokens, descriptions, and whole licence texts of some 10 kB. */
  stringBytes: MEBIBYTE,
  /** Chat templates and an embedded tokenizer.json (see `isLongStringKey`): 9 MB for 128,256 tokens. */
  longStringBytes: 16 * MEBIBYTE,
  /** The largest vocabularies have 262,144 tokens and half a million merges; four times that. */
  arrayElements: 2 ** 21,
  /** All strings of one array together: a vocabulary of 262,144 tokens has about 2 MB of text. */
  arrayTextBytes: 64 * MEBIBYTE,
  /** ggml tensors have at most four dimensions. */
  dimensions: 4,
  /** The specification's bound; ggml itself stores 63. */
  tensorNameBytes: 64,
  /** A power of two up to here; 32 is usual, 4,096 and 65,536 (memory pages) occur. */
  alignment: 65_536,
  /** Transformer layers: Llama 3.1 405B has 126. Zero layers are refused too. */
  blockCount: 1024,
  /** Positions: 10 million tokens are the longest context advertised so far. */
  contextLength: 2 ** 24,
  /** Everything before the tensor data: a vocabulary of 262,144 tokens with merges is 10 to 20 MB. */
  headerBytes: GIBIBYTE / 4,
};

/** Whether a metadata string of this key may have `longStringBytes`. */
export function isLongStringKey(key: string): boolean {
  return (
    key === 'tokenizer.chat_template' ||
    key.startsWith('tokenizer.chat_template.') ||
    key === 'tokenizer.huggingface.json'
  );
}
