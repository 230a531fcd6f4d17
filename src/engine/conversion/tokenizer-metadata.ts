/**
 * tokenizer.json of Hugging Face's tokenizers as GGUF's tokenizer metadata: byte-level BPE, and the BPE
 * with byte fallback that SentencePiece models become there. How texts are cut into words is known by
 * its pattern; one that is not known is refused, because the tokens would be wrong.
 */
import { ModelFileError } from '../../common/errors.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { isRecord, JsonFile, malformedJson, type JsonRecord } from './json-file.ts';

export interface TokenizerFiles {
  readonly tokenizer: string;
  readonly tokenizerConfig: string | null;
  readonly chatTemplate: string | null;
}

type Entries = [string, MetadataValue][];

/** Numbers of `tokenizer.ggml.token_type`. */
const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const mostTokens = 2 ** 22;
const fileName = 'tokenizer.json';

/** @throws ModelFileError `model-file/malformed`, `model-file/unsupported-tokenizer` */
export function tokenizerMetadata(
  files: TokenizerFiles,
  config: JsonFile,
  vocabularySize: number,
): Entries {
  const root = JsonFile.parse(fileName, files.tokenizer);
  const model = root.inside('model');
  const type = model.findString('type') ?? (model.get('merges') === undefined ? '' : 'BPE');
  if (type !== 'BPE') throw unsupported(`a "${type.slice(0, 20)}" tokenizer`);
  const settings = JsonFile.parse('tokenizer_config.json', files.tokenizerConfig ?? '{}');
  const byteLevel = mentions(root, 'ByteLevel');
  if (!byteLevel && model.findBoolean('byte_fallback') !== true) {
    throw unsupported('a BPE tokenizer without bytes');
  }
  const merges = readMerges(model);
  const { tokens, types } = readTokens(root, model, vocabularySize, byteLevel);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return [
    ['tokenizer.ggml.model', { type: 'string', value: byteLevel ? 'gpt2' : 'llama' }],
    ['tokenizer.ggml.pre', { type: 'string', value: byteLevel ? wordsOf(root, model) : 'default' }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: types }],
    ...(byteLevel
      ? ([
          [
            'tokenizer.ggml.merges',
            { type: 'array', of: 'string', value: merges.map((pair) => pair.join(' ')) },
          ],
        ] satisfies Entries)
      : sentencePiece(root, merges, ids)),
    ...specialTokens(root, settings, config, ids, byteLevel),
    ...template(files, settings),
  ];
}

function readMerges(model: JsonFile): readonly (readonly [string, string])[] {
  return model.list('merges').map((merge) => {
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(parts) || parts.length !== 2)
      throw malformedJson(fileName, 'has odd merges');
    const [left, right] = parts as readonly unknown[];
    if (typeof left === 'string' && typeof right === 'string') return [left, right];
    throw malformedJson(fileName, 'has odd merges');
  });
}

function readTokens(
  root: JsonFile,
  model: JsonFile,
  vocabularySize: number,
  byteLevel: boolean,
): { tokens: readonly string[]; types: Int32Array } {
  if (vocabularySize > mostTokens) throw malformedJson('config.json', 'states too many tokens');
  const tokens = new Array<string | undefined>(vocabularySize).fill(undefined);
  const types = new Int32Array(vocabularySize).fill(kinds.unused);
  const put = (id: unknown, token: string, kind: number): void => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw malformedJson(fileName, `has a token outside the ${vocabularySize} of its model`);
    }
    tokens[id] = token;
    types[id] = kind;
  };
  const vocabulary = model.get('vocab');
  if (!isRecord(vocabulary)) throw malformedJson(fileName, 'has no vocabulary');
  const unknown = model.findString('unk_token');
  for (const [token, id] of Object.entries(vocabulary)) {
    const isByte = !byteLevel && /^<0x[0-9A-F]{2}>$/.test(token);
    put(id, token, isByte ? kinds.byte : token === unknown ? kinds.unknown : kinds.normal);
  }
  for (const added of root.list('added_tokens')) {
    if (!isRecord(added) || typeof added['content'] !== 'string') continue;
    const { id, content, special } = added;
    if (content === unknown) continue;
    put(id, content, special === true ? kinds.control : kinds.userDefined);
  }
  return { tokens: tokens.map((token, id) => token ?? `[PAD${id}]`), types };
}

/**
 * SentencePiece merges the pair whose result scores highest; the merges are in that order, so that
 * their places serve as scores.
 */
function sentencePiece(
  root: JsonFile,
  merges: readonly (readonly [string, string])[],
  ids: ReadonlyMap<string, number>,
): Entries {
  const scores = new Float32Array(ids.size).fill(-merges.length - 1);
  for (const [place, [left, right]] of [...merges.entries()].reverse()) {
    const id = ids.get(left + right);
    if (id !== undefined) scores[id] = -place;
  }
  const spaces = { type: 'bool', value: prefixesSpace(root) } as const;
  return [
    ['tokenizer.ggml.scores', { type: 'array', of: 'f32', value: scores }],
    ['tokenizer.ggml.add_space_prefix', spaces],
  ];
}

