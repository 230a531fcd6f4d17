/** Operators that remember: convolution over time and selective scan, over steps, copies and restarts. */
import { expect, it } from 'vitest';
import type { KvCacheHandle } from '../../../src/engine/backend/backend.ts';
import type { Graph } from '../../../src/engine/graph/ops.ts';
import { randomValues } from '../../fixtures/random-values.ts';
import { range, relativeError } from './bench.ts';
import type { Suite } from './suite.ts';
import { skipUnsupported } from './suite.ts';
import * as truth from './truth.ts';

const positions = 24;

export function describeRecurrent(suite: Suite): void {
  const sizes = [7, 1, 1, 12, 3];
  const steps = sizes.map((size, index) => {
    const first = sizes.slice(0, index).reduce((sum, value) => sum + value, 0);
    return { tokens: range(size, first), position: first };
  });
  const cacheWith = (recurrent: readonly number[]): KvCacheHandle =>
    suite.bench.backend.createCache({ layers: [], recurrent, capacity: 64, type: 'f32' });

  const convolution = (columns: number, taps: number, biased: boolean): Graph => {
    const { bench } = suite;
    bench.input('x', positions, columns);
    bench.weight('w', { rows: columns, columns: taps });
    bench.weight('b', { rows: 1, columns });
    return bench.graph((g) =>
      g.takeOutputs(g.causalConvolution(0, g.embed('x'), 'w', biased ? 'b' : null)),
    );
  };

  it.for([
    [1, 2, false],
    [5, 3, true],
    [64, 4, false],
    [70, 4, true],
  ] as const)('convolves %i columns with %i taps, biased: %o', async (shape, context) => {
    const { bench, tolerances } = suite;
    const [columns, taps, biased] = shape;
    const graph = convolution(columns, taps, biased);
    skipUnsupported(context, bench, graph);
    const results = await bench.run(graph, steps, cacheWith([(taps - 1) * columns]));
    const bias = biased ? bench.flat('b') : undefined;
    const expected = truth.causalConvolution(bench.rows('x'), bench.rows('w'), bias);
    expect(relativeError(results.flat(), expected)).toBeLessThanOrEqual(tolerances.dense);
  });

  const scan = (columns: number, states: number): Graph => {
    const { bench } = suite;
    for (const name of ['x', 'steps']) bench.input(name, positions, columns);
    for (const name of ['inputs', 'reads']) bench.input(name, positions, states);
    const rates = randomValues(columns * states, 77).map((value) => -Math.abs(value) - 0.05);
    bench.weight('rates', { rows: columns, columns: states, values: rates });
    bench.weight('skip', { rows: 1, columns });
    return bench.graph((g) => {
      const activations = {
        x: g.embed('x'),
        steps: g.embed('steps', 3),
        inputs: g.embed('inputs'),
        reads: g.embed('reads'),
      };
      return g.takeOutputs(g.selectiveScan(0, activations, { rates: 'rates', skip: 'skip' }));
    });
  };
  const scanned = (): number[][] => {
    const { bench } = suite;
    const [inputs, reads, rates] = ['inputs', 'reads', 'rates'].map((name) => bench.rows(name));
    return truth.selectiveScan(bench.rows('x'), {
      steps: truth.scale(bench.rows('steps'), 3, 0),
      inputs: inputs ?? [],
      reads: reads ?? [],
      rates: rates ?? [],
      skip: bench.flat('skip'),
    });
  };

  it.for([
    [1, 1],
    [6, 5],
    [33, 8],
    [64, 16],
  ] as const)('scans %i columns with %i states', async ([columns, states], context) => {
    const { bench, tolerances } = suite;
    const graph = scan(columns, states);
    skipUnsupported(context, bench, graph);
    const results = await bench.run(graph, steps, cacheWith([columns * states]));
    expect(relativeError(results.flat(), scanned())).toBeLessThanOrEqual(tolerances.dense);
  });

  it('gives the same bits token by token and at once', async (context) => {
    const { bench } = suite;
    const graph = scan(12, 16);
    skipUnsupported(context, bench, graph);
    const whole = [{ tokens: range(positions), position: 0 }];
    const single = range(positions).map((position) => ({ tokens: [position], position }));
    const [first = []] = await bench.run(graph, whole, cacheWith([12 * 16]));
    const apart = await bench.run(graph, single, cacheWith([12 * 16]));
    expect(apart.flat()).toEqual(first);
  });

  it('goes back to a copy, and to the start', async (context) => {
    const { bench } = suite;
    const { backend } = bench;
    const graph = scan(12, 4);
    skipUnsupported(context, bench, graph);
    const cache = cacheWith([12 * 4]);
    const step = (from: number, count: number) => ({ tokens: range(count, from), position: from });
    await bench.run(graph, [step(0, 5)], cache);
    const copy = backend.saveRecurrent(cache);
    expect(copy.bytes).toBeGreaterThan(0);
    const first = await bench.run(graph, [step(5, 6)], cache);
    backend.restoreRecurrent(cache, copy);
    expect(await bench.run(graph, [step(5, 6)], cache)).toEqual(first);
    backend.restoreRecurrent(cache, null);
    const restarted = await bench.run(graph, [step(0, 5), step(5, 6)], cache);
    expect(restarted[1]).toEqual(first[0]);
  });

  it('keeps two conversations apart', async (context) => {
    const { bench } = suite;
    const graph = convolution(8, 4, false);
    skipUnsupported(context, bench, graph);
    const [mine, other] = [cacheWith([24]), cacheWith([24])];
    const before = await bench.run(graph, [{ tokens: range(6), position: 0 }], mine);
    await bench.run(graph, [{ tokens: range(9, 3), position: 0 }], other);
    const after = await bench.run(graph, [{ tokens: range(6, 6), position: 6 }], mine);
    const expected = truth.causalConvolution(bench.rows('x'), bench.rows('w')).slice(0, 12);
    const error = relativeError([...before.flat(), ...after.flat()], expected);
    expect(error).toBeLessThanOrEqual(suite.tolerances.dense);
  });
}
