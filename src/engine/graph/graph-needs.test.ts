import { describe, expect, it } from 'vitest';
import { GraphBuilder } from './graph-builder.ts';
import { graphNeeds } from './graph-needs.ts';
import type { Graph } from './ops.ts';

const shapes = new Map([
  ['tokens', { rows: 50, columns: 32 }],
  ['places', { rows: 40, columns: 32 }],
  ['narrow', { rows: 16, columns: 32 }],
  ['taps', { rows: 32, columns: 4 }],
]);

function needsOf(describe: (g: GraphBuilder) => Graph) {
  const graph = describe(new GraphBuilder(shapes));
  const weights = graph.weights.map((name) => shapes.get(name) ?? { rows: 0, columns: 0 });
  return graphNeeds(graph, weights);
}

const heads = { heads: 4, kvHeads: 2, headDim: 8, scale: 1, softcap: 0, window: 0 };

describe('graphNeeds', () => {
  it('reads shapes of the memory, ids and positions from the operators', () => {
    const needs = needsOf((g) => {
      const x = g.add(g.embed('tokens'), g.embed('places', 1, 'position'));
      const k = g.matmul(x, 'narrow');
      g.cacheWrite(1, k, k);
      return g.finish(g.takeOutputs(g.attention(x, { layer: 1, ...heads })));
    });
    expect(needs).toMatchObject({ vocabularySize: 50, positions: 40, causal: true });
    expect([...needs.layers]).toEqual([[1, { keyWidth: 16, valueWidth: 16, kvHeads: 2 }]]);
    expect(needs.recurrent.size).toBe(0);
  });

  it('refuses operators that contradict each other', () => {
    const differing = (): unknown =>
      needsOf((g) => {
        const x = g.embed('tokens');
        g.cacheWrite(0, x, x);
        return g.finish(g.takeOutputs(g.attention(x, { layer: 0, ...heads })));
      });
    expect(differing).toThrow(/layer 0 differ/);
  });
});
