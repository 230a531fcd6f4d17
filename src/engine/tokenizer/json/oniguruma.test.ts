import { describe, expect, it } from 'vitest';
import { findPreTokenizer, splitIntoWords } from '../pre-tokenizers.ts';
import { literalPattern, translatePattern } from './oniguruma.ts';

const words = (pattern: string, text: string): string[] | null =>
  text.match(translatePattern(pattern) ?? /(?!)/g);

/** Patterns as the models' own tokenizer.json have them, and the name that GGUF files give them. */
const published: readonly (readonly [name: string, pattern: string])[] = [
  ['gpt-2', "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"],
  [
    'llama-bpe',
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
  [
    'qwen2',
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
  [
    'bailingmoe',
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
  ],
  [
    'gpt-4o',
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
];

describe('translatePattern', () => {
  it.each(published)('cuts like the pre-tokenizer %s', (name, pattern) => {
    const { preTokenizer } = findPreTokenizer(name);
    const texts = [
      "I'LL pay 12345!\n\n  now, it's fooBar's  \t HTTPServer\r\n  ",
      "caf\u00e9's \u4f60\u597d \u00a0\u0085x \ufeff! 'S 'd \u2028 \ud83d\ude42",
    ];
    for (const text of texts) {
      const expected: string[] = [];
      splitIntoWords(text, preTokenizer, (word) => expected.push(word));
      expect(words(pattern, text)).toEqual(expected);
    }
  });

  it.each<[string, string, string[]]>([
    ['(?i)ab|c', 'aBCc', ['aB', 'C', 'c']],
    ['(?i:a)b', 'Ab AB', ['Ab']],
    ['\\d+|\\w', '\u0661a_!', ['\u0661', 'a', '_']],
    ['[\\w&&[^a]]+', 'abca', ['bc']],
    ['[\\p{L}&&[^\\p{Han}]]+|[\\p{Han}]+', 'ab\u4f60\u597d', ['ab', '\u4f60\u597d']],
    ['[^\\P{L}a]+', 'abc1', ['bc']],
    ['[]a]+', 'a]b', ['a]']],
    ['[a-c-]+', 'b-d', ['b-']],
    ['[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+', '^ab [c -d', ['^ab', '[c', '-d']],
    ['\\x{4f60}|\\u597d', '\u4f60\u597d', ['\u4f60', '\u597d']],
    ['\\p{^L}', 'a1', ['1']],
    ['\\#\\-\\_a]', '#-_a]', ['#-_a]']],
    ['a++b|a', 'aab', ['aab']],
    ['\\++', '++', ['++']],
    ['(?<=a)b(?!c)', 'abc ab', ['b']],
    ['\\Aa|a\\z', 'aba', ['a', 'a']],
  ])('%s', (pattern, text, expected) => {
    expect(words(pattern, text)).toEqual(expected);
  });

  it.each(['(?>a)', '(?m:a)', '[[:alpha:]]', '\\G', '\\R', '[a', '(', 'a{2', '*', '\\p', '\\'])(
    'gives up on %s',
    (pattern) => {
      const translated = translatePattern(pattern);
      // What is left open is either refused or read as JavaScript reads it, never by throwing.
      expect(translated === null || translated instanceof RegExp).toBe(true);
      if (pattern !== 'a{2') expect(translated).toBeNull();
    },
  );

  it('refuses a pattern of unreasonable length', () => {
    expect(translatePattern('a'.repeat(16_384))).not.toBeNull();
    expect(translatePattern('a'.repeat(16_385))).toBeNull();
  });

  it('takes any text literally', () => {
    const text = '\\^$.*+?()[]{}|/-&& a';
    expect(`x${text}y`.replace(literalPattern(text), '')).toBe('xy');
  });
});
