/** How a tokenizer.json cuts a text into words (`pre_tokenizer`). */
import { splitBertWords } from '../bert-words.ts';
import { findPreTokenizer } from '../pre-tokenizers.ts';
import { countAt, flagAt, malformedJson, stepsOf, textAt, unsupportedJson } from './json-reader.ts';
import type { JsonRecord } from './json-reader.ts';
import { readPattern } from './normalizers.ts';
import { literalPattern } from './oniguruma.ts';

export interface JsonPreTokenizer {
  /** The words of a normalised text. `isStart`: whether it is the first of the whole text. */
  readonly split: (text: string, isStart: boolean) => readonly string[];
  /** Words are spelled in the byte-level alphabet before they are looked up. */
  readonly isByteLevel: boolean;
  /** A space is put in front of texts, which decoding takes away. */
  readonly addsSpacePrefix: boolean;
}

type Step = (words: readonly string[], isStart: boolean) => readonly string[];

/** @throws ModelFileError `model-file/malformed`, `model-file/unsupported-tokenizer` */
export function readPreTokenizer(value: unknown): JsonPreTokenizer {
  const entries = stepsOf(value, 'pre_tokenizer', 'pretokenizers');
  const steps = entries.map(({ step, path }) => stepOf(step, path));
  const has = (type: string): boolean => entries.some(({ step }) => step['type'] === type);
  return {
    split: (text, isStart) =>
      steps
        .reduce<readonly string[]>((words, step) => step(words, isStart), [text])
        .filter((word) => word !== ''),
    isByteLevel: has('ByteLevel'),
    addsSpacePrefix: entries.some(({ step }) => prefixes(step)),
  };
}

function prefixes(step: JsonRecord): boolean {
  if (step['type'] === 'ByteLevel') return step['add_prefix_space'] !== false;
  return step['type'] === 'Metaspace' && schemeOf(step) !== 'never';
}

/** Newer files name the scheme; older ones say only whether there is a prefix. */
function schemeOf(step: JsonRecord): unknown {
  return step['prepend_scheme'] ?? (step['add_prefix_space'] === false ? 'never' : 'always');
}

