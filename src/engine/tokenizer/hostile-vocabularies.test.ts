/**
 * Vocabularies that nobody trained: tokens twice, empty or half a character, merges in circles, scores
 * without sense, kinds and ids at random. Making a tokenizer of one is refused with a typed error or
 * gives one that ends on every text, stays inside its vocabulary and keeps control tokens out of texts.
 */
import { describe, expect, it } from 'vitest';
import { randomTexts } from '../../../test/fixtures/random-texts.ts';
import {
  bytes,
  flag,
  floats,
  integers,
  metadataOf,
  strings,
  text,
  unsigned,
  type Values,
} from '../../../test/fixtures/vocabulary-metadata.ts';
import { ModelFileError } from '../../common/errors.ts';
import { byteCharacters } from './byte-level.ts';
import { createTokenizer, supportedTokenizers } from './create-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';

class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }

  many<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

const atoms = [
  ...[
    'a',
    'b',
    'e',
    't',
    'h',
    'aa',
    'the',
    ' the',
    '\u2581',
    '\u2581the',
    '\u2581a',
    '##a',
    '\u0120',
  ],
  ...[
    '\u0120a',
    '<',
    '>',
    '</s>',
    '<s>',
    '<|im_end|>',
    '<unk>',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    '\\x41',
  ],
  ...[
    '\\',
    '\\x',
    '<0x41>',
    '<0x0A>',
    '<0x1>',
    '',
    '\n',
    '\n\n',
    ' ',
    '  ',
    '\u4f60',
    '\ud83d\ude42',
  ],
  ...['\ufffd', '__proto__', 'constructor', '\u0301', '\ufdd0', 'a'.repeat(300)],
] as unknown as readonly [string, ...string[]];

const hostileScores = [0, -1, -1, -5, -1e30, 1e30, Infinity, -Infinity, NaN] as const;

function vocabulary(dice: Dice): Values {
  const spelled = dice.many(
    60,
    () => dice.pick(atoms) + (dice.below(3) === 0 ? dice.pick(atoms) : ''),
  );
  // Half of them can spell every text.
  const tokens = dice.below(2) === 0 ? spelled : [...byteCharacters, ...spelled];
  const kind = (): number => dice.pick([1, 1, 1, 1, 1, 2, 3, 4, 5, 6]);
  // Bytes and numbers that are none are refused at once: rarely, so that others get their turn.
  const isStrict = dice.below(4) !== 0;
  const scores = isStrict ? hostileScores.slice(0, 6) : hostileScores;
  const id = (): Values[string] =>
    dice.below(2) === 0 ? undefined : unsigned(dice.below(tokens.length + (isStrict ? 0 : 3)));
  const merges = dice.many(60, () => {
    const [left, right] = [dice.pick(atoms), dice.pick(atoms)];
    return dice.below(12) === 0 ? left : `${left} ${right}`;
  });
  const known = new Set(tokens);
  const joins = merges.filter((merge) => {
    const [left = '', right = ''] = merge.split(' ');
    return known.has(left) && known.has(right) && known.has(left + right);
  });
  return {
    model: text(dice.pick(supportedTokenizers as unknown as readonly [string, ...string[]])),
    'general.architecture': text('llama'),
    'llama.vocab_size': unsigned(dice.below(50)),
    pre: text(dice.pick(['gpt-2', 'llama-bpe', 'gemma4', 'superbpe', 'kimi-k2', 'nonsense'])),
    tokens: strings(...tokens),
    token_type:
      dice.below(4) === 0
        ? undefined
        : integers(
            ...tokens.map((token) =>
              isStrict && token.length !== 6 ? Math.min(kind(), 5) : kind(),
            ),
          ),
    scores: floats(...tokens.map(() => scores[dice.below(scores.length)] ?? 0)),
    merges: strings(...(isStrict ? joins : merges)),
    bos_token_id: id(),
    eos_token_id: id(),
    unknown_token_id: id(),
    cls_token_id: id(),
    separator_token_id: id(),
    add_bos_token: flag(dice.below(2) === 0),
    add_space_prefix: flag(dice.below(2) === 0),
    remove_extra_whitespaces: flag(dice.below(2) === 0),
    precompiled_charsmap:
      dice.below(6) === 0
        ? bytes(Uint8Array.from(dice.many(64, () => dice.below(256))))
        : undefined,
  };
}

/** Null where it is refused, as it should be. */
function make(values: Values): Tokenizer | null {
  try {
    return createTokenizer(metadataOf(values));
  } catch (error) {
    if (error instanceof ModelFileError) return null;
    throw error;
  }
}

