/**
 * The tokenizer that a Hugging Face tokenizer.json describes, through the same interface as those of
 * GGUF files: for models that come without a GGUF header (ONNX).
 *
 * Its parts are mapped onto our own: normalizer, pre-tokenizer, model (BPE, WordPiece, Unigram,
 * WordLevel), post-processor, decoder. A part that is not known is refused: ids that are nearly right
 * are wrong. Source of the format: the `tokenizers` library, version 1.0 of the file.
 */
import { BpeSegmenter, MergeTable } from '../bpe.ts';
import { resolveSpecialTokens, type SpecialIds } from '../special-tokens.ts';
import type { TextSegmenter } from '../text-segmenter.ts';
import type { TokenKind, Tokenizer } from '../tokenizer.ts';
import { UnigramSegmenter } from '../unigram.ts';
import { VocabularyTokenizer } from '../vocabulary-tokenizer.ts';
import { byteOfSpelling, type Vocabulary } from '../vocabulary.ts';
import { longestBertWord, WordPieceSegmenter } from '../wordpiece.ts';
import {
  countAt,
  flagAt,
  largestList,
  listAt,
  malformedJson,
  maybeText,
  recordAt,
  stepsOf,
  textAt,
  unsupportedJson,
  type JsonRecord,
} from './json-reader.ts';
import { readNormalizer } from './normalizers.ts';
import { readBoundary, type Boundary } from './post-processor.ts';
import { readPreTokenizer, type JsonPreTokenizer } from './pre-tokenizers.ts';

/** Longest file that is parsed, in UTF-16 units: the largest published ones have 35 MB. */
const longestJson = 128 * 1024 * 1024;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly stripsBefore: boolean;
  readonly stripsAfter: boolean;
}

interface WordEncoder {
  encodeWord(word: string, output: number[]): void;
  bytes(token: number): Uint8Array;
}

/**
 * @param json the text of tokenizer.json
 * @param config the text of tokenizer_config.json, which names BOS and EOS; optional
 * @throws ModelFileError `model-file/malformed`, `model-file/limit`, and `model-file/unsupported-tokenizer`
 *   naming the part that Hermit does not compute
 */
export function createJsonTokenizer(json: string, config?: string): Tokenizer {
  const file = recordAt(parse(json, 'tokenizer.json'), 'tokenizer.json');
  const model = recordAt(file['model'], 'model');
  const type = modelType(model);
  const added = readAddedTokens(file['added_tokens']);
  const unknownSpelling = unknownOf(model, type);
  const vocabulary = readVocabulary(model, type, added);
  const unknown = unknownSpelling === null ? null : (vocabulary.ids.get(unknownSpelling) ?? null);
  const kinds = kindsOf(vocabulary, model, added, unknown);
  const boundary = readBoundary(file['post_processor'], vocabulary);
  const named = config === undefined ? {} : recordAt(parse(config, 'config'), 'config');
  const ids = specialIds(named, vocabulary, boundary, unknown);
  const preTokenizer = readPreTokenizer(file['pre_tokenizer']);
  const encoder = modelOf(model, type, { vocabulary, kinds, unknown, preTokenizer });
  const byLength = added.toSorted((a, b) => b.content.length - a.content.length);
  return new VocabularyTokenizer({
    kind: kindNames[type],
    vocabulary,
    kinds,
    special: resolveSpecialTokens(vocabulary, kinds, ids),
    segmenter: new JsonSegmenter(file['normalizer'], preTokenizer, encoder),
    addBos: boundary.before.length > 0,
    addEos: boundary.after.length > 0,
    boundary,
    parsed: byLength.map(({ content, id }) => [content, id] as const),
    stripping: new Set(added.filter((one) => one.stripsAfter).map(({ id }) => id)),
    strippingBefore: new Set(added.filter((one) => one.stripsBefore).map(({ id }) => id)),
    addsSpacePrefix: type === 'WordPiece' || dropsPrefix(file),
    tidiesSpaces: type === 'WordPiece' && tidies(file['decoder']),
    warnings: [],
  });
}

/** Words of a text, one after the other, to the model. */
class JsonSegmenter implements TextSegmenter {
  readonly #normalize: (text: string) => string;
  readonly #preTokenizer: JsonPreTokenizer;
  readonly #encoder: WordEncoder;

  constructor(normalizer: unknown, preTokenizer: JsonPreTokenizer, encoder: WordEncoder) {
    this.#normalize = readNormalizer(normalizer);
    this.#preTokenizer = preTokenizer;
    this.#encoder = encoder;
  }

  encode(text: string, isStart: boolean, output: number[]): void {
    // Lone surrogates have no UTF-8 form; every implementation reads them as U+FFFD.
    const normalized = this.#normalize(text.replace(/\p{Surrogate}/gu, '\ufffd'));
    for (const word of this.#preTokenizer.split(normalized, isStart)) {
      this.#encoder.encodeWord(word, output);
    }
  }

