/** The tokens of a tokenizer.json in the order of their ids, with GGUF's kinds. */
import { isRecord, type JsonFile, malformedJson } from './json-file.ts';

/** Numbers of `tokenizer.ggml.token_type`. */
const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const mostTokens = 2 ** 22;
const fileName = 'tokenizer.json';

/** @throws ModelFileError `model-file/malformed` */
export function readTokens(
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
