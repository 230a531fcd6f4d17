import { describe, expect, it } from 'vitest';
import { splitMix64, Xoshiro128 } from './random.ts';

describe('splitMix64', () => {
  it('gives the published sequence of seed 1234567', () => {
    expect(splitMix64(1234567n, 5)).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ]);
  });
});

describe('Xoshiro128', () => {
  it('gives the sequence of the reference implementation for state 1, 2, 3, 4', () => {
    const random = new Xoshiro128([1, 2, 3, 4]);
    const drawn = Array.from({ length: 8 }, () => random.nextUint32());
    expect(drawn).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849,
    ]);
  });

  it('repeats itself for a seed and differs for its neighbours', () => {
    const draw = (seed: number): number[] => {
      const random = Xoshiro128.fromSeed(seed);
      return [random.nextDouble(), random.nextDouble(), random.nextDouble()];
    };
    expect(draw(7)).toEqual(draw(7));
    const firsts = [-1, 0, 1, 2, 2 ** 31, 2 ** 32, 2 ** 53 - 1].map((seed) => draw(seed)[0]);
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('spreads doubles evenly over [0, 1)', () => {
    const random = Xoshiro128.fromSeed(42);
    let outside = 0;
    const bins = new Uint32Array(16);
    for (let i = 0; i < 160_000; i++) {
      const value = random.nextDouble();
      outside += value >= 0 && value < 1 ? 0 : 1;
      bins[Math.floor(value * 16)]!++;
    }
    expect(outside).toBe(0);
    // Chi-squared with 15 degrees of freedom exceeds 37.7 once in a thousand seeds.
    const chiSquared = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquared).toBeLessThan(37.7);
  });
});
