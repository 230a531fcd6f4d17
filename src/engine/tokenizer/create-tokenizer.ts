/** Builds the tokenizer that a GGUF file describes. */
import { ModelFileError } from '../../common/errors.ts';
import type { Metadata } from '../formats/gguf/metadata.ts';
import { BpeSegmenter, readMerges } from './bpe.ts';
import { GgufTokenizer } from './gguf-tokenizer.ts';
import { findPreTokenizer } from './pre-tokenizers.ts';
import {
  correctKinds,
  parsedTokens,
  readSpecialIds,
  readStrippingTokens,
  resolveSpecialTokens,
} from './special-tokens.ts';
import { SpmSegmenter } from './spm.ts';
import type { SpecialTokens, Tokenizer } from './tokenizer.ts';
import { readVocabulary } from './vocabulary.ts';

const modelKey = 'tokenizer.ggml.model';
const preKey = 'tokenizer.ggml.pre';

type Create = (metadata: Metadata) => Tokenizer;

/** By `tokenizer.ggml.model`. */
const families: ReadonlyMap<string, Create> = new Map([
  ['llama', createSpm],
  ['gpt2', createBpe],
]);

/** Values of `tokenizer.ggml.model` that work. */
export const supportedTokenizers: readonly string[] = [...families.keys()];

/**
 * The tokenizer of a model file.
 *
 * @throws ModelFileError `model-file/unsupported-tokenizer` for a family other than SentencePiece BPE
 *   ("llama") and byte-level BPE ("gpt2"); `model-file/malformed` for a vocabulary that contradicts itself
 */
export function createTokenizer(metadata: Metadata): Tokenizer {
  const model = metadata.getString(modelKey);
  const create = families.get(model);
  if (create !== undefined) return create(metadata);
  throw new ModelFileError(
    'model-file/unsupported-tokenizer',
    `The model splits its text with a "${model}" tokenizer, which Hermit does not know. Choose a model with a "llama" or "gpt2" tokenizer.`,
    { field: modelKey, offsetBytes: metadata.entries.get(modelKey)?.offsetBytes ?? 0 },
    { details: { tokenizer: model } },
  );
}

function createSpm(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  // SentencePiece's own ids, for files that do not state them.
  const ids = readSpecialIds(metadata, vocabulary.size, { bos: 1, eos: 2, unknown: 0 });
  const kinds = correctKinds(vocabulary, ids);
  const addSpacePrefix = metadata.getBoolean('tokenizer.ggml.add_space_prefix', true);
  const parsed = parsedTokens(vocabulary, kinds);
  const special = resolveSpecialTokens(vocabulary, kinds, ids);
  const unknown = harmlessUnknown(special);
  return new GgufTokenizer({
    kind: 'spm',
    vocabulary,
    kinds,
    special,
    segmenter: new SpmSegmenter(vocabulary, kinds, { addSpacePrefix, unknown }),
    addBos: metadata.getBoolean('tokenizer.ggml.add_bos_token', true) && ids.bos !== null,
    addEos: metadata.getBoolean('tokenizer.ggml.add_eos_token', false) && ids.eos !== null,
    parsed,
    stripping: readStrippingTokens(metadata, parsed),
    addsSpacePrefix: addSpacePrefix,
    warnings: [],
  });
}

function createBpe(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const ids = readSpecialIds(metadata, vocabulary.size, { bos: null, eos: null, unknown: null });
  const kinds = correctKinds(vocabulary, ids);
  const merges = readMerges(metadata, vocabulary, kinds);
  const name = metadata.findString(preKey);
  const { preTokenizer, isKnown } = findPreTokenizer(name);
  const parsed = parsedTokens(vocabulary, kinds);
  const special = resolveSpecialTokens(vocabulary, kinds, ids);
  const unknown = harmlessUnknown(special);
  return new GgufTokenizer({
    kind: 'bpe',
    vocabulary,
    kinds,
    special,
    segmenter: new BpeSegmenter(vocabulary, kinds, merges, { preTokenizer, unknown }),
    addBos:
      metadata.getBoolean('tokenizer.ggml.add_bos_token', preTokenizer.addsBos) && ids.bos !== null,
    addEos: metadata.getBoolean('tokenizer.ggml.add_eos_token', false) && ids.eos !== null,
    parsed,
    stripping: readStrippingTokens(metadata, parsed),
    addsSpacePrefix: false,
    warnings: isKnown ? [] : [unknownPreTokenizer(name)],
  });
}

/**
 * What stands for text that the vocabulary cannot spell. Some files name their end token here; text
 * must not be able to end a turn, so such text is left out instead.
 */
function harmlessUnknown(special: SpecialTokens): number | null {
  const { unknown } = special;
  const isBoundary =
    unknown !== null && (unknown === special.bos || special.endOfGeneration.has(unknown));
  return isBoundary ? null : unknown;
}

function unknownPreTokenizer(name: string | undefined): string {
  return name === undefined
    ? 'The file does not say how its text is split into words; answers may be a little worse.'
    : `The way "${name}" splits text into words is not known; answers may be a little worse.`;
}
