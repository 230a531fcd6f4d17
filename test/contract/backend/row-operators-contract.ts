/** Operators that work row by row: norm, rope, gate, add, scale, join-heads, take-outputs. */
import { expect, it } from 'vitest';
import { range, relativeError } from './bench.ts';
import { skipUnsupported, type Suite } from './suite.ts';
import * as truth from './truth.ts';

export function describeRowOperators(suite: Suite): void {
  const widths = [1, 5, 32, 100];
  const tokens = range(3);

  const normCases = widths.flatMap((columns) =>
    (['rms', 'layer'] as const).flatMap((kind) =>
      [1, columns % 4 === 0 ? 4 : 1].flatMap((groups) =>
        [true, false].map((affine) => ({ kind, columns, groupSize: columns / groups, affine })),
      ),
    ),
  );
  it.each(normCases)(
    'norm $kind, $columns columns in groups of $groupSize, affine: $affine',
    async ({ kind, columns, groupSize, affine }) => {
      const { bench, tolerances } = suite;
      bench.input('x', 3, columns);
      bench.weight('weight', { rows: 1, columns: groupSize });
      bench.weight('bias', { rows: 1, columns: groupSize });
      const epsilon = 0.05;
      const graph = bench.graph((g) => {
        const weight = affine ? 'weight' : null;
        const bias = affine && kind === 'layer' ? 'bias' : null;
        const options = { kind, weight, bias, epsilon, groupSize };
        return g.takeOutputs(g.norm(g.embed('x'), options));
      });
      const [result = []] = await bench.run(graph, [{ tokens }]);
      const expected = truth.norm(bench.rows('x'), {
        kind,
        groupSize,
        epsilon,
        ...(affine && { weight: bench.flat('weight') }),
        ...(affine && kind === 'layer' && { bias: bench.flat('bias') }),
      });
      expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
    },
  );

  it.each(['rms', 'layer'] as const)('norm %s with weights for every group', async (kind) => {
    const { bench, tolerances } = suite;
    bench.input('x', 3, 60);
    bench.weight('weight', { rows: 3, columns: 20 });
    bench.weight('bias', { rows: 3, columns: 20 });
    const bias = kind === 'layer' ? 'bias' : null;
    const options = { kind, weight: 'weight', bias, epsilon: 0.05, groupSize: 20 };
    const graph = bench.graph((g) => g.takeOutputs(g.norm(g.embed('x'), options)));
    const [result = []] = await bench.run(graph, [{ tokens }]);
    const expected = truth.norm(bench.rows('x'), {
      kind,
      groupSize: 20,
      epsilon: 0.05,
      weight: bench.flat('weight'),
      ...(bias !== null && { bias: bench.flat('bias') }),
    });
    expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
  });

  const ropeCases = (['interleaved', 'split'] as const).flatMap((layout) =>
    [
      { heads: 1, headDim: 2, rotated: 2 },
      { heads: 3, headDim: 8, rotated: 8 },
      { heads: 2, headDim: 20, rotated: 12 },
      { heads: 2, headDim: 64, rotated: 64 },
    ].map((shape) => ({ layout, ...shape })),
  );
  it.each(ropeCases)(
    'rope $layout, $heads heads of $headDim, $rotated rotated',
    async ({ layout, heads, headDim, rotated }) => {
      const { bench, tolerances } = suite;
      bench.input('x', 3, heads * headDim);
      const inverseFrequencies = Float64Array.from(
        { length: rotated / 2 },
        (_, pair) => 10000 ** ((-2 * pair) / rotated),
      );
      const settings = { heads, headDim, layout, inverseFrequencies, magnitude: 1.25 };
      const graph = bench.graph((g) => g.takeOutputs(g.rope(g.embed('x'), settings)));
      for (const position of [0, 1, 200]) {
        const [result = []] = await bench.run(graph, [{ tokens, position }]);
        const expected = truth.rope(bench.rows('x'), settings, position);
        expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
      }
    },
  );

  it.each(['silu', 'gelu', 'gelu-tanh', 'identity', 'clamped-silu'] as const)(
    'gate %s',
    async (activation) => {
      const { bench, tolerances } = suite;
      for (const columns of widths) {
        // up to +-20, where the exponential of a careless form overflows or loses everything
        const spread = Float32Array.from({ length: 3 * columns }, (_, i) => ((i * 17) % 41) - 20);
        bench.input(`gate${columns}`, 3, columns, spread);
        bench.input(`up${columns}`, 3, columns);
        const graph = bench.graph((g) => {
          const [gate, up] = [g.embed(`gate${columns}`), g.embed(`up${columns}`)];
          return g.takeOutputs(g.gate(activation, gate, up));
        });
        const [result = []] = await bench.run(graph, [{ tokens }]);
        const expected = truth.gate(
          activation,
          bench.rows(`gate${columns}`),
          bench.rows(`up${columns}`),
        );
        expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
      }
    },
  );

  it.each(['silu', 'gelu', 'gelu-tanh', 'clamped-silu'] as const)(
    'activate %s',
    async (activation) => {
      const { bench, tolerances } = suite;
      for (const columns of widths) {
        const spread = Float32Array.from({ length: 3 * columns }, (_, i) => ((i * 17) % 41) - 20);
        bench.input(`x${columns}`, 3, columns, spread);
        const graph = bench.graph((g) =>
          g.takeOutputs(g.activate(activation, g.embed(`x${columns}`))),
        );
        const [result = []] = await bench.run(graph, [{ tokens }]);
        const expected = truth.activation(activation, bench.rows(`x${columns}`));
        expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
      }
    },
  );

  it('embeds positions and the first row, and ends with the positions', async () => {
    const { bench, tolerances } = suite;
    bench.input('x', 9, 33);
    bench.input('y', 9, 33);
    const graph = bench.graph((g) =>
      g.takeOutputs(g.add(g.embed('x', 2, 'position'), g.embed('y', 1, 'first'))),
    );
    // token ids mean nothing here
    const steps = [
      { tokens: [5, 5, 5], position: 0 },
      { tokens: [800], position: 7 },
    ];
    const [three = [], [one = []] = []] = await bench.run(graph, steps);
    const [x, y] = [bench.rows('x'), bench.rows('y')];
    const rows = [...x.slice(0, 3), x[7] ?? []];
    const expected = truth.add(
      truth.scale(rows, 2, 0),
      rows.map(() => y[0] ?? []),
    );
    expect(relativeError([...three, one], expected)).toBeLessThanOrEqual(tolerances.dense);
    const beyond = bench.run(graph, [{ tokens: [0, 0], position: 8 }]);
    await expect(beyond).rejects.toMatchObject({ code: 'engine/context-overflow' });
  });

  it('add', async () => {
    const { bench, tolerances } = suite;
    for (const columns of widths) {
      bench.input(`a${columns}`, 3, columns);
      bench.input(`b${columns}`, 3, columns);
      const graph = bench.graph((g) =>
        g.takeOutputs(g.add(g.embed(`a${columns}`), g.embed(`b${columns}`))),
      );
      const [result = []] = await bench.run(graph, [{ tokens }]);
      const expected = truth.add(bench.rows(`a${columns}`), bench.rows(`b${columns}`));
      expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
    }
  });

  it.each([
    [0.125, 0],
    [3, 2],
    [100, 30],
  ])('scale by %d, soft cap %d', async (factor, softcap) => {
    const { bench, tolerances } = suite;
    for (const columns of widths) {
      bench.input(`x${columns}`, 3, columns);
      const graph = bench.graph((g) =>
        g.takeOutputs(g.scale(g.embed(`x${columns}`), factor, softcap)),
      );
      const [result = []] = await bench.run(graph, [{ tokens }]);
      const expected = truth.scale(bench.rows(`x${columns}`), factor, softcap);
      expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
    }
  });

  it('join-heads puts parts of heads together, own and shared ones', async (context) => {
    const { bench } = suite;
    bench.input('a', 3, 4 * 7);
    bench.input('b', 3, 5);
    const graph = bench.graph((g) => {
      const [a, b] = [g.embed('a'), g.embed('b')];
      const joined = g.joinHeads(
        4,
        { x: b, from: 1, count: 3, shared: true },
        { x: a, from: 2, count: 5 },
      );
      return g.takeOutputs(g.joinHeads(4, { x: joined, from: 2, count: 6 }));
    });
    skipUnsupported(context, bench, graph);
    const [result = []] = await bench.run(graph, [{ tokens }]);
    const [a, b] = [bench.rows('a'), bench.rows('b')];
    const expected = a.map((row, t) =>
      truth
        .toRows(row, 7)
        .flatMap((head) => [...(b[t] ?? []).slice(1, 4), ...head.slice(2, 7)].slice(2)),
    );
    expect(result).toEqual(expected);
  });

  it('take-outputs keeps the last rows, and none when none are wanted', async () => {
    const { bench, tolerances } = suite;
    bench.input('x', 5, 33);
    const graph = bench.graph((g) => g.takeOutputs(g.embed('x')));
    const steps = [0, 1, 2, 5].map((outputs) => ({ tokens: range(5), outputs }));
    const results = await bench.run(graph, steps);
    for (const [index, { outputs }] of steps.entries()) {
      const expected = bench.rows('x').slice(5 - outputs);
      expect(results[index]).toHaveLength(outputs);
      const error = relativeError(results[index] ?? [], expected);
      expect(error).toBeLessThanOrEqual(tolerances.dense);
    }
  });
}
