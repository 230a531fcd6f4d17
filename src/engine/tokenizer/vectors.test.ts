import { readFile } from 'node:fs/promises';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../common/byte-source.ts';
import { sharedModelPath, sharedModels } from '../../../test/fixtures/shared-models.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { createTokenizer } from './create-tokenizer.ts';
import { specialTokenShield, type Tokenizer } from './tokenizer.ts';

/** The tokenizer of a file in the shared folder. */
async function load(...parts: string[]): Promise<Tokenizer> {
  const file = await readGguf(new BufferByteSource(await readFile(sharedModelPath(...parts))));
  return createTokenizer(file.metadata);
}

async function readJson(...parts: string[]): Promise<unknown> {
  return JSON.parse(await readFile(sharedModelPath(...parts), 'utf8')) as unknown;
}

interface TokenizerCase {
  readonly text: string;
  readonly add_special: boolean;
  readonly parse_special: boolean;
  readonly tokens: readonly number[];
  readonly detokenized: string;
}

interface ModelReference {
  readonly tokenizer: string;
  readonly tokenizer_cases?: { readonly cases: readonly TokenizerCase[] };
  readonly chat_cases?: {
    readonly cases: readonly { readonly text: string; readonly tokens: readonly number[] }[];
  };
}

interface GreedyReference {
  readonly cases: readonly {
    readonly prompt: string;
    readonly input_ids: readonly number[];
    readonly output_ids: readonly number[];
    readonly text: string;
  }[];
}

const publishedVocabularies =
  sharedModels === null
    ? []
    : readdirSync(sharedModelPath('tokenizers'))
        .filter((name) => name.endsWith('.gguf.inp'))
        .map((name) => name.replace('.gguf.inp', ''));

describe.skipIf(sharedModels === null)('published vocabularies', () => {
  it('are all there', () => {
    expect(publishedVocabularies.length).toBeGreaterThanOrEqual(5);
  });

  it.each(publishedVocabularies)('%s encodes as its vectors', async (name) => {
    const tokenizer = await load('tokenizers', `${name}.gguf`);
    const path = sharedModelPath('tokenizers', `${name}.gguf`);
    const texts = (await readFile(`${path}.inp`, 'utf8')).split('\n__ggml_vocab_test__\n');
    const lines = (await readFile(`${path}.out`, 'utf8')).split('\n');
    const expected = lines.map((line) => line.split(' ').filter(Boolean).map(Number));
    expect(texts.length).toBeGreaterThan(40);
    expect(expected).toHaveLength(texts.length);
    for (const [index, text] of texts.entries()) {
      const ids = tokenizer.encode(text, { special: 'as-text' });
      expect({ text, ids }).toEqual({ text, ids: expected[index] });
      if (tokenizer.kind !== 'wordpiece') expect(tokenizer.decode(ids)).toBe(text);
    }
  });
});

const fixtureNames =
  sharedModels === null
    ? []
    : readdirSync(sharedModelPath('fixtures', 'models'))
        .filter((name) => name.endsWith('.reference.json'))
        .map((name) => name.replace('.reference.json', ''))
        .filter((name) => hasTokenizerCases(name));

function hasTokenizerCases(name: string): boolean {
  const path = sharedModelPath('fixtures', 'models', `${name}.reference.json`);
  return readFileSync(path, 'utf8').includes('"tokenizer_cases"');
}

describe.skipIf(sharedModels === null)('models with reference tokens', () => {
  it.each(fixtureNames)('%s', async (name) => {
    const reference = (await readJson(
      'fixtures',
      'models',
      `${name}.reference.json`,
    )) as ModelReference;
    const cases = reference.tokenizer_cases?.cases ?? [];
    const tokenizer = await load('fixtures', 'models', `${name}.gguf`);
    expect(cases.length).toBeGreaterThan(20);
    for (const { text, add_special, parse_special, tokens, detokenized } of cases) {
      const special = parse_special ? 'parse' : 'as-text';
      const ids = tokenizer.encode(text, { special, addBoundary: add_special });
      expect({ text, ids }).toEqual({ text, ids: tokens });
      // llama.cpp shows the space before the first word; a WordPiece text has none of its own.
      const continuation = tokenizer.kind === 'wordpiece';
      expect(tokenizer.decode(tokens, { showSpecial: parse_special, continuation })).toBe(
        detokenized,
      );
    }
    for (const { text, tokens } of reference.chat_cases?.cases ?? []) {
      expect(tokenizer.encode(text, { special: 'parse' })).toEqual(tokens);
    }
  });

  it.each([
    'stories260K',
    'TinyStories-656K-F16',
    'TinyStories-656K-BF16',
    'TinyStories-656K-Q8_0',
    'TinyStories-656K-Q5_1',
    'TinyStories-656K-Q4_0',
  ])('%s encodes its prompts and decodes its answers', async (name) => {
    const tokenizer = await load('gguf', `${name}.gguf`);
    const reference = (await readJson('gguf', `${name}.gguf.reference.json`)) as GreedyReference;
    expect(reference.cases.length).toBeGreaterThan(0);
    for (const { prompt, input_ids, output_ids, text } of reference.cases) {
      const options = { special: 'as-text', addBoundary: true } as const;
      expect(tokenizer.encode(prompt, options)).toEqual(input_ids);
      expect(tokenizer.decode(output_ids, { continuation: true })).toBe(text);
    }
    expect(tokenizer.special.endOfGeneration).toEqual(new Set([2]));
  });
});

