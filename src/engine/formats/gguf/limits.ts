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
  /** Real files have 20 to 60; adapters and merges with long provenance a few hundred. */
  metadataEntries: 65_536,
  /** The largest mixtures of experts published have about 2,000 tensors (experts are stacked). */
  tensors: 65_536,
  /** The specification's own bound on keys. */
  keyBytes: 65_535,
  /** Names, licences, tokens: the longest seen in practice is a licence text of about 50 kB. */
  stringBytes: MEBIBYTE,
  /** Chat templates and an embedded tokenizer.json (see `isLongStringKey`), which reaches 10 MB. */
  longStringBytes: 16 * MEBIBYTE,
  /** The largest vocabularies have 262,144 tokens and up to 500,000 merges; 2^21 leaves four times that. */
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
  /** Everything before the tensor data. The largest seen is about 20 MB, nearly all vocabulary. */
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
