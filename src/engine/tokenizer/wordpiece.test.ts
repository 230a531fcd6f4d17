import { Tokenizer as OtherTokenizer } from '@huggingface/tokenizers';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { randomTexts } from '../../../test/fixtures/random-texts.ts';
import { sharedModelPath, sharedModels } from '../../../test/fixtures/shared-models.ts';
import {
  flag,
  integers,
  metadataOf,
  strings,
  text,
  types,
  unsigned,
  type Values,
} from '../../../test/fixtures/vocabulary-metadata.ts';
import { BufferByteSource } from '../../common/byte-source.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { createTokenizer } from './create-tokenizer.ts';
import { tidySpaces } from './tidy-spaces.ts';
import type { Tokenizer } from './tokenizer.ts';

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;

function wordpiece(pieces: readonly string[], more: Values = {}): Tokenizer {
  const tokens = [...special, ...pieces];
  return createTokenizer(
    metadataOf({
      model: text('bert'),
      tokens: strings(...tokens),
      token_type: integers(
        ...tokens.map((_, id) => (id < special.length ? types.control : types.normal)),
      ),
      unknown_token_id: unsigned(1),
      ...more,
    }),
  );
}

function pieces(tokenizer: Tokenizer, input: string): string[] {
  return tokenizer.encode(input, { special: 'as-text' }).map((id) => tokenizer.tokenText(id));
}