function stepOf(step: JsonRecord, path: string): Step {
  const type = textAt(step['type'], `${path}.type`);
  switch (type) {
    case 'ByteLevel':
      return byteLevel(step, path);
    case 'Metaspace':
      return metaspace(step, path);
    case 'Split': {
      const pattern = readPattern(step['pattern'], `${path}.pattern`);
      const inverts = flagAt(step['invert'], `${path}.invert`, false);
      return each(splitBy(pattern, step['behavior'], `${path}.behavior`, inverts));
    }
    case 'Digits': {
      const single = flagAt(step['individual_digits'], `${path}.individual_digits`, false);
      return each(splitBy(single ? /\p{N}/gu : /\p{N}+/gu, 'Isolated', path, false));
    }
    case 'Punctuation': {
      const behaviour = step['behavior'] ?? 'Isolated';
      return each(splitBy(/[\p{P}$+<=>^`|~]/gu, behaviour, `${path}.behavior`, false));
    }
    case 'Whitespace':
      return each(
        (text) =>
          text.match(/[\p{L}\p{M}\p{Nd}\p{Pc}]+|[^\p{L}\p{M}\p{Nd}\p{Pc}\p{White_Space}]+/gu) ?? [],
      );
    case 'WhitespaceSplit':
      return each((text) => text.match(/\P{White_Space}+/gu) ?? []);
    case 'BertPreTokenizer':
      return each((text) => {
        const words: string[] = [];
        splitBertWords(text, (word) => words.push(word));
        return words;
      });
    case 'CharDelimiterSplit': {
      const delimiter = textAt(step['delimiter'], `${path}.delimiter`);
      if (delimiter === '') throw malformedJson(`${path}.delimiter`, 'is empty');
      return each(splitBy(literalPattern(delimiter), 'Removed', path, false));
    }
    case 'FixedLength': {
      const length = Math.max(1, countAt(step['length'] ?? 5, `${path}.length`));
      return each((text) => chunks(Array.from(text), length));
    }
    default:
      throw unsupportedJson(path, type);
  }
}

function each(split: (text: string) => readonly string[]): Step {
  return (words) => words.flatMap((word) => split(word));
}

function chunks(characters: readonly string[], length: number): string[] {
  return Array.from({ length: Math.ceil(characters.length / length) }, (_, index) =>
    characters.slice(index * length, (index + 1) * length).join(''),
  );
}

function byteLevel(step: JsonRecord, path: string): Step {
  const prefix = flagAt(step['add_prefix_space'], `${path}.add_prefix_space`, true);
  const usesPattern = flagAt(step['use_regex'], `${path}.use_regex`, true);
  const [pattern] = findPreTokenizer('gpt-2').preTokenizer.stages;
  const split =
    usesPattern && pattern !== undefined
      ? splitBy(pattern, 'Isolated', path, false)
      : (text: string) => [text];
  return (words) =>
    words.flatMap((word) =>
      split(prefix && !word.startsWith(' ') && word !== '' ? ` ${word}` : word),
    );
}

function metaspace(step: JsonRecord, path: string): Step {
  const mark = textAt(step['replacement'] ?? '▁', `${path}.replacement`);
  if (mark === '') throw malformedJson(`${path}.replacement`, 'is empty');
  const scheme = schemeOf(step);
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never') {
    throw malformedJson(`${path}.prepend_scheme`, 'should be "always", "first" or "never"');
  }
  const splits = flagAt(step['split'], `${path}.split`, true);
  const cut = splitBy(literalPattern(mark), 'MergedWithNext', path, false);
  return (words, isStart) =>
    words.flatMap((word, index) => {
      const marked = word.replaceAll(' ', mark);
      const wants = scheme === 'always' || (scheme === 'first' && isStart && index === 0);
      const whole = wants && marked !== '' && !marked.startsWith(mark) ? mark + marked : marked;
      return splits ? cut(whole) : [whole];
    });
}

/** Cuts at the matches; `behaviour` says what becomes of them. */
function splitBy(
  pattern: RegExp,
  behaviour: unknown,
  path: string,
  inverts: boolean,
): (text: string) => readonly string[] {
  return (text) => {
    const parts = partsOf(text, pattern, inverts);
    switch (behaviour) {
      case 'Isolated':
        return parts.map((part) => part.text);
      case 'Removed':
        return parts.filter((part) => !part.isMatch).map((part) => part.text);
      case 'Contiguous':
        return joined(parts, (part, before) => part.isMatch === before.isMatch);
      case 'MergedWithPrevious':
        return joined(parts, (part, before) => part.isMatch && !before.isMatch);
      case 'MergedWithNext':
        return joined(parts, (part, before) => before.isMatch && !part.isMatch);
      default:
        throw malformedJson(path, 'is no known behaviour');
    }
  };
}

interface Part {
  readonly text: string;
  readonly isMatch: boolean;
}

function partsOf(text: string, pattern: RegExp, inverts: boolean): readonly Part[] {
  const parts: Part[] = [];
  let end = 0;
  const add = (part: string, isMatch: boolean): void => {
    if (part !== '') parts.push({ text: part, isMatch: isMatch !== inverts });
  };
  // Patterns of named pre-tokenizers are shared, and `matchAll` begins where the last user stopped.
  pattern.lastIndex = 0;
  for (const match of text.matchAll(pattern)) {
    // A match of nothing (a look-ahead) still cuts.
    add(text.slice(end, match.index), false);
    add(match[0], true);
    end = match.index + match[0].length;
  }
  add(text.slice(end), false);
  return parts;
}

function joined(
  parts: readonly Part[],
  joins: (part: Part, before: Part) => boolean,
): readonly string[] {
  const words: string[] = [];
  let before: Part | null = null;
  for (const part of parts) {
    if (before !== null && joins(part, before)) words.push((words.pop() ?? '') + part.text);
    else words.push(part.text);
    before = part;
  }
  return words;
}