  bytes(token: number): Uint8Array {
    return this.#encoder.bytes(token);
  }
}

type ModelType = 'BPE' | 'WordPiece' | 'Unigram' | 'WordLevel';

const kindNames = {
  BPE: 'bpe',
  WordPiece: 'wordpiece',
  Unigram: 'unigram',
  WordLevel: 'wordpiece',
} as const;

function parse(text: string, path: string): unknown {
  if (text.length > longestJson) throw malformedJson(path, 'is too large');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw malformedJson(path, 'is not JSON');
  }
}

/** Old files do not name the type; each has keys that no other has. */
function modelType(model: JsonRecord): ModelType {
  const type = model['type'];
  if (type === 'BPE' || type === 'WordPiece' || type === 'Unigram' || type === 'WordLevel') {
    return type;
  }
  if (typeof type === 'string') throw unsupportedJson('model', type);
  if (Array.isArray(model['merges'])) return 'BPE';
  if (Array.isArray(model['vocab'])) return 'Unigram';
  return model['continuing_subword_prefix'] === undefined ? 'WordLevel' : 'WordPiece';
}

function readAddedTokens(value: unknown): readonly AddedToken[] {
  if (value === null || value === undefined) return [];
  return listAt(value, 'added_tokens').flatMap((each, index) => {
    const path = `added_tokens[${index}]`;
    const record = recordAt(each, path);
    const content = textAt(record['content'], `${path}.content`);
    if (content === '') return [];
    if (flagAt(record['single_word'], `${path}.single_word`, false)) {
      throw unsupportedJson(`${path}.single_word`, 'single_word');
    }
    return {
      id: countAt(record['id'], `${path}.id`),
      content,
      special: flagAt(record['special'], `${path}.special`, false),
      stripsBefore: flagAt(record['lstrip'], `${path}.lstrip`, false),
      stripsAfter: flagAt(record['rstrip'], `${path}.rstrip`, false),
    };
  });
}

function unknownOf(model: JsonRecord, type: ModelType): string | null {
  if (type !== 'Unigram') return maybeText(model['unk_token'], 'model.unk_token') ?? null;
  const id = model['unk_id'];
  if (id === null || id === undefined) return null;
  const entry = listAt(model['vocab'], 'model.vocab')[countAt(id, 'model.unk_id')];
  if (!Array.isArray(entry)) throw malformedJson('model.unk_id', 'is no token');
  return textAt(entry[0], 'model.vocab');
}

function readVocabulary(
  model: JsonRecord,
  type: ModelType,
  added: readonly AddedToken[],
): Vocabulary {
  const pairs: [spelling: string, id: number, score: number][] = [];
  if (type === 'Unigram') {
    for (const [id, entry] of listAt(model['vocab'], 'model.vocab').entries()) {
      const path = `model.vocab[${id}]`;
      const [spelling, score] = listAt(entry, path, 2);
      if (typeof score !== 'number' || Number.isNaN(score)) {
        throw malformedJson(path, 'has a score that is not a number');
      }
      pairs.push([textAt(spelling, path), id, score]);
    }
  } else {
    const entries = Object.entries(recordAt(model['vocab'], 'model.vocab'));
    if (entries.length > largestList) throw malformedJson('model.vocab', 'is too large');
    for (const [spelling, id] of entries) {
      pairs.push([spelling, countAt(id, 'model.vocab'), 0]);
    }
  }
  for (const { content, id } of added) pairs.push([content, id, 0]);
  const size = pairs.reduce((most, [, id]) => Math.max(most, id + 1), 0);
  // Ids need not be dense, but a vocabulary of holes is none.
  if (size === 0 || size > 2 * pairs.length + 65_536) {
    throw malformedJson('model.vocab', 'has no tokens, or ids far beyond their number');
  }
  const spellings = Array.from({ length: size }, () => '');
  const scores = new Float32Array(size);
  const ids = new Map<string, number>();
  for (const [spelling, id, score] of pairs) {
    spellings[id] = spelling;
    scores[id] = score;
    if (spelling !== '' && !ids.has(spelling)) ids.set(spelling, id);
  }
  return { size, spellings, kinds: [], kindsAreGiven: true, scores, ids };
}

function kindsOf(
  { spellings }: Vocabulary,
  model: JsonRecord,
  added: readonly AddedToken[],
  unknown: number | null,
): readonly TokenKind[] {
  const hasBytes = flagAt(model['byte_fallback'], 'model.byte_fallback', false);
  const kinds = spellings.map((spelling): TokenKind => {
    if (spelling === '') return 'unused';
    return hasBytes && byteOfSpelling(spelling) !== null ? 'byte' : 'normal';
  });
  if (unknown !== null) kinds[unknown] = 'unknown';
  for (const { id, special } of added) {
    if (kinds[id] !== 'unknown') kinds[id] = special ? 'control' : 'user-defined';
  }
  return kinds;
}