function prefixesSpace(root: JsonFile): boolean {
  const parts = [...partsOf(root.get('normalizer')), ...partsOf(root.get('pre_tokenizer'))];
  return parts.some(
    (part) =>
      part['type'] === 'Prepend' ||
      (part['type'] === 'Metaspace' &&
        part['prepend_scheme'] !== 'never' &&
        part['add_prefix_space'] !== false),
  );
}

/** A step of the file's pipeline, or the steps of a sequence. */
function partsOf(value: unknown): readonly JsonRecord[] {
  if (!isRecord(value)) return [];
  const inner = ['pretokenizers', 'normalizers', 'decoders', 'processors'].flatMap((key) => {
    const list = value[key];
    return Array.isArray(list) ? (list as readonly unknown[]) : [];
  });
  return [value, ...inner.filter(isRecord)];
}

function mentions(root: JsonFile, type: string): boolean {
  return ['pre_tokenizer', 'decoder'].some((key) =>
    partsOf(root.get(key)).some((part) => part['type'] === type),
  );
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const gpt4Rest = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const gpt4 = (digits: string): string =>
  String.raw`${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}|${gpt4Rest}`;

/** GGUF's names by the pattern that the file cuts words with. */
const patterns: ReadonlyMap<string, string> = new Map([
  [gpt4(String.raw`\p{N}{1,3}`), 'dbrx'],
  [gpt4(String.raw`\p{N}`), 'qwen2'],
]);

/** @throws ModelFileError `model-file/unsupported-tokenizer` */
function wordsOf(root: JsonFile, model: JsonFile): string {
  const steps = partsOf(root.get('pre_tokenizer')).filter((part) => part['type'] !== 'Sequence');
  const splits = steps.filter((part) => part['type'] === 'Split');
  const [split] = splits;
  if (splits.length === 1 && split !== undefined) {
    const { pattern } = split;
    const regex = isRecord(pattern) ? pattern['Regex'] : undefined;
    const name = typeof regex === 'string' ? patterns.get(regex) : undefined;
    const wholeWords = model.findBoolean('ignore_merges') === true;
    // of Llama 3: the same pattern, and words of the vocabulary stay whole
    if (name === 'dbrx' && wholeWords) return 'llama-bpe';
    if (name !== undefined) return name;
  }
  const digits = steps.some(
    (part) => part['type'] === 'Digits' && part['individual_digits'] === true,
  );
  const plain = steps.some((part) => part['type'] === 'ByteLevel' && part['use_regex'] !== false);
  if (splits.length === 0 && plain) return digits ? 'smollm' : 'gpt-2';
  throw unsupported('a way of cutting texts into words');
}

function specialTokens(
  root: JsonFile,
  settings: JsonFile,
  config: JsonFile,
  ids: ReadonlyMap<string, number>,
  byteLevel: boolean,
): Entries {
  const idOf = (name: 'bos' | 'eos' | 'pad' | 'unk'): number | undefined => {
    const token = settings.get(`${name}_token`);
    const text = isRecord(token) ? token['content'] : token;
    const named = typeof text === 'string' ? ids.get(text) : undefined;
    const stated = config.get(`${name}_token_id`);
    const first: unknown = Array.isArray(stated) ? stated[0] : stated;
    return named ?? (typeof first === 'number' && first >= 0 ? first : undefined);
  };
  const names = { bos: 'bos', eos: 'eos', pad: 'padding', unk: 'unknown' } as const;
  const entries = (Object.keys(names) as (keyof typeof names)[]).flatMap((name): Entries => {
    const id = idOf(name);
    if (id === undefined || id >= ids.size) return [];
    return [[`tokenizer.ggml.${names[name]}_token_id`, { type: 'u32', value: id }]];
  });
  const addsBos = settings.findBoolean('add_bos_token') ?? beginsWithSpecial(root) ?? !byteLevel;
  return [
    ...entries,
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: addsBos }],
    ['tokenizer.ggml.add_eos_token', { type: 'bool', value: false }],
  ];
}

/** Whether the file puts a special token before a text; undefined where it does not say. */
function beginsWithSpecial(root: JsonFile): boolean | undefined {
  const parts = partsOf(root.get('post_processor'));
  const found = parts.find((part) => part['type'] === 'TemplateProcessing');
  if (found === undefined) return undefined;
  const { single } = found;
  const first: unknown = Array.isArray(single) ? single[0] : undefined;
  return isRecord(first) && first['SpecialToken'] !== undefined;
}

function template({ chatTemplate }: TokenizerFiles, settings: JsonFile): Entries {
  const stated = settings.get('chat_template');
  const named = Array.isArray(stated)
    ? (stated as readonly unknown[]).find((item) => isRecord(item) && item['name'] === 'default')
    : undefined;
  const text = chatTemplate ?? (isRecord(named) ? named['template'] : stated);
  if (typeof text !== 'string') return [];
  return [['tokenizer.chat_template', { type: 'string', value: text }]];
}

function unsupported(what: string): ModelFileError {
  return new ModelFileError(
    'model-file/unsupported-tokenizer',
    `The model's tokenizer.json has ${what} that Hermit cannot convert. Look for a GGUF file of this model.`,
    { field: fileName, offsetBytes: 0 },
    { details: { tokenizer: what } },
  );
}
