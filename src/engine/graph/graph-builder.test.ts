import { describe, expect, it } from 'vitest';
import { GraphBuilder } from './graph-builder.ts';

const shapes = new Map([
  ['table', { rows: 10, columns: 8 }],
  ['w', { rows: 6, columns: 8 }],
  ['narrow', { rows: 6, columns: 4 }],
  ['gain', { rows: 1, columns: 8 }],
  ['bias', { rows: 1, columns: 6 }],
]);

function broken(rule: string): Error {
  return expect.objectContaining({
    code: 'internal',
    message: expect.stringContaining(rule) as string,
  }) as Error;
}

describe('GraphBuilder', () => {
  it('lists weights once, in the order of their first use, and only those used', () => {
    const g = new GraphBuilder(shapes);
    const x = g.rmsNorm(g.embed('table'), 'gain', 1e-5);
    const y = g.matmul(g.takeOutputs(x), 'w', 'bias');
    const graph = g.finish(g.matmul(g.takeOutputs(g.embed('table')), 'w'));
    expect(graph.weights).toEqual(['table', 'gain', 'w', 'bias']);
    expect(graph.activations[y]).toEqual({ rows: 'outputs', columns: 6 });
    expect(graph.ops.map(({ op }) => op)).toEqual([
      'embed',
      'norm',
      'take-outputs',
      'matmul',
      'embed',
      'take-outputs',
      'matmul',
    ]);
  });

  it('checks every operator where it is described', () => {
    const g = new GraphBuilder(shapes);
    const x = g.embed('table');
    const rotary = { layout: 'split', magnitude: 1 } as const;
    const attention = { layer: 0, kvHeads: 1, headDim: 4, scale: 1, softcap: 0, window: 0 };
    expect(() => g.matmul(x, 'narrow')).toThrow(broken('weight columns'));
    expect(() => g.matmul(x, 'w', 'gain')).toThrow(broken('bias holds'));
    expect(() => g.norm(x, { kind: 'rms', weight: 'gain', epsilon: 0, groupSize: 3 })).toThrow(
      broken('groups divide'),
    );
    expect(() => g.rmsNorm(x, 'bias', 0)).toThrow(broken('weight holds'));
    expect(() => g.add(x, g.matmul(x, 'w'))).toThrow(broken('a and b'));
    expect(() => g.gate('silu', x, g.matmul(x, 'w'))).toThrow(broken('gate and up'));
    expect(() =>
      g.rope(x, { ...rotary, heads: 2, headDim: 3, inverseFrequencies: new Float64Array(1) }),
    ).toThrow(broken('heads * headDim'));
    expect(() =>
      g.rope(x, { ...rotary, heads: 2, headDim: 4, inverseFrequencies: new Float64Array(3) }),
    ).toThrow(broken('inside a head'));
    expect(() => g.attention(x, { ...attention, heads: 3 })).toThrow(broken('heads * headDim'));
    expect(() => g.attention(x, { ...attention, heads: 2, kvHeads: 3 })).toThrow(
      broken('kvHeads divides'),
    );
    expect(() => {
      g.cacheWrite(0, g.takeOutputs(x), x);
    }).toThrow(broken('a key for every token'));
    expect(() => g.takeOutputs(g.takeOutputs(x))).toThrow(broken('from tokens to outputs'));
  });

  it('refuses unknown weights and results without output rows', () => {
    const g = new GraphBuilder(shapes);
    const x = g.embed('table');
    expect(() => g.matmul(x, 'nowhere')).toThrow(broken('"nowhere"'));
    expect(() => g.finish(x)).toThrow(broken('output rows'));
  });
});
