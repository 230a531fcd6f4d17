import { describe, expect, it } from 'vitest';
import { PairMerger } from './pair-merger.ts';

/** Repeatable numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What the merger does, said plainly: look for the best pair, merge it, start over. */
function mergeSlowly(text: string, ranks: ReadonlyMap<string, number>): string[] {
  const parts = Array.from(text);
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let index = 1; index < parts.length; index += 1) {
      const rank = ranks.get((parts[index - 1] ?? '') + (parts[index] ?? ''));
      if (rank !== undefined && rank < bestRank) {
        best = index;
        bestRank = rank;
      }
    }
    if (best < 0) return parts;
    parts.splice(best - 1, 2, (parts[best - 1] ?? '') + (parts[best] ?? ''));
  }
}

function mergeQuickly(
  merger: PairMerger,
  text: string,
  ranks: ReadonlyMap<string, number>,
): string[] {
  const parts: string[] = [];
  merger.merge(
    text.length,
    {
      rank: (left, _middle, end) => ranks.get(text.slice(left, end)) ?? Number.NaN,
      merged: () => undefined,
    },
    (start, end) => parts.push(text.slice(start, end)),
  );
  return parts;
}

describe('PairMerger', () => {
  it('merges as the plain definition does, with few and with many equal ranks', () => {
    const next = random(7);
    const merger = new PairMerger();
    const letters = 'abc';
    const letter = (): string => letters[Math.floor(next() * letters.length)] ?? 'a';
    for (let round = 0; round < 400; round += 1) {
      const ranks = new Map<string, number>();
      const differentRanks = round % 3 === 0 ? 1 : 12;
      for (let index = 0; index < 14; index += 1) {
        const length = 2 + Math.floor(next() * 4);
        const token = Array.from({ length }, letter).join('');
        ranks.set(token, Math.floor(next() * differentRanks) - 3);
      }
      const text = Array.from({ length: Math.floor(next() * 40) }, letter).join('');
      expect(mergeQuickly(merger, text, ranks)).toEqual(mergeSlowly(text, ranks));
    }
  });

  it('merges the leftmost of equals first', () => {
    const ranks = new Map([['aa', 0]]);
    expect(mergeQuickly(new PairMerger(), 'aaaaa', ranks)).toEqual(['aa', 'aa', 'a']);
  });

  it('merges a long run without quadratic work', () => {
    const ranks = new Map([
      ['aa', 0],
      ['aaaa', 1],
    ]);
    const parts = mergeQuickly(new PairMerger(), 'a'.repeat(400_002), ranks);
    expect(parts).toHaveLength(100_001);
    expect(parts.at(-1)).toBe('aa');
  });

  it('reports nothing for nothing', () => {
    expect(mergeQuickly(new PairMerger(), '', new Map())).toEqual([]);
  });
});
