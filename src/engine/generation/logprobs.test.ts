import { describe, expect, it } from 'vitest';
import { logSumExp, tokenLogprobs } from './logprobs.ts';

describe('tokenLogprobs', () => {
  it('gives logarithms of probabilities that add up to one', () => {
    const logits = Float32Array.of(1, 2, 3, -Infinity);
    const { logprob, top } = tokenLogprobs(logits, 0, 4);
    const sum = Math.E + Math.E ** 2 + Math.E ** 3;
    expect(logprob).toBeCloseTo(Math.log(Math.E / sum), 12);
    expect(top.map((each) => each.token)).toEqual([2, 1, 0, 3]);
    expect(top.reduce((total, each) => total + Math.exp(each.logprob), 0)).toBeCloseTo(1, 12);
    expect(top[3]?.logprob).toBe(-Infinity);
  });

  it('does not overflow', () => {
    expect(logSumExp(Float32Array.of(3e38, 0))).toBeCloseTo(Math.fround(3e38), -30);
    expect(logSumExp(Float32Array.of(-1000, -1000))).toBeCloseTo(-1000 + Math.LN2, 12);
  });

  it('refuses what is no number', () => {
    for (const values of [[NaN], [0, Infinity], [-Infinity], []]) {
      expect(() => logSumExp(Float32Array.from(values))).toThrow(
        expect.objectContaining({ code: 'model-file/invalid-numbers' }),
      );
    }
  });
});