/** Encodes and decodes; null where the vocabulary refuses, with a typed error. */
function encode(
  tokenizer: Tokenizer,
  input: string,
  special: 'parse' | 'as-text',
): number[] | null {
  try {
    return tokenizer.encode(input, { special, addBoundary: true });
  } catch (error) {
    // Rules that point nowhere are found when they are met; a file without a vocabulary reads no text.
    if (error instanceof ModelFileError || tokenizer.kind === 'none') return null;
    throw error;
  }
}

describe('hostile vocabularies', () => {
  it('are refused, or give a tokenizer that ends and stays inside its vocabulary', () => {
    const dice = new Dice(20_261_125);
    const texts = [
      ...randomTexts(40),
      'the </s><s> [CLS] <|im_end|>',
      'a'.repeat(3000),
      '\ud800',
      '',
    ];
    const made = new Map<string, number>();
    let refused = 0;
    for (let round = 0; round < 2000; round += 1) {
      const tokenizer = make(vocabulary(dice));
      if (tokenizer === null) {
        refused += 1;
        continue;
      }
      made.set(tokenizer.kind, (made.get(tokenizer.kind) ?? 0) + 1);
      const input = texts[round % texts.length] ?? '';
      for (const special of ['parse', 'as-text'] as const) {
        const ids = encode(tokenizer, input, special) ?? [];
        const around = tokenizer.encode('', { special, addBoundary: true });
        const inner = ids.slice(tokenizer.addBos ? 1 : 0, ids.length - (tokenizer.addEos ? 1 : 0));
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabularySize)).toBe(true);
        if (ids.length > 0) expect(ids.length).toBeGreaterThanOrEqual(around.length);
        if (special === 'as-text') {
          // A token that says of itself that it is unknown may stand for what is.
          const isUnknown = (id: number): boolean =>
            id === tokenizer.special.unknown && /unk/i.test(tokenizer.tokenText(id));
          const controls = inner.filter((id) => tokenizer.tokenKind(id) === 'control');
          expect(controls.filter((id) => !isUnknown(id))).toEqual([]);
        }
        const detokenizer = tokenizer.detokenizer();
        const streamed = ids.map((id) => detokenizer.push(id)).join('') + detokenizer.flush();
        expect(streamed).toBe(tokenizer.decode(ids));
      }
    }
    // Neither the dice nor the checks may make this test empty.
    expect(refused).toBeGreaterThan(200);
    for (const kind of ['spm', 'bpe', 'wordpiece', 'unigram', 'rwkv', 'none']) {
      expect(made.get(kind) ?? 0).toBeGreaterThan(20);
    }
  });

  it('merges in circles end, however long the text', () => {
    const tokens = ['a', 'b', 'ab', 'ba', 'aba', 'bab', 'abab', ...byteCharacters];
    const merges = ['a b', 'b a', 'ab a', 'b ab', 'ab ab', 'a ba', 'ba b', 'aba b'];
    const tokenizer = createTokenizer(
      metadataOf({
        model: text('gpt2'),
        pre: text('gpt-2'),
        tokens: strings(...tokens),
        merges: strings(...merges, ...merges),
      }),
    );
    const ids = tokenizer.encode('ab'.repeat(50_000), { special: 'as-text' });
    expect(tokenizer.decode(ids)).toBe('ab'.repeat(50_000));
  });
});

describe('Gemma 4', () => {
  const byteTokens = Array.from({ length: 256 }, (_, byte) => {
    return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  });
  const own = ['<pad>', '<eos>', '<bos>', 'a', 'b', '\u2581', '\n', '\n\n', 'ab', '\u2581ab'];
  const tokenizer = createTokenizer(
    metadataOf({
      model: text('gemma4'),
      tokens: strings(...own, ...byteTokens),
      token_type: integers(...own.map((_, id) => (id < 3 ? 3 : 1)), ...byteTokens.map(() => 6)),
      merges: strings('a b', '\u2581 ab'),
      bos_token_id: unsigned(2),
      eos_token_id: unsigned(1),
    }),
  );
  const pieces = (input: string): string[] =>
    tokenizer.encode(input, { special: 'as-text' }).map((id) => tokenizer.tokenText(id));

  it('merges characters with spaces spelled out, takes line ends whole and falls back to bytes', () => {
    expect(pieces('ab ab\n\nb')).toEqual(['ab', '\u2581ab', '\n\n', 'b']);
    expect(pieces('a\u00e9')).toEqual(['a', '<0xC3>', '<0xA9>']);
    expect(tokenizer.encode('a', { special: 'as-text', addBoundary: true })[0]).toBe(2);
    expect(tokenizer.warnings).toEqual([]);
  });

  it('spells every text exactly', () => {
    for (const input of randomTexts(300)) {
      // A mark of its own is how the vocabulary writes a space.
      const expected = input.replaceAll('\u2581', ' ');
      expect(tokenizer.decode(tokenizer.encode(input, { special: 'as-text' }))).toBe(expected);
    }
  });
});