/** Vocabularies of different makers; together they have more than a hundred special tokens. */
const variousVocabularies: readonly (readonly string[])[] = [
  ['tokenizers', 'ggml-vocab-llama-spm.gguf'],
  ['tokenizers', 'ggml-vocab-phi-3.gguf'],
  ['tokenizers', 'ggml-vocab-gpt-2.gguf'],
  ['tokenizers', 'ggml-vocab-starcoder.gguf'],
  ['gguf', 'stories260K.gguf'],
  ['gguf', 'TinyStories-656K-F16.gguf'],
  ...['gemma', 'gpt2', 'granite', 'lfm2', 'llama', 'llama-rope-llama3', 'qwen2', 'stablelm'].map(
    (name) => ['fixtures', 'models', `${name}.F32.gguf`],
  ),
];

/** Repeatable numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Text of many scripts, with runs of white space and characters of one to four bytes. */
function randomText(next: () => number): string {
  const words = "hello| the|World|  |\n|\t| |'ll|123|.|!?|</s>|<".split('|');
  const others =
    '\u00e9|\u0416\u0443\u043a|\u4eca\u65e5|\ud83d\ude42|\u200d|\u0e01\u0e33|\ufeff|\u00a0|\u0000';
  const pieces = [...words, '|', ...others.split('|')];
  const length = Math.floor(next() * 40);
  return Array.from({ length }, () => pieces[Math.floor(next() * pieces.length)] ?? '').join('');
}

describe.skipIf(sharedModels === null)('all vocabularies', () => {
  it.each(variousVocabularies)('%s %s %s: spellings in user text stay text', async (...path) => {
    const tokenizer = await load(...path.filter((part) => part !== undefined));
    expect(tokenizer.specialSpellings.length).toBeGreaterThan(0);
    const isOrdinary = (id: number): boolean =>
      id === tokenizer.special.unknown ||
      ['normal', 'byte', 'unused'].includes(tokenizer.tokenKind(id));
    for (const spelling of tokenizer.specialSpellings) {
      const text = `a ${spelling}${spelling} b${spelling}`;
      const asText = tokenizer.encode(text, { special: 'as-text' });
      expect(asText.filter((id) => !isOrdinary(id))).toEqual([]);
      const shielded = spelling.slice(0, 1) + specialTokenShield + spelling.slice(1);
      const parsed = tokenizer.encode(text.replaceAll(spelling, shielded), { special: 'parse' });
      expect(parsed).toEqual(asText);
      expect(tokenizer.encode(spelling, { special: 'parse' })).toEqual([
        tokenizer.tokenId(spelling),
      ]);
    }
  });

  it.each(variousVocabularies)('%s %s %s: streams as it decodes', async (...path) => {
    const tokenizer = await load(...path.filter((part) => part !== undefined));
    const next = random(path.length + 3);
    const spellsEverything = !path.includes('TinyStories-656K-F16.gguf');
    for (let round = 0; round < 60; round += 1) {
      const text = randomText(next);
      const ids = tokenizer.encode(text, { special: 'as-text' });
      const decoded = tokenizer.decode(ids);
      expect(decoded).toBe(spellsEverything ? text : decoded);
      const detokenizer = tokenizer.detokenizer();
      const parts = ids.map((id) => detokenizer.push(id));
      expect(parts.join('')).not.toContain('\ufffd');
      expect(parts.join('') + detokenizer.flush()).toBe(decoded);
    }
    for (let round = 0; round < 60; round += 1) {
      const length = Math.floor(next() * 30);
      const ids = Array.from({ length }, () => Math.floor(next() * tokenizer.vocabularySize));
      const options = { showSpecial: round % 2 === 0, continuation: true };
      const detokenizer = tokenizer.detokenizer(options);
      const streamed = ids.map((id) => detokenizer.push(id)).join('') + detokenizer.flush();
      expect(streamed).toBe(tokenizer.decode(ids, options));
      const bytes = ids.flatMap((id) => Array.from(tokenizer.tokenBytes(id)));
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      expect(tokenizer.decode(ids, { continuation: true })).toBe(
        decoder.decode(Uint8Array.from(bytes)),
      );
    }
  });
});
