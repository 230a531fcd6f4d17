/** Matrix products: every type, both storages, both precisions. */
import { expect, it } from 'vitest';
import { randomValues } from '../../fixtures/random-values.ts';
import { range, relativeError, wholeBlocks } from './bench.ts';
import type { Suite } from './suite.ts';
import { onePlane, planesLimit, tensorTypes } from './suite.ts';
import type { Rows } from './truth.ts';
import * as truth from './truth.ts';

/**
 * Squared error of actual = x w^T + bias, over the power that products of such rows have when terms
 * do not happen to cancel out: |x|^2 |w|^2 / columns, or the power they have where terms add up. A
 * share of the result alone would make one small sum of large terms look like a mistake.
 */
function productError(actual: Rows, x: Rows, weight: Rows, bias?: readonly number[]): number {
  const expected = truth.matmul(x, weight, bias);
  const columns = x[0]?.length ?? 1;
  const squares = (rows: Rows): number => rows.flat().reduce((sum, value) => sum + value ** 2, 0);
  const share = squares(expected) / ((squares(x) * squares(weight)) / columns);
  return relativeError(actual, expected) * (bias === undefined ? Math.min(share, 1) : 1);
}

export function describeMatmul(suite: Suite): void {
  const shapes = [
    { rows: 1, columns: 32 },
    { rows: 7, columns: 64 },
    { rows: 33, columns: 160 },
    { rows: 72, columns: 352 },
  ];
  const tokenCounts = [1, 2, 5, 9];

  for (const storage of ['dense', 'planes'] as const) {
    it.each(tensorTypes)(`multiplies with %s kept as ${storage}`, async (type) => {
      const { bench, tolerances } = suite;
      const limit = planesLimit(type, storage, tolerances);
      for (const [index, shape] of shapes.entries()) {
        const { rows } = shape;
        const columns = wholeBlocks(type, shape.columns);
        bench.input(`x${index}`, 9, columns);
        bench.weight(`w${index}`, { rows, columns, type, storage });
        const graph = bench.graph((g) =>
          g.takeOutputs(g.matmul(g.embed(`x${index}`), `w${index}`)),
        );
        const steps = tokenCounts.map((count) => ({ tokens: range(count) }));
        const results = await bench.run(graph, steps);
        const [x, weight] = [bench.rows(`x${index}`), bench.rows(`w${index}`)];
        for (const [step, count] of tokenCounts.entries()) {
          const error = productError(results[step] ?? [], x.slice(0, count), weight);
          expect(error, `${rows} x ${columns}, ${count} tokens`).toBeLessThanOrEqual(limit);
        }
      }
    });
  }

  it.each(['Q8_0', 'Q4_1', 'F32'] as const)('multiplies many tokens with %s', async (type) => {
    const { bench, tolerances } = suite;
    const storage = type === 'F32' ? 'dense' : 'planes';
    // rows and tokens around the edges of tiles
    const counts = [7, 33, 64, 65, 130];
    bench.input('x', 130, 96);
    bench.weight('w', { rows: 70, columns: 96, type, storage });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const steps = counts.map((count) => ({ tokens: range(count) }));
    const results = await bench.run(graph, steps);
    for (const [step, count] of counts.entries()) {
      const x = bench.rows('x').slice(0, count);
      const error = productError(results[step] ?? [], x, bench.rows('w'));
      expect(error, `${count} tokens`).toBeLessThanOrEqual(planesLimit(type, storage, tolerances));
    }
  });

  it.each([
    [1, 1],
    [3, 5],
    [10, 33],
    [64, 172],
  ])('multiplies with a dense matrix of %d x %d', async (rows, columns) => {
    const { bench, tolerances } = suite;
    bench.input('x', 9, columns);
    bench.weight('w', { rows, columns });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    for (const count of tokenCounts) {
      const [result = []] = await bench.run(graph, [{ tokens: range(count) }]);
      const error = productError(result, bench.rows('x').slice(0, count), bench.rows('w'));
      expect(error).toBeLessThanOrEqual(tolerances.dense);
    }
  });

  it.each(['dense', 'planes'] as const)('adds a bias to a %s product', async (storage) => {
    const { bench, tolerances } = suite;
    bench.input('x', 3, 64);
    bench.weight('w', { rows: 20, columns: 64, type: 'Q8_0', storage });
    bench.weight('bias', { rows: 1, columns: 20 });
    const graph = bench.graph((g) => g.matmul(g.takeOutputs(g.embed('x')), 'w', 'bias'));
    const [result = []] = await bench.run(graph, [{ tokens: range(3), outputs: 2 }]);
    const rows = bench.rows('x').slice(1);
    const error = productError(result, rows, bench.rows('w'), bench.flat('bias'));
    expect(error).toBeLessThanOrEqual(planesLimit('Q8_0', storage, tolerances));
  });

  it.each(tensorTypes)('reads %s at 4 bits when asked to', async (type) => {
    const { bench, tolerances } = suite;
    bench.input('x', 4, 256);
    bench.weight('w', { rows: 64, columns: 256, type, storage: 'planes' });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const tokens = range(4);
    const [four = [], eight = []] = await bench.run(graph, [
      { tokens, precision: 4 },
      { tokens, precision: 8 },
    ]);
    const error = productError(four, bench.rows('x'), bench.rows('w'));
    expect(error).toBeLessThanOrEqual(tolerances.highPlane);
    if (onePlane.has(type)) expect(four).toEqual(eight);
  });

  it('reads the low plane of sensitive weights alone when mixed', async () => {
    const { bench } = suite;
    bench.input('x', 9, 64);
    for (const name of ['sensitive', 'other']) {
      bench.weight(name, { rows: 40, columns: 64, type: 'Q8_0', storage: 'planes' });
    }
    const sensitive = bench.handles.get('sensitive');
    if (sensitive) sensitive.sensitive = true;
    for (const tokens of [range(9), range(1)]) {
      for (const [name, bits] of [['sensitive', 8] as const, ['other', 4] as const]) {
        const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), name)));
        const [before, mixed, after] = await bench.run(graph, [
          { tokens, precision: bits },
          { tokens, precision: 'mixed' },
          { tokens, precision: 8 },
        ]);
        expect(mixed).toEqual(before);
        if (bits === 4 && bench.backend.kind !== 'reference') expect(after).not.toEqual(before);
      }
    }
  });

  it.each(tensorTypes)('multiplies large activations of one sign with %s', async (type) => {
    const { bench, tolerances } = suite;
    const columns = wholeBlocks(type, 128);
    const large = randomValues(5 * columns, 4).map((value) => Math.abs(value) * 1e5);
    bench.input('x', 5, columns, large);
    const weights = randomValues(40 * columns, 5).map((value) => value * 50);
    bench.weight('w', { rows: 40, columns, type, storage: 'planes', values: weights });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const results = await bench.run(graph, [{ tokens: range(5) }, { tokens: range(1) }]);
    for (const result of results) {
      const error = productError(result, bench.rows('x').slice(0, result.length), bench.rows('w'));
      expect(error).toBeLessThanOrEqual(planesLimit(type, 'planes', tolerances));
    }
  });

  it('gives rows of zeros for inputs of zeros', async () => {
    const { bench } = suite;
    bench.input('x', 2, 64, new Float32Array(128));
    bench.weight('w', { rows: 9, columns: 64, type: 'Q8_0', storage: 'planes' });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const [result = []] = await bench.run(graph, [{ tokens: range(2) }]);
    expect(result.flat().every((value) => value === 0)).toBe(true);
  });

  it('keeps its accuracy where one column is far larger than the others', async () => {
    const { bench, tolerances } = suite;
    const values = randomValues(2 * 128, 9).map((value, i) => (i % 128 === 77 ? 500 : value));
    bench.input('x', 2, 128, values);
    bench.weight('w', { rows: 16, columns: 128, type: 'Q8_0', storage: 'planes' });
    const graph = bench.graph((g) => g.takeOutputs(g.matmul(g.embed('x'), 'w')));
    const [result = []] = await bench.run(graph, [{ tokens: range(2) }]);
    // the 32 columns that share the large one's scale lose 32 / (12 * 127^2) = 1.7e-4 of the power;
    // a scale shared by the whole row would lose four times that
    const error = productError(result, bench.rows('x'), bench.rows('w'));
    expect(error).toBeLessThanOrEqual(4 * tolerances.planes);
  });
}
