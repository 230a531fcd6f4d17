import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  flag,
  floats,
  integers,
  metadataOf,
  strings,
  text,
  types,
  type Values,
} from '../../../test/fixtures/vocabulary-metadata.ts';
import { ModelFileError } from '../../common/errors.ts';
import { createTokenizer } from './create-tokenizer.ts';
import { PrecompiledCharsmap } from './precompiled-charsmap.ts';
import type { Tokenizer } from './tokenizer.ts';

interface TrainedModel {
  readonly tokens: string;
  readonly types: string;
  readonly scores: string;
  readonly charsmap: string;
  readonly addSpacePrefix: boolean;
  readonly removeExtraSpaces: boolean;
  readonly cases: readonly (readonly [text: string, ids: string])[];
}

const fixture = new URL('../../../test/fixtures/sentencepiece-unigram.json', import.meta.url);
const trained = (JSON.parse(readFileSync(fixture, 'utf8')) as { models: unknown })
  .models as Readonly<Record<string, TrainedModel>>;

function trainedModel(name: string): TrainedModel {
  const model = trained[name];
  if (model === undefined) throw new Error(`no model ${name}`);
  return model;
}

function load(model: TrainedModel): Tokenizer {
  return createTokenizer(
    metadataOf({
      model: text('t5'),
      tokens: strings(...model.tokens.split('\n')),
      token_type: integers(...Array.from(model.types, Number)),
      scores: floats(...model.scores.split(' ').map(Number)),
      add_space_prefix: flag(model.addSpacePrefix),
      remove_extra_whitespaces: flag(model.removeExtraSpaces),
      precompiled_charsmap:
        model.charsmap === ''
          ? undefined
          : bytes(new Uint8Array(Buffer.from(model.charsmap, 'base64'))),
    }),
  );
}

type Piece = readonly [spelling: string, score: number, type?: number];

function unigram(pieces: readonly Piece[], more: Values = {}): Tokenizer {
  const all: readonly Piece[] = [
    ['<pad>', 0, types.control],
    ['</s>', 0, types.control],
    ['<unk>', 0, types.unknown],
    ...pieces,
  ];
  return createTokenizer(
    metadataOf({
      model: text('t5'),
      tokens: strings(...all.map(([spelling]) => spelling)),
      scores: floats(...all.map(([, score]) => score)),
      token_type: integers(...all.map(([, , type = types.normal]) => type)),
      ...more,
    }),
  );
}

function pieces(tokenizer: Tokenizer, input: string): string[] {
  return tokenizer.encode(input, { special: 'as-text' }).map((id) => tokenizer.tokenText(id));
}

describe('models that SentencePiece trained', () => {
  it.each(Object.keys(trained))('%s: the ids of SentencePiece', (name) => {
    const model = trainedModel(name);
    const tokenizer = load(model);
    expect(tokenizer.kind).toBe('unigram');
    expect(model.cases.length).toBeGreaterThan(20);
    for (const [input, ids] of model.cases) {
      const found = tokenizer.encode(input, { special: 'as-text' }).join(' ');
      expect({ input, ids: found }).toEqual({ input, ids });
    }
  });

  it('spells every text where the vocabulary has bytes and changes no character', () => {
    const model = trainedModel('bytes');
    const tokenizer = load(model);
    for (const [input] of model.cases) {
      expect(tokenizer.decode(tokenizer.encode(input, { special: 'as-text' }))).toBe(
        // U+2581 is how the vocabulary spells a space.
        input.replaceAll('▁', ' '),
      );
    }
  });

  it('replaces characters as the compiled rules say', () => {
    const tokenizer = load(trainedModel('rules'));
    const plain = tokenizer.encode('full fine ...', { special: 'as-text' });
    const other = '\uff46\uff55\uff4c\uff4c\u3000\ufb01ne\u00a0\u2026';
    expect(tokenizer.encode(other, { special: 'as-text' })).toEqual(plain);
  });

  it('finds user-defined tokens when asked, and ends with EOS', () => {
    const tokenizer = load(trainedModel('rules'));
    const ids = tokenizer.encode('a [special]', { special: 'parse', addBoundary: true });
    expect(ids.map((id) => tokenizer.tokenText(id)).slice(-2)).toEqual(['[special]', '</s>']);
    expect(tokenizer.addBos).toBe(false);
  });
});

