import { readFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../common/byte-source.ts';
import { sharedModelPath, sharedModels } from '../../../test/fixtures/shared-models.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { createTokenizer } from './create-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';

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

describe.skipIf(sharedModels === null)('published vocabularies', () => {
  it.each(['llama-spm', 'phi-3', 'gpt-2', 'starcoder'])(
    '%s encodes as its vectors',
    async (name) => {
      const tokenizer = await load('tokenizers', `ggml-vocab-${name}.gguf`);
      const path = sharedModelPath('tokenizers', `ggml-vocab-${name}.gguf`);
      const texts = (await readFile(`${path}.inp`, 'utf8')).split('\n__ggml_vocab_test__\n');
      const lines = (await readFile(`${path}.out`, 'utf8')).split('\n');
      const expected = lines.map((line) => line.split(' ').filter(Boolean).map(Number));
      expect(texts.length).toBeGreaterThan(40);
      expect(expected).toHaveLength(texts.length);
      for (const [index, text] of texts.entries()) {
        const ids = tokenizer.encode(text, { special: 'as-text' });
        expect(ids, JSON.stringify(text)).toEqual(expected[index]);
        expect(tokenizer.decode(ids)).toBe(text);
      }
    },
  );
});

const fixtureNames =
  sharedModels === null
    ? []
    : readdirSync(sharedModelPath('fixtures', 'models'))
        .filter((name) => name.endsWith('.F32.reference.json'))
        .map((name) => name.replace('.reference.json', ''));

describe.skipIf(sharedModels === null)('models with reference tokens', () => {
  it.each(fixtureNames)('%s', async (name) => {
    const reference = (await readJson(
      ...['fixtures', 'models', `${name}.reference.json`],
    )) as ModelReference;
    const cases = reference.tokenizer_cases?.cases;
    if (cases === undefined || name.includes('bert')) return;
    const tokenizer = await load('fixtures', 'models', `${name}.gguf`);
    expect(cases.length).toBeGreaterThan(20);
    for (const { text, add_special, parse_special, tokens, detokenized } of cases) {
      const special = parse_special ? 'parse' : 'as-text';
      const ids = tokenizer.encode(text, { special, addBoundary: add_special });
      expect(ids, JSON.stringify(text)).toEqual(tokens);
      expect(tokenizer.decode(tokens, { showSpecial: true })).toBe(detokenized);
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
