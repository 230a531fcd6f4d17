/** WordPiece of a tokenizer.json as GGUF's metadata, which marks pieces that begin a word instead of the others. */
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { isRecord, type JsonFile } from './json-file.ts';
import { readTokens } from './token-list.ts';
import { unsupportedTokenizer } from './unsupported-tokenizer.ts';

const specials = {
  bos: '[CLS]',
  cls: '[CLS]',
  eos: '[SEP]',
  // the key was introduced with this misspelling
  seperator: '[SEP]',
  unknown: '[UNK]',
  padding: '[PAD]',
  mask: '[MASK]',
} as const;

/** @throws ModelFileError `model-file/malformed`, `model-file/unsupported-tokenizer` */
export function wordPieceMetadata(
  root: JsonFile,
  settings: JsonFile,
  config: JsonFile,
  vocabularySize: number,
): [string, MetadataValue][] {
  const model = root.inside('model');
  const rest = model.findString('continuing_subword_prefix') ?? '##';
  const normalizer = root.inside('normalizer');
  if (normalizer.findString('type') !== 'BertNormalizer') {
    throw unsupportedTokenizer('a normalisation of WordPiece');
  }
  const { tokens, types } = readTokens(root, model, vocabularySize, false);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const marked = tokens.map((token, id) => {
    if (types[id] !== 1) return token;
    return token.startsWith(rest) ? token.slice(rest.length) : `▁${token}`;
  });
  const lowercase = normalizer.findBoolean('lowercase') ?? true;
  const idOf = (name: keyof typeof specials): number | undefined => {
    const named = settings.get(`${name === 'seperator' ? 'sep' : name}_token`);
    const text = isRecord(named) ? named['content'] : named;
    return (typeof text === 'string' ? ids.get(text) : undefined) ?? ids.get(specials[name]);
  };
  return [
    ['tokenizer.ggml.model', { type: 'string', value: 'bert' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'default' }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: marked }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: types }],
    ['tokenizer.ggml.token_type_count', { type: 'u32', value: config.count('type_vocab_size', 1) }],
    ['tokenizer.ggml.normalizer.lowercase', { type: 'bool', value: lowercase }],
    [
      'tokenizer.ggml.normalizer.strip_accents',
      { type: 'bool', value: normalizer.findBoolean('strip_accents') ?? lowercase },
    ],
    ...(Object.keys(specials) as (keyof typeof specials)[]).flatMap(
      (name): [string, MetadataValue][] => {
        const value = idOf(name);
        return value === undefined
          ? []
          : [[`tokenizer.ggml.${name}_token_id`, { type: 'u32', value }]];
      },
    ),
  ];
}
