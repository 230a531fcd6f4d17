import { describe, expect, it } from 'vitest';
import { settleTail } from './streaming.ts';

describe('settleTail', () => {
  it.each([
    ['so **bold', 'so **bold**'],
    ['so *it', 'so *it*'],
    ['so **a *b', 'so **a *b***'],
    ['run `npm', 'run `npm`'],
    ['run `a * b', 'run `a * b`'],
    ['gone ~~x', 'gone ~~x~~'],
    ['see [the page](https://exam', 'see the page'],
    ['new **', 'new'],
    ['2 * 3', '2 * 3'],
    ['done **bold** and', 'done **bold** and'],
  ])('closes %s as %s', (text, settled) => {
    expect(settleTail(text)).toBe(settled);
  });

  it.each(['Text\n-', 'Text\n==', 'Text\n1.', 'Text\n##', 'Text\n``', 'Text\n| '])(
    'holds back the undecided last line of %j',
    (text) => {
      expect(settleTail(text)).toBe('Text');
    },
  );

  it('touches nothing inside a fence', () => {
    const text = '```\na ** b\n-';
    expect(settleTail(text)).toBe(text);
    expect(settleTail('```\nx\n```\n\n**b')).toBe('```\nx\n```\n\n**b**');
  });
});
