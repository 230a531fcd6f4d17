import { describe, expect, it } from 'vitest';
import { rotaryFrequencies, rotation } from './rotary-frequencies.ts';

const plain = { dimensions: 8, base: 10000, scaling: { kind: 'none' } } as const;

function frequencies(...args: Parameters<typeof rotaryFrequencies>): number[] {
  return Array.from(rotaryFrequencies(...args).inverseFrequencies);
}

describe('rotaryFrequencies', () => {
  it('falls from 1 by equal ratios', () => {
    const [a = 0, b = 0, c = 0, d = 0] = frequencies(plain, undefined);
    expect(a).toBe(1);
    expect([b, c, d]).toEqual([
      expect.closeTo(0.1, 12),
      expect.closeTo(0.01, 12),
      expect.closeTo(0.001, 12),
    ]);
  });

  it('divides by the numbers of the file', () => {
    const divided = frequencies(plain, Float32Array.of(1, 2, 4, 8));
    expect(divided[3]).toBeCloseTo(0.001 / 8, 12);
  });

  it('stretches all pairs linearly', () => {
    const stretched = frequencies({ ...plain, scaling: { kind: 'linear', factor: 4 } }, undefined);
    expect(stretched[0]).toBe(0.25);
    expect(stretched[3]).toBeCloseTo(0.00025, 12);
  });

  it('leaves short waves and stretches long ones, as Llama 3 does', () => {
    const scaling = {
      kind: 'llama3',
      factor: 8,
      originalContext: 64,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
    } as const;
    const [fast, middle, , slow] = frequencies({ ...plain, scaling }, undefined);
    // 64 positions: pair 0 turns 10.2 times, pair 1 1.02 times, pair 3 0.01 times
    expect(fast).toBe(1);
    const kept = ((64 * 0.1) / (2 * Math.PI) - 1) / 3;
    expect(middle).toBeCloseTo(kept * 0.1 + ((1 - kept) * 0.1) / 8, 12);
    expect(slow).toBeCloseTo(0.001 / 8, 12);
  });

  it('stretches long waves and lengthens vectors, as YaRN does', () => {
    const scaling = {
      kind: 'yarn',
      factor: 4,
      originalContext: 64,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: 1,
    } as const;
    const { inverseFrequencies, magnitude } = rotaryFrequencies({ ...plain, scaling }, undefined);
    expect(magnitude).toBeCloseTo(1 + 0.1 * Math.log(4), 12);
    // the ramp runs from pair 0 to pair 2: 8 * ln(64 / 2 pi) / (2 ln 10000) = 1.008, rounded up
    expect(Array.from(inverseFrequencies)).toEqual([
      expect.closeTo(1, 12),
      expect.closeTo(0.1 * (0.5 + 0.5 / 4), 12),
      expect.closeTo(0.01 / 4, 12),
      expect.closeTo(0.001 / 4, 12),
    ]);
  });
});

describe('rotation', () => {
  const constants = new Map([
    ['rope_factors_short.weight', Float32Array.of(2, 2, 2, 2)],
    ['rope_factors_long.weight', Float32Array.of(4, 4, 4, 4)],
  ]);
  const scaling = { kind: 'longrope', originalContext: 64, magnitude: 1.25 } as const;

  it.each([
    [64, 0.5],
    [65, 0.25],
  ])('divides by the factors for a context of %d, as LongRoPE does', (contextLength, first) => {
    const settings = { ...plain, scaling };
    const { inverseFrequencies, magnitude } = rotation('split', settings, constants, contextLength);
    expect(inverseFrequencies[0]).toBe(first);
    expect(magnitude).toBe(1.25);
  });
});
