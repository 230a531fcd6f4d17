import { describe, expect, it } from 'vitest';
import { findPreTokenizer, knownPreTokenizers, splitIntoWords } from './pre-tokenizers.ts';

function words(name: string, text: string): string[] {
  const { preTokenizer, isKnown } = findPreTokenizer(name);
  expect(isKnown).toBe(true);
  const found: string[] = [];
  splitIntoWords(text, preTokenizer, (word) => found.push(word));
  return found;
}

const names = knownPreTokenizers;

/** At least one text for each way to split; what it is cut into where others would cut otherwise. */
const rows: readonly (readonly [name: string, text: string, expected: readonly string[]])[] = [
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
  ['default', 'a+b 1234 c', ['a', '+', 'b', ' ', '123', '4', ' c']],
  ['dbrx', "I'LL pay 12345", ['I', "'LL", ' pay', ' ', '123', '45']],
  ['qwen35', 'x\u0301y 12', ['x\u0301y', ' ', '1', '2']],
  ['deepseek-coder', 'a  b,12', ['a', ' ', ' b', ',', '1', '2']],
  ['viking', 'ab 12.c', ['ab', ' ', '1', '2', '.', 'c']],
  ['bailingmoe', 'a!\n\nb 12', ['a', '!\n\n', 'b', ' ', '1', '2']],
  ['seed-coder', 'a!\n b', ['a', '!', '\n', ' b']],
  ['granite-embed-multi-97m', "x\u0301Y's 1234", ['x\u0301', "Y's", ' ', '123', '4']],
  ['minicpm5', 'ab 12345', ['ab', ' ', '123', '45']],
  ['spark2_5', 'a!\n\n12', ['a', '!', '\n', '\n', '1', '2']],
  [
    'youtu',
    '\u4f60\u597d\uff0c\uac00fooBar 12',
    ['\u4f60\u597d', '\uff0c', '\uac00', 'foo', 'Bar', ' ', '1', '2'],
  ],
  ['jais-2', `a${' '.repeat(8)}b`, ['a', ' '.repeat(4), '  ', ' ', ' b']],
  ['tiny_aya', 'a 1234567 12b', ['a', ' ', '1', '234', '567', ' ', '12', 'b']],
  ['superbpe', 'so it is 1234567', ['so it is ', '1', '234', '567']],
  ['exaone-moe', 'so it is 12!/\n', ['so it is', ' ', '1', '2', '!/\n']],
  ['ufakzeka', "Ankara'da I'm", ['Ankara', "'da", ' I', "'m"]],
  ['afmoe', 'a 1234567\u0e40\u4f60b', ['a', ' ', '1', '234', '567', '\u0e40\u4f60', 'b']],
  ['laguna', 'a \n\n b 12', ['a', ' ', '\n\n', ' b', ' ', '1', '2']],
  [
    'chameleon',
    'IMGIMGABZ<sentinel:12>a    b!?',
    ['IMGIMGABZ', '<', 'sentinel', ':', '1', '2', '>', 'a', '    ', 'b', '!', '?'],
  ],
  [
    'kimi-k2',
    '\u4e2d\u6587English\u6df7 1234',
    ['\u4e2d\u6587', 'English', '\u6df7', ' ', '123', '4'],
  ],
  ['gemma4', 'a b, 12\n\n c', ['a b, 12', '\n\n', ' c']],
  ['sarvam-moe', 'a b, 12\n\n c', ['a b, 12', '\n\n', ' c']],
];

describe('splitIntoWords', () => {
  it.each(rows)('%s splits %j', (name, text, expected) => {
    expect(words(name, text)).toEqual(expected);
  });

  it('has a text for every way that a file can name', () => {
    const tested = new Set(rows.map(([name]) => findPreTokenizer(name).preTokenizer));
    const untested = names.filter((name) => !tested.has(findPreTokenizer(name).preTokenizer));
    expect(untested).toEqual([]);
    expect(names.length).toBeGreaterThan(85);
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
