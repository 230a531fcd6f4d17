import { describe, expect, it } from 'vitest';
import { findPreTokenizer, splitIntoWords } from './pre-tokenizers.ts';

function words(name: string, text: string): string[] {
  const { preTokenizer, isKnown } = findPreTokenizer(name);
  expect(isKnown).toBe(true);
  const found: string[] = [];
  splitIntoWords(text, preTokenizer, (word) => found.push(word));
  return found;
}

const names = (
  'default gpt-2 starcoder llama-bpe dbrx qwen2 qwen35 tekken gpt-4o deepseek-llm deepseek-coder ' +
  'deepseek-v3 falcon bloom viking bailingmoe seed-coder'
).split(' ');

describe('splitIntoWords', () => {
  it.each([
    [
      'gpt-2',
      "I've 1234 caf\u00e9s,  ok?\n\nYES",
      ['I', "'ve", ' 1234', ' caf\u00e9s', ',', ' ', ' ok', '?', '\n', '\n', 'YES'],
    ],
    ['starcoder', 'a 123', ['a', ' ', '1', '2', '3']],
    ['smollm', 'a 123', ['a', ' ', '1', '2', '3']],
    [
      'llama-bpe',
      "I'LL pay 12345!\n\n  now",
      ['I', "'LL", ' pay', ' ', '123', '45', '!\n\n', ' ', ' now'],
    ],
    ['qwen2', 'x 123', ['x', ' ', '1', '2', '3']],
    ['falcon', 'a+b 12345', ['a', '+', 'b', ' ', '123', '45']],
    ['tekken', 'fooBar HTTPServer', ['foo', 'Bar', ' HTTPServer']],
    ['gpt-4o', "helloWorld's", ['hello', "World's"]],
    ['deepseek-v3', '12345\u4f60\u597dabc', ['123', '45', '\u4f60\u597d', 'abc']],
    ['deepseek-llm', 'Hi  there\u4f60 1', ['Hi', ' ', ' there', '\u4f60', ' ', '1']],
    ['bloom', 'a (b).c', ['a', ' (', 'b', ').', 'c']],
  ])('%s splits %j', (name, text, expected) => {
    expect(words(name, text)).toEqual(expected);
  });

  it('counts as white space what Unicode does, not what JavaScript does', () => {
    expect(words('gpt-2', 'a\u0085\u0085b')).toEqual(['a', '\u0085', '\u0085', 'b']);
    expect(words('gpt-2', 'a\ufeff!b')).toEqual(['a', '\ufeff!', 'b']);
  });

  it.each(names)('%s loses nothing', (name) => {
    const texts = [
      " It's 1234567 \u00bd \u4f60\u597d\u3042\u30a2\u1100 \ud83d\ude80\u200d\r\n\t \u00a0\u0301e\u0301 '' \ud800x ''LL  \n \n ",
      `a${' '.repeat(20_000)}5${'\n'.repeat(20_000)}${'A'.repeat(20_000)}1`,
    ];
    for (const text of texts) {
      const found = words(name, text);
      expect(found.join('')).toBe(text);
      expect(found).not.toContain('');
    }
  });
});

describe('findPreTokenizer', () => {
  it('falls back to the default and says so', () => {
    const fallback = findPreTokenizer('default').preTokenizer;
    expect(findPreTokenizer('never-heard-of')).toEqual({ preTokenizer: fallback, isKnown: false });
    expect(findPreTokenizer(undefined)).toEqual({ preTokenizer: fallback, isKnown: false });
    expect(findPreTokenizer('constructor').isKnown).toBe(false);
  });
});
