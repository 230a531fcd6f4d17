/** Builds the tokenizer that a GGUF file describes. */
import { ModelFileError } from '../../common/errors.ts';
import type { Metadata } from '../formats/gguf/metadata.ts';
import { BpeSegmenter, readMerges } from './bpe.ts';
import { VocabularyTokenizer } from './vocabulary-tokenizer.ts';
import { NoTokenizer } from './no-tokenizer.ts';
import { findPreTokenizer } from './pre-tokenizers.ts';
import { PrecompiledCharsmap } from './precompiled-charsmap.ts';
import { RwkvSegmenter } from './rwkv.ts';
import {
  correctKinds,
  parsedTokens,
  readSpecialIds,
  readStrippingTokens,
  readTokenId,
  resolveSpecialTokens,
  type SpecialIds,
} from './special-tokens.ts';
import { SpmSegmenter } from './spm.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import type { SpecialTokens, TokenKind, Tokenizer } from './tokenizer.ts';
import { UnigramSegmenter } from './unigram.ts';
import {
  charsmapKey,
  malformedVocabulary,
  readVocabulary,
  tokensKey,
  type Vocabulary,
} from './vocabulary.ts';
import { longestBertWord, WordPieceSegmenter } from './wordpiece.ts';

const modelKey = 'tokenizer.ggml.model';
const preKey = 'tokenizer.ggml.pre';

type Create = (metadata: Metadata) => Tokenizer;

/** By `tokenizer.ggml.model`. */
const families: ReadonlyMap<string, Create> = new Map<string, Create>([
  ['llama', createSpm],
  ['gpt2', createBpe],
  ['gemma4', createBpe],
  ['bert', createWordPiece],
  ['t5', createUnigram],
  ['rwkv', createRwkv],
  ['none', createNone],
  ['no_vocab', createNone],
]);

/** Values of `tokenizer.ggml.model` that work. */
export const supportedTokenizers: readonly string[] = [...families.keys()];

/**
 * The tokenizer of a model file.
 *
 * @throws ModelFileError `model-file/unsupported-tokenizer` for a family that is not among
 *   `supportedTokenizers`; `model-file/malformed` for a vocabulary that contradicts itself
 */
export function createTokenizer(metadata: Metadata): Tokenizer {
  const model = metadata.getString(modelKey);
  const create = families.get(model);
  if (create !== undefined) return create(metadata);
  throw new ModelFileError(
    'model-file/unsupported-tokenizer',
    `The model splits its text with a "${model}" tokenizer, which Hermit does not know. It knows: ${supportedTokenizers.join(', ')}. Choose another model.`,
    { field: modelKey, offsetBytes: metadata.entries.get(modelKey)?.offsetBytes ?? 0 },
    { details: { tokenizer: model } },
  );
}

/** What the families have in common once the special ids are known. */
interface Basis {
  readonly vocabulary: Vocabulary;
  readonly kinds: readonly TokenKind[];
  readonly special: SpecialTokens;
  /** For text that the vocabulary cannot spell, see `harmlessUnknown`. */
  readonly unknown: number | null;
}

interface Differences {
  readonly kind: Exclude<Tokenizer['kind'], 'none'>;
  readonly segmenter: TextSegmenter;
  /** Whether the file's own wishes about BOS and EOS are passed over. */
  readonly alwaysAdds?: boolean;
  /** Where the file does not say. */
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  readonly addsSpacePrefix: boolean;
  readonly tidiesSpaces?: boolean;
  readonly warnings?: readonly string[];
}

function basisOf(vocabulary: Vocabulary, ids: SpecialIds, kinds: readonly TokenKind[]): Basis {
  const special = resolveSpecialTokens(vocabulary, kinds, ids);
  return { vocabulary, kinds, special, unknown: harmlessUnknown(vocabulary, kinds, special) };
}

