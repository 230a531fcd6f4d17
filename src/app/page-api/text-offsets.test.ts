import { describe, expect, it } from 'vitest';
import { offsetsOfText, TextOffsets } from './text-offsets.ts';

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

describe('offsets of tokens in a text', () => {
  it('count UTF-16 units, and stay where they are inside a character', () => {
    const [first = 0, ...rest] = bytes('🐢');
    const offsets = new TextOffsets(0);
    const parts = [bytes('a'), [first], rest, [], bytes('b')];
    expect(parts.map((part) => offsets.next(part))).toEqual([0, 1, 1, 3, 3]);
  });

  it('begin at 0 also where the text lacks the space of its first token', () => {
    const tokens = [[], bytes(' Once'), bytes(' upon')];
    const offsets = offsetsOfText('Once upon', tokens);
    expect(tokens.map((token) => offsets.next(token))).toEqual([0, 0, 4]);
    expect(offsets.next(bytes(' a'))).toBe(9);
  });
});
