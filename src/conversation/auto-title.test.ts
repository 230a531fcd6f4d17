import { describe, expect, it } from 'vitest';
import { titleFromText } from './auto-title.ts';

describe('titleFromText', () => {
  it.each([
    ['How do I bake bread?', 'How do I bake bread?'],
    ['\n\n  ## **Plan** for `today`\nmore', 'Plan for today'],
    ['```js\nlet snake_case = 1;\n```', 'let snake_case = 1;'],
    ['> 1. See [the docs](https://example.org/x)', '1. See the docs'],
    ['a\t\u202eb\u0000  c', 'a b c'],
    ['家常豆腐怎么做?', '家常豆腐怎么做?'],
    ['???\n!!!', null],
    ['', null],
  ])('%j gives %j', (text, title) => {
    expect(titleFromText(text)).toBe(title);
  });

  it('cuts long text at a word', () => {
    const title = titleFromText('word '.repeat(30)) ?? '';
    expect(title).toBe(`${'word '.repeat(11)}word…`);
  });

  it('cuts text without spaces between characters as people see them', () => {
    expect(titleFromText('家'.repeat(80))).toBe(`${'家'.repeat(59)}…`);
    const family = '👩‍👩‍👧';
    expect(titleFromText(`a${family.repeat(80)}`)).toBe(`a${family.repeat(58)}…`);
  });
});
