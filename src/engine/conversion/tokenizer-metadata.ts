/**
 * tokenizer.json of Hugging Face's tokenizers as GGUF's tokenizer metadata: byte-level BPE, and the BPE
 * with byte fallback that SentencePiece models become there. How texts are cut into words is known by
 * its pattern; one that is not known is refused, because the tokens would be wrong.
 */
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { endsByItsSpelling } from '../tokenizer/special-tokens.ts';
import { isRecord, JsonFile, malformedJson, type JsonRecord } from './json-file.ts';
import { preTokenizerName } from './pre-tokenizer-name.ts';
import { readTokens } from './token-list.ts';
import { unsupportedTokenizer } from './unsupported-tokenizer.ts';
import { wordPieceMetadata } from './word-piece-metadata.ts';

export interface TokenizerFiles {
  readonly tokenizer: string;
  readonly tokenizerConfig: string | null;
  readonly generationConfig?: string | null;
  readonly chatTemplate: string | null;
}

type Entries = [string, MetadataValue][];

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
  const settings = JsonFile.parse('tokenizer_config.json', files.tokenizerConfig ?? '{}');
  if (type === 'WordPiece') return wordPieceMetadata(root, settings, config, vocabularySize);
  if (type !== 'BPE') throw unsupportedTokenizer(`a "${type.slice(0, 20)}" tokenizer`);
  const generation = JsonFile.parse('generation_config.json', files.generationConfig ?? '{}');
  const byteLevel = mentions(root, 'ByteLevel');
  if (!byteLevel && model.findBoolean('byte_fallback') !== true) {
    throw unsupportedTokenizer('a BPE tokenizer without bytes');
  }
  const merges = readMerges(model);
  const { tokens, types } = readTokens(root, model, vocabularySize, byteLevel);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return [
    ['tokenizer.ggml.model', { type: 'string', value: byteLevel ? 'gpt2' : 'llama' }],
    [
      'tokenizer.ggml.pre',
      { type: 'string', value: byteLevel ? preTokenizerName(root, model) : 'default' },
    ],
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
    ...specialTokens(root, { settings, config, generation }, ids, byteLevel),
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

interface SettingFiles {
  readonly settings: JsonFile;
  readonly config: JsonFile;
  readonly generation: JsonFile;
}

function specialTokens(
  root: JsonFile,
  files: SettingFiles,
  ids: ReadonlyMap<string, number>,
  byteLevel: boolean,
): Entries {
  const isId = (id: unknown): id is number =>
    typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < ids.size;
  const candidates = (name: 'bos' | 'eos' | 'pad' | 'unk'): readonly number[] => {
    const token = files.settings.get(`${name}_token`);
    const text = isRecord(token) ? token['content'] : token;
    const named = typeof text === 'string' ? ids.get(text) : undefined;
    const stated = [files.config, files.generation].map((file) => file.get(`${name}_token_id`));
    return [...new Set([named, ...stated.flat()].filter(isId))];
  };
  const [eos, ...otherEnds] = candidates('eos');
  const [eot, eom] = withoutKnownSpelling(otherEnds, ids);
  const chosen = {
    bos: candidates('bos')[0],
    ...{ eos, eot, eom },
    padding: candidates('pad')[0],
    unknown: candidates('unk')[0],
  };
  const addsBos =
    files.settings.findBoolean('add_bos_token') ?? beginsWithSpecial(root) ?? !byteLevel;
  return [
    ...Object.entries(chosen).flatMap(([name, id]): Entries => {
      if (id === undefined) return [];
      return [[`tokenizer.ggml.${name}_token_id`, { type: 'u32', value: id }]];
    }),
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: addsBos }],
    ['tokenizer.ggml.add_eos_token', { type: 'bool', value: false }],
  ];
}

/**
 * GGUF has places for two more tokens that end an answer. Those whose spelling tells it come last:
 * readers find them without being told.
 */
function withoutKnownSpelling(
  ends: readonly number[],
  ids: ReadonlyMap<string, number>,
): readonly number[] {
  const spellings = new Map([...ids].map(([spelling, id]) => [id, spelling]));
  const tells = (id: number): number => Number(endsByItsSpelling(spellings.get(id) ?? ''));
  return [...ends].sort((a, b) => tells(a) - tells(b));
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
