/** The likeliest tokens of a result, where the backend brings them instead of all logits. */
import { expect, it } from 'vitest';
import { hasCode } from '../../../src/common/errors.ts';
import { equalLayers } from '../../../src/engine/backend/backend.ts';
import { selectTop } from '../../../src/engine/generation/top-selection.ts';
import { randomValues } from '../../fixtures/random-values.ts';
import type { Suite } from './suite.ts';

export function describeCandidates(suite: Suite): void {
  const cache = () =>
    suite.bench.backend.createCache({ layers: equalLayers(1, 1, 8), capacity: 8, type: 'f32' });

  // one round of sorting, two, and three; around the size of a round
  it.for([7, 64, 1023, 1025, 5000, 70_001])('finds them among %d', async (columns, context) => {
    const { bench } = suite;
    const { backend } = bench;
    context.skip(backend.runTop === undefined, 'the backend brings all logits');
    // whole numbers, so that many are equal; -0 equals 0 and is shown as 0
    const values = randomValues(3 * columns, 5).map((value) => Math.round(40 * value) + 0);
    try {
      bench.input('x', 3, columns, values);
    } catch (error) {
      context.skip(hasCode(error, 'engine/out-of-memory'), 'a row is larger than a binding');
      throw error;
    }
    const graph = bench.graph((g) => g.takeOutputs(g.embed('x')));
    const executable = backend.compile(graph, {
      weights: bench.handles,
      maxTokens: 2,
      maxOutputs: 2,
    });
    const most = Math.min(columns, backend.mostCandidates ?? 0);
    for (const [tokens, count] of [
      [[0], 1],
      [[1, 2], most],
      [[2], Math.min(most, 40)],
    ] as const) {
      const step = { position: 0, outputs: 1, precision: 8, cache: cache() } as const;
      const input = { ...step, tokens: Int32Array.from(tokens) };
      const top = await backend.runTop?.(executable, input, { count });
      const row = values.slice((tokens.at(-1) ?? 0) * columns).subarray(0, columns);
      const ids = Array.from(selectTop(row, count));
      expect(Array.from(top?.ids ?? [])).toEqual(ids);
      expect(Array.from(top?.logits ?? [])).toEqual(ids.map((id) => row[id]));
    }
  });

  it('shows a logit that is no finite number first', async (context) => {
    const { bench } = suite;
    const { backend } = bench;
    context.skip(backend.runTop === undefined, 'the backend brings all logits');
    const values = new Float32Array(2000).fill(1);
    values[1500] = 1e20;
    try {
      bench.input('x', 1, 2000, values);
    } catch (error) {
      context.skip(hasCode(error, 'engine/out-of-memory'), 'a row is larger than a binding');
      throw error;
    }
    const graph = bench.graph((g) => {
      const large = g.scale(g.scale(g.embed('x'), 1e10), 1e15);
      return g.takeOutputs(g.add(large, g.scale(large, -1)));
    });
    const executable = backend.compile(graph, {
      weights: bench.handles,
      maxTokens: 1,
      maxOutputs: 1,
    });
    const step = { position: 0, outputs: 1, precision: 8, cache: cache() } as const;
    const top = await backend.runTop?.(
      executable,
      { ...step, tokens: Int32Array.of(0) },
      { count: 3 },
    );
    expect(top?.ids[0]).toBe(1500);
    expect(Number.isFinite(top?.logits[0])).toBe(false);
  });
}
