/** Mixtures of experts: who is chosen, what the chosen ones say, and the sum of it. */
import { expect, it } from 'vitest';
import type { Graph } from '../../../src/engine/graph/ops.ts';
import type { Bench } from './bench.ts';
import { range, relativeError } from './bench.ts';
import type { Suite } from './suite.ts';
import { planesLimit, skipUnsupported } from './suite.ts';
import * as truth from './truth.ts';

const routings: readonly (truth.RouteTruth & { readonly what: string })[] = [
  { what: 'a softmax over all', gating: 'softmax', used: 3, normalise: false },
  { what: 'a normalised softmax', gating: 'softmax', used: 3, normalise: true },
  { what: 'a softmax over the chosen', gating: 'softmax-of-chosen', used: 4, normalise: false },
  { what: 'scaled sigmoids', gating: 'sigmoid', used: 2, normalise: true, scale: 2.5 },
  { what: 'one expert', gating: 'sigmoid', used: 1, normalise: false },
  { what: 'all experts', gating: 'softmax', used: 12, normalise: false },
  {
    ...{ what: 'the best expert of groups', gating: 'softmax', used: 3, normalise: false },
    ...{ groups: 4, groupsUsed: 2, groupTop: 1 },
  },
  {
    ...{ what: 'the two best experts of groups', gating: 'sigmoid', used: 4, normalise: true },
    ...{ groups: 3, groupsUsed: 2, groupTop: 2 },
  },
];
const experts = 12;

export function describeExperts(suite: Suite): void {
  for (const biased of [false, true]) {
    it.for(routings)(`routes by $what, biased: ${biased}`, async (routing, context) => {
      const { bench, tolerances } = suite;
      bench.input('scores', 7, experts);
      bench.weight('bias', { rows: 1, columns: experts });
      const { what: _, ...options } = routing;
      const graph = bench.graph((g) =>
        g.takeOutputs(g.route(g.embed('scores'), { ...options, bias: biased ? 'bias' : null })),
      );
      skipUnsupported(context, bench, graph);
      const [result = []] = await bench.run(graph, [{ tokens: range(7) }]);
      const bias = biased ? { bias: bench.flat('bias') } : {};
      const expected = truth
        .route(bench.rows('scores'), { ...options, ...bias })
        .map((row) => [...row.map(({ expert }) => expert), ...row.map(({ weight }) => weight)]);
      const { used } = routing;
      const numbers = (rows: truth.Rows): number[][] => rows.map((row) => row.slice(0, used));
      expect(numbers(result)).toEqual(numbers(expected));
      expect(relativeError(result, expected)).toBeLessThanOrEqual(tolerances.dense);
    });
  }

  it('takes the first of equals', async (context) => {
    const { bench } = suite;
    bench.input('scores', 1, experts, new Float32Array(experts).fill(0.25));
    const options = { gating: 'softmax', used: 3, normalise: true } as const;
    const graph = bench.graph((g) => g.takeOutputs(g.route(g.embed('scores'), options)));
    skipUnsupported(context, bench, graph);
    const [[row = []] = []] = await bench.run(graph, [{ tokens: [0] }]);
    expect(row.slice(0, 3)).toEqual([0, 1, 2]);
  });

  const products = [
    { type: 'Q8_0', storage: 'planes', rows: 24, columns: 64 },
    { type: 'Q4_1', storage: 'planes', rows: 8, columns: 96 },
    { type: 'Q5_0', storage: 'planes', rows: 40, columns: 32 },
    { type: 'Q8_0', storage: 'dense', rows: 10, columns: 64 },
    { type: 'F32', storage: 'dense', rows: 7, columns: 33 },
  ] as const;
  const used = 3;
  /** A layer of experts from an input of theirs: shared, then each its own. */
  const mixtureGraph = (bench: Bench): Graph =>
    bench.graph((g) => {
      const routes = g.route(g.embed('scores'), { gating: 'softmax', used, normalise: true });
      const counts = { experts, used };
      const inner = g.expertMatmul(g.embed('x'), routes, 'up', counts, 'bias');
      const out = g.expertMatmul(inner, routes, 'down', counts);
      return g.takeOutputs(g.expertSum(out, routes, used));
    });

  it.for(products)(
    'multiplies with chosen experts of $rows x $columns, $type as $storage',
    async ({ type, storage, rows, columns }, context) => {
      const { bench, tolerances } = suite;
      // the second product needs whole blocks of its own
      const inner = storage === 'planes' ? 32 * Math.ceil(rows / 32) : rows;
      const down = storage === 'planes' ? 8 * Math.ceil(columns / 8) : columns;
      bench.input('x', 9, columns);
      bench.input('scores', 9, experts);
      bench.weight('up', { rows: experts * inner, columns, type, storage, experts });
      bench.weight('bias', { rows: experts, columns: inner });
      const downType = type === 'Q8_0' && storage === 'dense' ? 'F32' : type;
      const downShape = { rows: experts * down, columns: inner, experts };
      bench.weight('down', { ...downShape, type: downType, storage });
      const graph = mixtureGraph(bench);
      skipUnsupported(context, bench, graph);
      const counts = [1, 2, 9];
      const results = await bench.run(
        graph,
        counts.map((count) => ({ tokens: range(count) })),
      );
      const part = (name: string, expert: number, size: number): number[][] =>
        bench.rows(name).slice(expert * size, (expert + 1) * size);
      const routes = truth.route(bench.rows('scores'), {
        gating: 'softmax',
        used,
        normalise: true,
      });
      const expected = truth.mixture(routes, (t, expert) => {
        const x = [bench.rows('x')[t] ?? []];
        const up = truth.matmul(x, part('up', expert, inner), bench.rows('bias')[expert] ?? []);
        return truth.matmul(up, part('down', expert, down))[0] ?? [];
      });
      // two products, each with activations rounded anew
      const limit = 4 * planesLimit(type, storage, tolerances);
      for (const [index, count] of counts.entries()) {
        const error = relativeError(results[index] ?? [], expected.slice(0, count));
        expect(error, `${count} tokens`).toBeLessThanOrEqual(limit);
      }
      // a row does not depend on how many came with it
      expect(results[0]?.[0]).toEqual(results[2]?.[0]);
      expect(results[1]).toEqual(results[2]?.slice(0, 2));
    },
  );

  it('changes the precision of experts between two steps', async (context) => {
    const { bench, tolerances } = suite;
    const columns = 64;
    bench.input('x', 4, columns);
    bench.input('scores', 4, experts);
    const shape = { columns, type: 'Q8_0', storage: 'planes', experts } as const;
    bench.weight('up', { rows: experts * 64, ...shape });
    bench.weight('bias', { rows: experts, columns: 64 });
    bench.weight('down', { rows: experts * 64, ...shape });
    const graph = mixtureGraph(bench);
    skipUnsupported(context, bench, graph);
    const tokens = range(4);
    const [eight = [], four = [], again = []] = await bench.run(graph, [
      { tokens, precision: 8 },
      { tokens, precision: 4 },
      { tokens, precision: 8 },
    ]);
    expect(again).toEqual(eight);
    expect(relativeError(four, eight)).toBeLessThanOrEqual(4 * tolerances.highPlane);
  });

  it('refuses experts whose rows are not whole groups on planes', (context) => {
    const { bench } = suite;
    context.skip(bench.backend.kind === 'reference', 'all its weights are dense');
    const spec = { name: 'w', type: 'Q8_0', rows: 36, columns: 32, storage: 'planes' } as const;
    expect(() => bench.backend.beginWeight({ ...spec, experts: 3 })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }) as Error,
    );
  });
}
