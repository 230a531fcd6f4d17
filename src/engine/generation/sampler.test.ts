import { describe, expect, it } from 'vitest';
import type { AppError } from '../../common/errors.ts';
import { greedySampling, Sampler } from './sampler.ts';
import type { SamplingOptions } from './sampler.ts';
import { Xoshiro128 } from './random.ts';

const open: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 5 };

function logitsOf(probabilities: readonly number[]): Float32Array {
  return Float32Array.from(probabilities, (p) => Math.log(p));
}

function draw(options: SamplingOptions, logits: Float32Array, draws: number): number[] {
  const sampler = new Sampler(options);
  const counts = Array.from(logits, () => 0);
  for (let i = 0; i < draws; i++) counts[sampler.sample(logits)]!++;
  return counts;
}

/** Checks counts against probabilities: 5 standard deviations, and 3 draws for what is very rare. */
function expectDistribution(counts: readonly number[], expected: readonly number[]): void {
  const draws = counts.reduce((a, b) => a + b, 0);
  for (const [token, p] of expected.entries()) {
    const allowed = p === 0 ? 0 : 5 * Math.sqrt(draws * p * (1 - p)) + 3;
    expect(Math.abs(counts[token]! - draws * p)).toBeLessThanOrEqual(allowed);
  }
}

/** The documented steps in their plainest form: sort, cut, cut, cut, temper, normalise. */
function referenceDistribution(logits: Float32Array, options: SamplingOptions): number[] {
  let kept = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (options.topK > 0) kept = kept.slice(0, options.topK);
  const weight = (id: number, temperature: number): number =>
    Math.exp((logits[id]! - logits[kept[0]!]!) / temperature);
  const total = kept.reduce((sum, id) => sum + weight(id, 1), 0);
  let sum = 0;
  const nucleus: number[] = [];
  for (const id of kept) {
    nucleus.push(id);
    sum += weight(id, 1);
    if (options.topP < 1 && sum >= options.topP * total) break;
  }
  kept = nucleus.filter((id) => weight(id, 1) >= options.minP);
  const tempered = kept.reduce((all, id) => all + weight(id, options.temperature), 0);
  const result = Array.from(logits, () => 0);
  for (const id of kept) result[id] = weight(id, options.temperature) / tempered;
  return result;
}

describe('Sampler', () => {
  it('is greedy at temperature 0 and takes the lower id among equals', () => {
    expect(new Sampler(greedySampling).sample(Float32Array.of(1, 3, 3, 2))).toBe(1);
  });

  it('repeats its choices for a seed and after a reset', () => {
    const logits = new Float32Array(50);
    const first = new Sampler(open);
    const second = new Sampler(open);
    const choices = Array.from({ length: 30 }, () => first.sample(logits));
    expect(Array.from({ length: 30 }, () => second.sample(logits))).toEqual(choices);
    first.reset();
    expect(Array.from({ length: 30 }, () => first.sample(logits))).toEqual(choices);
    const other = new Sampler({ ...open, seed: 6 });
    expect(Array.from({ length: 30 }, () => other.sample(logits))).not.toEqual(choices);
  });

  it('draws from the softmax when nothing is cut', () => {
    const p = [0.5, 0.25, 0.15, 0.1];
    expectDistribution(draw(open, logitsOf(p), 20_000), p);
  });

  it('sharpens below temperature 1 and flattens above', () => {
    const p = [0.6, 0.3, 0.1];
    for (const temperature of [0.5, 2]) {
      const powers = p.map((x) => x ** (1 / temperature));
      const sum = powers.reduce((a, b) => a + b, 0);
      const counts = draw({ ...open, temperature }, logitsOf(p), 20_000);
      expectDistribution(
        counts,
        powers.map((x) => x / sum),
      );
    }
  });

  it('renormalises after top-k before top-p counts', () => {
    // Of the two kept, 0.4 and 0.3, the first alone has 0.57 of their sum.
    const counts = draw({ ...open, topK: 2, topP: 0.55 }, logitsOf([0.3, 0.4, 0.2, 0.1]), 100);
    expect(counts).toEqual([0, 100, 0, 0]);
  });

  it('takes the token that crosses top-p into the nucleus', () => {
    const counts = draw({ ...open, topP: 0.6 }, logitsOf([0.5, 0.3, 0.2]), 2000);
    expect(counts[2]).toBe(0);
    expectDistribution(counts, [0.5 / 0.8, 0.3 / 0.8, 0]);
  });

  it('cuts by min-p before the temperature', () => {
    const counts = draw({ ...open, minP: 0.5, temperature: 100 }, logitsOf([0.5, 0.3, 0.2]), 2000);
    expect(counts[2]).toBe(0);
    expect(counts[1]).toBeGreaterThan(800);
  });

  it('follows the documented steps for every mixture of settings', () => {
    const random = Xoshiro128.fromSeed(99);
    const logits = Float32Array.from({ length: 300 }, () => random.nextDouble() * 8);
    for (const topK of [0, 5, 200]) {
      for (const topP of [0.3, 0.99, 1]) {
        for (const minP of [0, 0.2]) {
          const options = { temperature: 0.8, topK, topP, minP, seed: topK + topP };
          const expected = referenceDistribution(logits, options);
          expectDistribution(draw(options, logits, 3000), expected);
        }
      }
    }
  });

  it('finds a nucleus wider than its first guess', () => {
    const logits = new Float32Array(1000);
    const counts = draw({ ...open, topP: 0.5 }, logits, 5000);
    expect(counts.slice(500).every((count) => count === 0)).toBe(true);
    expect(counts.slice(0, 500).filter((count) => count > 0).length).toBeGreaterThan(450);
  });

  it('never draws a banned token', () => {
    const logits = Float32Array.of(-Infinity, 0, -Infinity, 0);
    for (const options of [open, { ...open, topK: 4 }, { ...open, topP: 0.999 }]) {
      const counts = draw(options, logits, 500);
      expect([counts[0], counts[2]]).toEqual([0, 0]);
    }
  });

  it('survives logits at the ends of the float range', () => {
    expect(new Sampler(open).sample(Float32Array.of(-3e38, 3e38, 0))).toBe(1);
    expect(new Sampler({ ...open, temperature: 1e-9 }).sample(Float32Array.of(1, 2))).toBe(1);
  });

  it.each([
    ['NaN', [0, NaN, 1]],
    ['NaN first', [NaN, 0]],
    ['all -Infinity', [-Infinity, -Infinity]],
    ['+Infinity', [0, Infinity]],
    ['no logits', []],
  ])('says that the model is broken: %s', (_name, values) => {
    for (const options of [greedySampling, open, { ...open, topK: 2 }]) {
      expect(() => new Sampler(options).sample(Float32Array.from(values))).toThrow(
        expect.objectContaining({ code: 'model-file/invalid-numbers' }) as AppError,
      );
    }
  });

  it.each([
    { temperature: -0.1 },
    { temperature: NaN },
    { temperature: Infinity },
    { topK: -1 },
    { topK: 1.5 },
    { topP: 0 },
    { topP: 1.01 },
    { minP: -0.1 },
    { minP: 1.01 },
    { seed: NaN },
  ])('refuses settings out of range: %o', (change) => {
    expect(() => new Sampler({ ...open, ...change })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }) as AppError,
    );
  });
});
