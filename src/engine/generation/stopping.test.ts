import { describe, expect, it } from 'vitest';
import { StopStrings } from './stopping.ts';
import { Xoshiro128 } from './random.ts';

interface Outcome {
  readonly text: string;
  readonly stop: string | null;
}

function run(stops: readonly string[], pieces: readonly string[]): Outcome {
  const matcher = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const result = matcher.push(piece);
    text += result.text;
    if (result.stop !== null) return { text, stop: result.stop };
  }
  return { text: text + matcher.flush(), stop: null };
}

/** Every way of cutting a text into pieces. */
function* splits(text: string): Generator<string[]> {
  for (let cuts = 0; cuts < 1 << (text.length - 1); cuts++) {
    const pieces = [''];
    for (let i = 0; i < text.length; i++) {
      pieces[pieces.length - 1] += text[i]!;
      if ((cuts >> i) & 1) pieces.push('');
    }
    yield pieces;
  }
}

describe('StopStrings', () => {
  it.each<[string, string[], Outcome]>([
    ['abcSTOPdef', ['STOP'], { text: 'abc', stop: 'STOP' }],
    ['abSTSTOPx', ['STOP'], { text: 'abST', stop: 'STOP' }],
    ['aaab', ['aab'], { text: 'a', stop: 'aab' }],
    ['xabcdy', ['abcd', 'bc'], { text: 'xa', stop: 'bc' }],
    ['xabcy', ['c', 'abc'], { text: 'x', stop: 'abc' }],
    ['abSTO', ['STOP'], { text: 'abSTO', stop: null }],
    ['\n\nUser:', ['\nUser:', '###'], { text: '\n', stop: '\nUser:' }],
    ['nothing', [], { text: 'nothing', stop: null }],
    ['nothing', [''], { text: 'nothing', stop: null }],
    ['STOP', ['STOP'], { text: '', stop: 'STOP' }],
  ])('ends %j at %j however it is cut', (text, stops, expected) => {
    for (const pieces of splits(text)) expect(run(stops, pieces)).toEqual(expected);
  });

  it('holds back only what may still become a stop string', () => {
    const matcher = new StopStrings(['</answer>', '###']);
    expect(matcher.push('one <').text).toBe('one ');
    expect(matcher.push('b>').text).toBe('<b>');
    expect(matcher.push(' ##').text).toBe(' ');
    expect(matcher.push(' x').text).toBe('## x');
  });

  it('never shows a part of a stop string, for random texts of a small alphabet', () => {
    const random = Xoshiro128.fromSeed(3);
    const word = (length: number): string =>
      Array.from({ length }, () => 'ab'[random.nextUint32() & 1]!).join('');
    for (let round = 0; round < 300; round++) {
      const stops = [word(2 + (round % 3)), word(3)];
      const text = word(10);
      const whole = run(stops, [text]);
      for (const stop of stops) expect(whole.text.includes(stop)).toBe(false);
      for (const pieces of [text.split(''), [text.slice(0, 4), text.slice(4)]]) {
        expect(run(stops, pieces)).toEqual(whole);
      }
    }
  });
});