function assemble(
  metadata: Metadata,
  { vocabulary, kinds, special }: Basis,
  { addsBos, addsEos, alwaysAdds = false, warnings = [], ...parts }: Differences,
): Tokenizer {
  const parsed = parsedTokens(vocabulary, kinds);
  const adds = (name: string, byDefault: boolean): boolean =>
    alwaysAdds || metadata.getBoolean(`tokenizer.ggml.add_${name}_token`, byDefault);
  return new VocabularyTokenizer({
    ...parts,
    vocabulary,
    kinds,
    special,
    addBos: adds('bos', addsBos) && special.bos !== null,
    addEos: adds('eos', addsEos) && special.eos !== null,
    parsed,
    stripping: readStrippingTokens(metadata, parsed),
    warnings,
  });
}

function createSpm(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  // SentencePiece's own ids, for files that do not state them.
  const ids = readSpecialIds(metadata, vocabulary.size, { bos: 1, eos: 2, unknown: 0 });
  const basis = basisOf(vocabulary, ids, correctKinds(vocabulary, ids));
  const addsSpacePrefix = metadata.getBoolean('tokenizer.ggml.add_space_prefix', true);
  return assemble(metadata, basis, {
    kind: 'spm',
    segmenter: new SpmSegmenter(vocabulary, basis.kinds, {
      addSpacePrefix: addsSpacePrefix,
      unknown: basis.unknown,
    }),
    addsBos: true,
    addsEos: false,
    addsSpacePrefix,
  });
}

function createBpe(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const ids = readSpecialIds(metadata, vocabulary.size, { bos: null, eos: null, unknown: null });
  const basis = basisOf(vocabulary, ids, correctKinds(vocabulary, ids));
  const merges = readMerges(metadata, vocabulary, basis.kinds);
  // This family has a name of its own, and files that leave the other one out.
  const isGemma4 = metadata.getString(modelKey) === 'gemma4';
  const name = isGemma4 ? 'gemma4' : metadata.findString(preKey);
  const { preTokenizer, isKnown } = findPreTokenizer(name);
  return assemble(metadata, basis, {
    kind: 'bpe',
    segmenter: new BpeSegmenter(vocabulary, basis.kinds, merges, {
      preTokenizer,
      unknown: basis.unknown,
      alphabet: preTokenizer.alphabet,
    }),
    addsBos: preTokenizer.addsBos,
    addsEos: false,
    addsSpacePrefix: false,
    warnings: isKnown ? [] : [unknownPreTokenizer(name)],
  });
}

/** Special tokens of BERT vocabularies by their spelling; the ids differ between vocabularies. */
const bertSpellings = ['[PAD]', '[CLS]', '[SEP]', '[MASK]'] as const;

function createWordPiece(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const { size } = vocabulary;
  const spelled = (spelling: string): number | null => vocabulary.ids.get(spelling) ?? null;
  const stated = readSpecialIds(metadata, size, {
    bos: readTokenId(metadata, size, 'cls', spelled('[CLS]')),
    // The key was introduced with this misspelling and lives on in files.
    eos: readTokenId(
      metadata,
      size,
      'separator',
      readTokenId(metadata, size, 'seperator', spelled('[SEP]')),
    ),
    unknown: spelled('[UNK]'),
  });
  const kinds = [...correctKinds(vocabulary, stated)];
  for (const spelling of bertSpellings) {
    const id = vocabulary.ids.get(spelling);
    if (id !== undefined && kinds[id] === 'normal') kinds[id] = 'control';
  }
  if (stated.unknown !== null && kinds[stated.unknown] === 'normal') {
    kinds[stated.unknown] = 'unknown';
  }
  const basis = basisOf(vocabulary, stated, kinds);
  const lowercase = metadata.getBoolean('tokenizer.ggml.normalizer.lowercase', true);
  const stripAccents = metadata.getBoolean('tokenizer.ggml.normalizer.strip_accents', lowercase);
  return assemble(metadata, basis, {
    kind: 'wordpiece',
    segmenter: new WordPieceSegmenter(vocabulary, kinds, {
      words: { lowercase, stripAccents, cleanText: true, splitIdeographs: true },
      firstPrefix: '▁',
      restPrefix: '',
      unknown: basis.unknown,
      longestWord: longestBertWord,
    }),
    // Some conversions deny them; without [CLS] and [SEP] the vectors of such a model are wrong.
    alwaysAdds: true,
    addsBos: true,
    addsEos: true,
    addsSpacePrefix: true,
    tidiesSpaces: true,
  });
}

