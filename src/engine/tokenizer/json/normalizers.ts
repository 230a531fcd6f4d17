/** What a tokenizer.json does to a text before it is cut into words (`normalizer`). */
import { normalizeForBert } from '../bert-words.ts';
import { PrecompiledCharsmap } from '../precompiled-charsmap.ts';
import { SentencePieceNormalizer } from '../sentencepiece-normalizer.ts';
import {
  flagAt,
  malformedJson,
  recordAt,
  stepsOf,
  textAt,
  unsupportedJson,
} from './json-reader.ts';
import type { JsonRecord } from './json-reader.ts';
import { literalPattern, translatePattern } from './oniguruma.ts';

export type Normalize = (text: string) => string;

/** @throws ModelFileError `model-file/malformed`, `model-file/unsupported-tokenizer` */
export function readNormalizer(value: unknown): Normalize {
  const steps = stepsOf(value, 'normalizer', 'normalizers').map(({ step, path }) =>
    stepOf(step, path),
  );
  return (text) => steps.reduce((result, step) => step(result), text);
}

function stepOf(step: JsonRecord, path: string): Normalize {
  const type = textAt(step['type'], `${path}.type`);
  const flag = (key: string, byDefault: boolean): boolean =>
    flagAt(step[key], `${path}.${key}`, byDefault);
  switch (type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => text.normalize(type);
    case 'Lowercase':
      // Letter by letter: a whole text would turn a final capital sigma into another letter.
      return (text) => Array.from(text, (character) => character.toLowerCase()).join('');
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'Strip': {
      const [left, right] = [flag('strip_left', true), flag('strip_right', true)];
      return (text) => {
        const started = left ? text.trimStart() : text;
        return right ? started.trimEnd() : started;
      };
    }
    case 'Prepend': {
      const prefix = textAt(step['prepend'], `${path}.prepend`);
      return (text) => (text === '' ? '' : prefix + text);
    }
    case 'Replace': {
      const pattern = readPattern(step['pattern'], `${path}.pattern`);
      const content = textAt(step['content'], `${path}.content`);
      return (text) => text.replace(pattern, () => content);
    }
    case 'BertNormalizer': {
      const lowercase = flag('lowercase', true);
      const words = {
        lowercase,
        stripAccents: flag('strip_accents', lowercase),
        cleanText: flag('clean_text', true),
        splitIdeographs: flag('handle_chinese_chars', true),
      };
      return (text) => normalizeForBert(text, words);
    }
    case 'Nmt':
      return (text) =>
        text
          .replace(/\p{Cc}/gu, (control) => (isDroppedByNmt(control.charCodeAt(0)) ? '' : control))
          .replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' ');
    case 'Precompiled':
      return readCharsmap(step['precompiled_charsmap'], `${path}.precompiled_charsmap`);
    default:
      throw unsupportedJson(path, type);
  }
}

/** The controls that SentencePiece's rules for translation leave out. */
function isDroppedByNmt(unit: number): boolean {
  return (
    (unit >= 0x01 && unit <= 0x08) ||
    unit === 0x0b ||
    (unit >= 0x0e && unit <= 0x1f) ||
    unit === 0x7f ||
    unit === 0x8f ||
    unit === 0x9f
  );
}

function readCharsmap(value: unknown, path: string): Normalize {
  if (value === null || value === undefined || value === '') return (text) => text;
  const encoded = textAt(value, path);
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  } catch {
    throw malformedJson(path, 'is not base64');
  }
  const charsmap = new PrecompiledCharsmap(bytes, (what) =>
    malformedJson(path, `is wrong: ${what}`),
  );
  const rules = new SentencePieceNormalizer(
    { charsmap, removeExtraSpaces: false, addSpacePrefix: false },
    [],
  );
  return (text) => rules.replace(text);
}

/** `{ "String": "a" }` or `{ "Regex": "a+" }`. @throws ModelFileError */
export function readPattern(value: unknown, path: string): RegExp {
  const record = recordAt(value, path);
  if ('String' in record) {
    const text = textAt(record['String'], `${path}.String`);
    if (text === '') throw malformedJson(path, 'is empty');
    return literalPattern(text);
  }
  const source = textAt(record['Regex'], `${path}.Regex`);
  const pattern = translatePattern(source);
  if (pattern === null) throw unsupportedJson(path, source);
  return pattern;
}