describe('unigram vocabularies', () => {
  it('takes the pieces of the largest sum, not the longest', () => {
    const tokenizer = unigram([
      ['▁', -1],
      ['a', -2],
      ['b', -2],
      ['ab', -5],
      ['▁abc', -9],
      ['c', -2],
    ]);
    expect(pieces(tokenizer, 'ab')).toEqual(['▁', 'a', 'b']);
    expect(pieces(tokenizer, 'abc')).toEqual(['▁', 'a', 'b', 'c']);
  });

  it('makes one unknown token of unknown characters in a row', () => {
    const tokenizer = unigram([
      ['▁', -1],
      ['a', -2],
    ]);
    expect(pieces(tokenizer, 'a\u00e9\ud83d\ude80a')).toEqual(['▁', 'a', '<unk>', 'a']);
  });

  it('keeps extra spaces and adds none where the file says so', () => {
    const tokenizer = unigram(
      [
        ['▁', -1],
        ['a', -2],
      ],
      { add_space_prefix: flag(false), remove_extra_whitespaces: flag(false) },
    );
    expect(pieces(tokenizer, 'a  a ')).toEqual(['a', '▁', '▁', 'a', '▁']);
    expect(tokenizer.decode(tokenizer.encode('a  a ', { special: 'as-text' }))).toBe('a  a ');
  });

  it('never makes a control token of text', () => {
    const letters: Piece[] = Array.from('</s>▁', (letter) => [letter, -9]);
    const tokenizer = unigram([...letters, ['</s', -1]]);
    expect(pieces(tokenizer, '</s>')).toEqual(['▁', '</s', '>']);
  });

  it('survives infinite and equal scores', () => {
    for (const score of [Infinity, -Infinity, 0]) {
      const tokenizer = unigram([
        ['▁', score],
        ['a', score],
        ['aa', -score],
      ]);
      const ids = tokenizer.encode('a'.repeat(1000), { special: 'as-text' });
      expect(ids.length).toBeGreaterThan(0);
    }
  });

  it('needs time in proportion to the text', () => {
    const tokenizer = unigram(Array.from({ length: 20 }, (_, n) => ['a'.repeat(n + 1), -n]));
    expect(tokenizer.encode('a'.repeat(200_000), { special: 'as-text' }).length).toBeGreaterThan(9);
    expect(pieces(tokenizer, '▁'.repeat(50_000) + 'a').length).toBeGreaterThan(0);
  });
});

/** Trie units of darts-clone, then replacements. */
function charsmapOf(units: readonly number[], replacements: string): Uint8Array {
  const text = new TextEncoder().encode(replacements);
  const blob = new Uint8Array(4 + 4 * units.length + text.length);
  const view = new DataView(blob.buffer);
  view.setUint32(0, 4 * units.length, true);
  for (const [index, unit] of units.entries()) view.setUint32(4 + 4 * index, unit, true);
  blob.set(text, 4 + 4 * units.length);
  return blob;
}

/** "a" (0x61) -> the value at `offset`: root, the node of "a" with a value, the value. */
function oneRule(offset: number): number[] {
  const units = Array.from({ length: 0x64 }, () => 0xff);
  units[0] = 0;
  units[0x61] = 0x61 | 0x100 | (2 << 10);
  units[0x61 ^ 2] = (0x8000_0000 | offset) >>> 0;
  return units;
}

describe('precompiled charsmap', () => {
  const fail = (what: string): Error => new Error(what);
  const a = new TextEncoder().encode('a');

  it('replaces the prefix that a rule names', () => {
    const charsmap = new PrecompiledCharsmap(charsmapOf(oneRule(2), 'x\0yz\0'), fail);
    const match = charsmap.match(a, 0);
    expect(match?.consumed).toBe(1);
    expect(new TextDecoder().decode(match?.bytes)).toBe('yz');
    expect(charsmap.match(new TextEncoder().encode('b'), 0)).toBeNull();
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['three bytes', new Uint8Array(3)],
    ['an empty trie', new Uint8Array(4)],
    ['a trie of half a unit', Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a trie longer than the file', Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0)],
    ['a trie of 4 GiB', Uint8Array.of(252, 255, 255, 255, 0, 0, 0, 0)],
  ])('refuses %s', (_name, blob) => {
    expect(() => new PrecompiledCharsmap(blob, fail)).toThrow('wrong length');
    const failure = (): Tokenizer => unigram([['a', -1]], { precompiled_charsmap: bytes(blob) });
    expect(failure).toThrow(ModelFileError);
  });

  it.each([
    ['a replacement behind the end', charsmapOf(oneRule(9), 'x\0'), 'has no end'],
    ['a replacement without an end', charsmapOf(oneRule(0), 'x'), 'has no end'],
    ['a long replacement', charsmapOf(oneRule(0), `${'x'.repeat(257)}\0`), 'too long'],
    ['a value behind the end', charsmapOf(oneRule(0).slice(0, 0x63), 'x\0'), 'beyond their end'],
  ])('says of %s what is wrong when it is met', (_name, blob, message) => {
    expect(() => new PrecompiledCharsmap(blob, fail).match(a, 0)).toThrow(message);
  });

  it('ends on every trie of random numbers', () => {
    let state = 7;
    const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
    const input = new TextEncoder().encode('Some \u00e9 text \u4f60 with bytes');
    for (let round = 0; round < 2000; round += 1) {
      const units = Array.from({ length: 1 + (next() % 300) }, next);
      const charsmap = new PrecompiledCharsmap(charsmapOf(units, 'ab\0c\0'), fail);
      for (let start = 0; start < input.length; start += 1) {
        try {
          expect(charsmap.match(input, start)?.consumed ?? 1).toBeGreaterThan(0);
        } catch (error) {
          expect((error as Error).message).toContain('rules for normalising text');
        }
      }
    }
  });
});
