/** Whole graphs: lifetimes of activations, determinism, several graphs at once. */
import { expect, it } from 'vitest';
import { range, relativeError } from './bench.ts';
import type { Suite } from './suite.ts';
import * as truth from './truth.ts';

export function describeGraphs(suite: Suite): void {
  it('keeps every activation until its last use', async () => {
    const { bench, tolerances } = suite;
    const names = range(6).map((index) => `x${index}`);
    for (const name of names) bench.input(name, 4, 48);
    const graph = bench.graph((g) => {
      const early = names.map((name) => g.embed(name));
      const [first = 0, ...others] = early;
      // churn through temporaries, then read all early activations, the oldest last
      let churn = g.scale(first, 0.5);
      for (let index = 0; index < 8; index++) churn = g.add(g.scale(churn, 0.5), churn);
      const sum = others.reverse().reduce((total, x) => g.add(total, x), churn);
      return g.takeOutputs(g.add(sum, first));
    });
    const [result = []] = await bench.run(graph, [{ tokens: range(4) }]);
    const [first = [], ...others] = names.map((name) => bench.rows(name));
    const churned = truth.scale(first, 0.5 * 1.5 ** 8 + 1, 0);
    const expected = others.reduce((total, x) => truth.add(total, x), churned);
    expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
  });

  it('rotates in place and leaves its source table alone', async () => {
    const { bench, tolerances } = suite;
    bench.input('x', 2, 16);
    const settings = {
      heads: 2,
      headDim: 8,
      layout: 'split',
      inverseFrequencies: Float64Array.of(1, 0.5, 0.25, 0.125),
      magnitude: 1,
    } as const;
    const graph = bench.graph((g) => {
      const x = g.embed('x');
      return g.takeOutputs(g.add(g.rope(x, settings), g.embed('x')));
    });
    const [result = []] = await bench.run(graph, [{ tokens: range(2), position: 3 }]);
    const expected = truth.add(truth.rope(bench.rows('x'), settings, 3), bench.rows('x'));
    expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
  });

  it('computes the same bits again', async () => {
    const { bench } = suite;
    bench.input('x', 5, 96);
    bench.weight('w', { rows: 40, columns: 96, type: 'Q4_0', storage: 'planes' });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const step = { tokens: range(5) };
    const [first, , second] = await bench.run(graph, [step, { tokens: [4] }, step]);
    expect(second).toEqual(first);
  });

  it('runs two graphs over the same weights', async () => {
    const { bench, tolerances } = suite;
    bench.input('x', 3, 32);
    bench.weight('w', { rows: 12, columns: 32 });
    const plain = bench.graph((g) => g.takeOutputs(g.embed('x')));
    const product = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const [copied = []] = await bench.run(plain, [{ tokens: range(3) }]);
    const [multiplied = []] = await bench.run(product, [{ tokens: range(3) }]);
    expect(relativeError(copied, bench.rows('x'))).toBeLessThanOrEqual(tolerances.dense);
    const expected = truth.matmul(bench.rows('x'), bench.rows('w'));
    expect(relativeError(multiplied, expected)).toBeLessThanOrEqual(tolerances.dense);
  });
}