describe('WordPiece vocabularies', () => {
  it('take the longest piece, and give up a whole word', () => {
    const tokenizer = wordpiece(['▁un', '▁unaff', 'able', 'aff', 'ab']);
    expect(pieces(tokenizer, 'unaffable UNABLE unaffx')).toEqual([
      '▁unaff',
      'able',
      '▁un',
      'able',
      '[UNK]',
    ]);
    expect(tokenizer.kind).toBe('wordpiece');
  });

  it('cut at punctuation, ASCII symbols and ideographs', () => {
    const tokenizer = wordpiece(['▁a', '▁$', '▁,', '▁\u4f60', '▁\u597d', '▁\u2014', 'b', '▁b']);
    expect(pieces(tokenizer, 'ab,a$a\u4f60\u597da\u2014b')).toEqual(
      '▁a b ▁, ▁a ▁$ ▁a ▁\u4f60 ▁\u597d ▁a ▁\u2014 ▁b'.split(' '),
    );
  });

  it('drop control characters, and read line ends and all spaces alike', () => {
    const tokenizer = wordpiece(['▁ab', '▁a', '▁b']);
    expect(pieces(tokenizer, 'a\u0000b a\u200bb\u00ad')).toEqual(['▁ab', '▁ab']);
    expect(pieces(tokenizer, 'a\tb\r\na\u3000b\u00a0a\u2028b')).toEqual(
      '▁a ▁b ▁a ▁b ▁a ▁b'.split(' '),
    );
  });

  it('lower letters and strip their accents unless the file says otherwise', () => {
    const vocabulary = ['▁cafe', '▁caf\u00e9', '▁Cafe', '▁Caf\u00e9', '▁cafe\u0301'];
    const key = 'tokenizer.ggml.normalizer';
    const encode = (more: Values): string[] => pieces(wordpiece(vocabulary, more), 'Caf\u00e9');
    expect(encode({})).toEqual(['▁cafe']);
    expect(encode({ [`${key}.lowercase`]: flag(false) })).toEqual(['▁Caf\u00e9']);
    expect(encode({ [`${key}.strip_accents`]: flag(false) })).toEqual(['▁caf\u00e9']);
    expect(
      encode({ [`${key}.lowercase`]: flag(false), [`${key}.strip_accents`]: flag(true) }),
    ).toEqual(['▁Cafe']);
  });

  it('know words of 100 characters and none of 101', () => {
    const tokenizer = wordpiece(['▁a', 'a', '▁\u{1d400}', '\u{1d400}']);
    expect(pieces(tokenizer, 'a'.repeat(100))).toHaveLength(100);
    expect(pieces(tokenizer, 'a'.repeat(101))).toEqual(['[UNK]']);
    expect(pieces(tokenizer, '\u{1d400}'.repeat(100))).toHaveLength(100);
    expect(pieces(tokenizer, '\u{1d400}'.repeat(101))).toEqual(['[UNK]']);
  });

  it('put [CLS] and [SEP] around, by id, by the old key or by spelling', () => {
    const around = (more: Values): number[] =>
      wordpiece(['▁a'], more).encode('a', { special: 'as-text', addBoundary: true });
    expect(around({})).toEqual([2, 5, 3]);
    expect(around({ add_bos_token: flag(false), add_eos_token: flag(false) })).toEqual([2, 5, 3]);
    expect(around({ cls_token_id: unsigned(4), seperator_token_id: unsigned(0) })).toEqual([
      4, 5, 0,
    ]);
    expect(around({ separator_token_id: unsigned(4) })).toEqual([2, 5, 4]);
    expect(around({ bos_token_id: unsigned(0), eos_token_id: unsigned(4) })).toEqual([0, 5, 4]);
  });

  it('never make a special token of text', () => {
    const tokenizer = wordpiece(['▁[', '▁]', '▁cls', '▁CLS'], {
      'tokenizer.ggml.normalizer.lowercase': flag(false),
    });
    expect(pieces(tokenizer, '[CLS]')).toEqual(['▁[', '▁CLS', '▁]']);
    const parsed = tokenizer.encode('[CLS][MASK]', { special: 'parse' });
    expect(parsed).toEqual([2, 4]);
  });

  it('decode to words, tidied at punctuation, in a stream as at once', () => {
    const tokenizer = wordpiece(['▁it', "▁'", '▁s', '▁fine', '▁.', '▁!', 'r', '▁n', '▁,']);
    const decoded = (ids: number[]): string => {
      const detokenizer = tokenizer.detokenizer();
      return ids.map((id) => detokenizer.push(id)).join('') + detokenizer.flush();
    };
    const ids = tokenizer.encode("It's finer.", { special: 'as-text' });
    expect(tokenizer.decode(ids)).toBe("it's finer.");
    expect(tokenizer.decode(ids, { continuation: true })).toBe(" it's finer.");
    let state = 11;
    for (let round = 0; round < 500; round += 1) {
      const random = Array.from({ length: round % 12 }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return 5 + ((state >>> 8) % 9);
      });
      const raw = random.map((id) => tokenizer.tokenText(id).replace('▁', ' ')).join('');
      expect(decoded(random)).toBe(tidySpaces(raw.startsWith(' ') ? raw.slice(1) : raw));
      expect(tokenizer.decode(random)).toBe(decoded(random));
    }
  });
});

describe.skipIf(sharedModels === null)('a published vocabulary', () => {
  it('encodes as another implementation reads its tokenizer.json', async () => {
    const source = new BufferByteSource(
      await readFile(sharedModelPath('tokenizers', 'ggml-vocab-bert-bge.gguf')),
    );
    const tokenizer = createTokenizer((await readGguf(source)).metadata);
    const read = (name: string): object =>
      JSON.parse(
        readFileSync(sharedModelPath('tokenizers', 'hf', 'all-MiniLM-L6-v2', name), 'utf8'),
      ) as object;
    const other = new OtherTokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
    const differences: unknown[] = [];
    // The other one lowers whole texts, where a capital sigma at the end of a word becomes another letter.
    for (const input of randomTexts(3000).map((one) => one.replaceAll('\u03a3', ''))) {
      const ids = tokenizer.encode(input, { special: 'as-text', addBoundary: true });
      const { ids: expected } = other.encode(input);
      if (ids.join() !== expected.join()) differences.push({ input, ids, expected });
    }
    expect(differences).toEqual([]);
  });
});
