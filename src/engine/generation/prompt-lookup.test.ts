import { describe, expect, it } from 'vitest';
import { PromptLookup } from './prompt-lookup.ts';

function lookupIn(...tokens: number[]): PromptLookup {
  const lookup = new PromptLookup();
  lookup.push(...tokens);
  return lookup;
}

describe('guesses from the text', () => {
  it('are what followed when the text said the same before', () => {
    expect(lookupIn(1, 2, 3, 4, 5, 9, 1, 2, 3).guess(2)).toEqual([4, 5]);
  });

  it('need three tokens that agree', () => {
    expect(lookupIn(1, 2, 3, 4, 9, 2, 3).guess(4)).toEqual([]);
    expect(lookupIn(1, 2).guess(4)).toEqual([]);
    expect(new PromptLookup().guess(4)).toEqual([]);
  });

  it('follow the place that is most like the present one, of equal ones the latest', () => {
    expect(lookupIn(7, 1, 2, 3, 40, 8, 1, 2, 3, 50, 7, 1, 2, 3).guess(1)).toEqual([40]);
    expect(lookupIn(1, 2, 3, 40, 1, 2, 3, 50, 1, 2, 3).guess(1)).toEqual([50]);
  });

  it('end where the text ends, and go on through a text that repeats itself', () => {
    expect(lookupIn(5, 1, 2, 3, 1, 2, 3).guess(9)).toEqual([1, 2, 3]);
    expect(lookupIn(6, 6, 6, 6, 6).guess(9)).toEqual([6]);
  });

  it('are the same however the text came', () => {
    const text = Array.from({ length: 300 }, (_, index) => (index * index) % 7);
    const [whole, piecewise] = [lookupIn(...text), new PromptLookup()];
    for (const token of text) piecewise.push(token);
    expect(piecewise.guess(8)).toEqual(whole.guess(8));
    expect(whole.guess(8)).toHaveLength(8);
  });
});
