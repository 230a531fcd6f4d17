import { describe, expect, it } from 'vitest';
import { settleTail, splitThinking } from './streaming.ts';

describe('splitThinking', () => {
  it('leaves an answer without thinking alone', () => {
    expect(splitThinking('Hello <think>no</think>', false)).toEqual({
      thinking: null,
      thinkingDone: false,
      answer: 'Hello <think>no</think>',
    });
  });

  it('shows nothing of a tag that is still arriving, and all of it when nothing follows', () => {
    expect(splitThinking('<thi', true).answer).toBe('');
    expect(splitThinking('<thi', false).answer).toBe('<thi');
  });

  it('splits finished thinking from the answer', () => {
    expect(splitThinking('\n<think>a\nb</think>\n\nYes.', true)).toEqual({
      thinking: 'a\nb',
      thinkingDone: true,
      answer: 'Yes.',
    });
  });

  it('ends thinking that was cut off', () => {
    expect(splitThinking('<think>a', true).thinkingDone).toBe(false);
    expect(splitThinking('<think>a', false).thinkingDone).toBe(true);
  });
});

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