function createUnigram(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  // T5's own ids, for files that do not state them.
  const ids = readSpecialIds(metadata, vocabulary.size, { bos: null, eos: 1, unknown: 2 });
  const basis = basisOf(vocabulary, ids, correctKinds(vocabulary, ids));
  const addsSpacePrefix = metadata.getBoolean('tokenizer.ggml.add_space_prefix', true);
  const removeExtraSpaces = metadata.getBoolean('tokenizer.ggml.remove_extra_whitespaces', true);
  return assemble(metadata, basis, {
    kind: 'unigram',
    segmenter: new UnigramSegmenter(vocabulary, basis.kinds, {
      normalization: {
        charsmap: readCharsmap(metadata),
        removeExtraSpaces,
        addSpacePrefix: addsSpacePrefix,
      },
      unknown: basis.unknown,
    }),
    addsBos: false,
    addsEos: true,
    addsSpacePrefix,
  });
}

function readCharsmap(metadata: Metadata): PrecompiledCharsmap | null {
  const value = metadata.entries.get(charsmapKey)?.value;
  if (value === undefined) return null;
  const fail = (what: string): ModelFileError => malformedVocabulary(metadata, charsmapKey, what);
  if (value.type !== 'array' || (value.of !== 'u8' && value.of !== 'i8')) {
    throw fail(`its entry "${charsmapKey}" should be a list of bytes`);
  }
  const { buffer, byteOffset, byteLength } = value.value;
  return new PrecompiledCharsmap(new Uint8Array(buffer, byteOffset, byteLength), fail);
}

function createRwkv(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const ids = readSpecialIds(metadata, vocabulary.size, { bos: null, eos: null, unknown: null });
  const basis = basisOf(vocabulary, ids, correctKinds(vocabulary, ids));
  return assemble(metadata, basis, {
    kind: 'rwkv',
    segmenter: new RwkvSegmenter(vocabulary, basis.kinds, basis.unknown, (what) =>
      malformedVocabulary(metadata, tokensKey, what),
    ),
    addsBos: false,
    addsEos: false,
    addsSpacePrefix: false,
  });
}

/** A model without a vocabulary still states how many tokens it has, under its architecture's name. */
function createNone(metadata: Metadata): Tokenizer {
  const architecture = metadata.getString('general.architecture');
  const size =
    metadata.findStrings(tokensKey)?.length ?? metadata.getUnsigned(`${architecture}.vocab_size`);
  const ids = readSpecialIds(metadata, size, { bos: null, eos: null, unknown: null });
  const ends = [ids.eos, ids.eot, ids.eom].filter((id) => id !== null);
  return new NoTokenizer(size, {
    bos: ids.bos,
    eos: ids.eos,
    unknown: ids.unknown,
    padding: ids.padding,
    endOfGeneration: new Set(ends),
  });
}

/**
 * What stands for text that the vocabulary cannot spell. Some files name their end token here, or
 * another control token; text must not be able to end a turn, so such text is left out instead.
 */
function harmlessUnknown(
  { spellings }: Vocabulary,
  kinds: readonly TokenKind[],
  special: SpecialTokens,
): number | null {
  const { unknown } = special;
  if (unknown === null || unknown === special.bos || special.endOfGeneration.has(unknown)) {
    return null;
  }
  // Many files call "[UNK]" itself a control token.
  const isControl = kinds[unknown] === 'control' && !/unk/i.test(spellings[unknown] ?? '');
  return isControl ? null : unknown;
}

function unknownPreTokenizer(name: string | undefined): string {
  return name === undefined
    ? 'The file does not say how its text is split into words; answers may be a little worse.'
    : `The way "${name}" splits text into words is not known; answers may be a little worse.`;
}
