import { describe, expect, it } from 'vitest';
import { Xoshiro128 } from './random.ts';
import { selectTop } from './top-selection.ts';

/** The plain definition: sort everything, larger first, lower index first among equals. */
function sortedTop(values: Float32Array, count: number): number[] {
  return [...values.keys()]
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, Math.max(count, 0));
}

describe('selectTop', () => {
  it('equals a full sort, ties included', () => {
    const random = Xoshiro128.fromSeed(1);
    for (const size of [1, 2, 3, 10, 257]) {
      for (const levels of [1, 2, 5, 1e9]) {
        const values = Float32Array.from({ length: size }, () =>
          Math.floor(random.nextDouble() * levels),
        );
        for (const count of [0, 1, 2, 7, size - 1, size, size + 5].filter((k) => k >= 0)) {
          expect([...selectTop(values, count)]).toEqual(sortedTop(values, count));
        }
      }
    }
  });

  it('puts banned tokens last', () => {
    expect([...selectTop(Float32Array.of(-Infinity, 1, -Infinity, 2), 3)]).toEqual([3, 1, 0]);
  });
});