interface ModelParts {
  readonly vocabulary: Vocabulary;
  readonly kinds: readonly TokenKind[];
  readonly unknown: number | null;
  readonly preTokenizer: JsonPreTokenizer;
}

function modelOf(model: JsonRecord, type: ModelType, parts: ModelParts): WordEncoder {
  const { vocabulary, kinds, unknown } = parts;
  switch (type) {
    case 'BPE':
      return bpeOf(model, parts);
    case 'WordPiece': {
      const most = model['max_input_chars_per_word'] ?? longestBertWord;
      return new WordPieceSegmenter(vocabulary, kinds, {
        // Normalising and cutting into words are steps of their own here.
        words: { lowercase: false, stripAccents: false, cleanText: false, splitIdeographs: false },
        firstPrefix: '',
        restPrefix: maybeText(model['continuing_subword_prefix'], 'model') ?? '##',
        unknown,
        longestWord: countAt(most, 'model.max_input_chars_per_word'),
      });
    }
    case 'Unigram':
      return new UnigramSegmenter(vocabulary, kinds, {
        normalization: { charsmap: null, removeExtraSpaces: false, addSpacePrefix: false },
        unknown,
      });
    case 'WordLevel':
      return {
        encodeWord: (word, output) => {
          const id = vocabulary.ids.get(word) ?? unknown;
          if (id !== null) output.push(id);
        },
        bytes: (token) => new TextEncoder().encode(` ${vocabulary.spellings[token] ?? ''}`),
      };
    default:
      return type satisfies never;
  }
}

function bpeOf(
  model: JsonRecord,
  { vocabulary, kinds, unknown, preTokenizer }: ModelParts,
): WordEncoder {
  const prefix = maybeText(model['continuing_subword_prefix'], 'model') ?? '';
  if (prefix !== '') throw unsupportedJson('model.continuing_subword_prefix', prefix);
  const endOfWord = maybeText(model['end_of_word_suffix'], 'model.end_of_word_suffix') ?? '';
  return new BpeSegmenter(vocabulary, kinds, readMerges(model['merges'], vocabulary, kinds), {
    preTokenizer: {
      stages: [],
      prefersWholeWords: flagAt(model['ignore_merges'], 'model.ignore_merges', false),
    },
    unknown,
    alphabet: preTokenizer.isByteLevel ? 'bytes' : 'characters',
    fusesUnknown: flagAt(model['fuse_unk'], 'model.fuse_unk', false),
    endOfWord,
  });
}

/** Merges are pairs, or in older files texts with one space between the two. */
function readMerges(value: unknown, { ids }: Vocabulary, kinds: readonly TokenKind[]): MergeTable {
  const merges = listAt(value, 'model.merges');
  const table = new MergeTable(merges.length);
  for (const [rank, merge] of merges.entries()) {
    const path = `model.merges[${rank}]`;
    const pair = typeof merge === 'string' ? merge.split(' ') : listAt(merge, path, 2);
    const [left, right] = [textAt(pair[0], path), textAt(pair[1], path)];
    const [leftId, rightId, result] = [ids.get(left), ids.get(right), ids.get(left + right)];
    if (
      pair.length !== 2 ||
      leftId === undefined ||
      rightId === undefined ||
      result === undefined
    ) {
      throw malformedJson(path, 'does not join two tokens of the vocabulary into a third');
    }
    // Merges must not be a way to a special token.
    const kind = kinds[result];
    if (kind === 'normal' || kind === 'unused') table.add(leftId, rightId, rank, result);
  }
  return table;
}

/** BOS and EOS as the configuration names them, else what stands around every text. */
function specialIds(
  config: JsonRecord,
  { ids }: Vocabulary,
  { before, after }: Boundary,
  unknown: number | null,
): SpecialIds {
  const named = (key: string): number | null => {
    const value = config[key];
    const content =
      typeof value === 'object' && value !== null ? (value as JsonRecord)['content'] : value;
    return typeof content === 'string' ? (ids.get(content) ?? null) : null;
  };
  return {
    bos: before[0] ?? named('bos_token') ?? named('cls_token'),
    eos: named('eos_token') ?? named('sep_token') ?? after.at(-1) ?? null,
    eot: null,
    eom: null,
    unknown,
    padding: named('pad_token'),
  };
}

/** Whether decoding takes one space away at the start. */
function dropsPrefix(file: JsonRecord): boolean {
  return stepsOf(file['decoder'], 'decoder', 'decoders').some(({ step }) => {
    if (step['type'] === 'Strip') return step['content'] === ' ' && step['start'] === 1;
    if (step['type'] !== 'Metaspace') return false;
    return (
      (step['prepend_scheme'] ?? (step['add_prefix_space'] === false ? 'never' : 'always')) !==
      'never'
    );
  });
}

function tidies(decoder: unknown): boolean {
  return stepsOf(decoder, 'decoder', 'decoders').some(
    ({ step, path }) =>
      step['type'] === 'WordPiece' && flagAt(step['cleanup'], `${path}.cleanup`, true),
  );
}
