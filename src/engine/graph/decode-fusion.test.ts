import { describe, expect, it } from 'vitest';
import { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './ops.ts';
import { fuseForDecode, type FusedOp } from './decode-fusion.ts';

const WIDTH = 32;
const shapes = new Map([
  ['embed', { rows: 50, columns: WIDTH }],
  ['norm', { rows: 1, columns: WIDTH }],
  ['q', { rows: WIDTH, columns: WIDTH }],
  ['k', { rows: WIDTH, columns: WIDTH }],
  ['v', { rows: WIDTH, columns: WIDTH }],
  ['o', { rows: WIDTH, columns: WIDTH }],
  ['gate', { rows: 96, columns: WIDTH }],
  ['up', { rows: 96, columns: WIDTH }],
  ['down', { rows: WIDTH, columns: 96 }],
]);
const rotation = {
  heads: 4,
  headDim: 8,
  layout: 'split',
  inverseFrequencies: Float64Array.of(1, 0.1),
  magnitude: 1,
} as const;
const heads = { layer: 0, heads: 4, kvHeads: 4, headDim: 8, scale: 1, softcap: 0, window: 0 };

function layer(
  change: { keyMagnitude?: number; causal?: boolean; normUsedTwice?: boolean } = {},
): Graph {
  const g = new GraphBuilder(shapes);
  const x = g.embed('embed');
  const h = g.rmsNorm(x, 'norm', 1e-5);
  const q = g.rope(g.matmul(h, 'q'), rotation);
  const k = g.rope(g.matmul(h, 'k'), { ...rotation, magnitude: change.keyMagnitude ?? 1 });
  g.cacheWrite(0, k, g.matmul(h, 'v'));
  const attended = g.takeOutputs(g.attention(q, { ...heads, causal: change.causal ?? true }));
  const middle = g.add(g.takeOutputs(x), g.matmul(attended, 'o'));
  const again = g.rmsNorm(middle, 'norm', 1e-5);
  const inner = g.gate('silu', g.matmul(again, 'gate'), g.matmul(again, 'up'));
  const fed = g.add(g.matmul(inner, 'down'), change.normUsedTwice === true ? again : middle);
  return g.finish(g.matmul(g.rmsNorm(fed, 'norm', 1e-5), 'embed'));
}

const names = (ops: readonly FusedOp[]): string[] => ops.map(({ op }) => op);

describe('fuseForDecode', () => {
  it('leaves seven commands of a whole model of one layer', () => {
    const { ops } = fuseForDecode(layer(), 256);
    expect(names(ops)).toEqual([
      'embed',
      'project',
      'project',
      'project',
      'attend',
      'project',
      'project',
      'project',
      'project',
    ]);
    const projects = ops.filter((op) => op.op === 'project');
    expect(projects.map(({ norm }) => norm !== null)).toEqual([
      ...[true, true, true],
      ...[false, true, false, true],
    ]);
    expect(projects.map(({ gate }) => gate !== null).indexOf(true)).toBe(4);
    expect(projects.map(({ residual }) => residual !== null)).toEqual([
      ...[false, false, false],
      ...[true, false, true, false],
    ]);
  });

  it('keeps the rows that were taken in the place of all', () => {
    const { ops, result } = fuseForDecode(layer(), 256);
    const attend = ops.find((op) => op.op === 'attend');
    const output = ops.filter((op) => op.op === 'project')[3];
    expect(output?.x).toBe(attend?.attention.out);
    expect(output?.rows).toBe('outputs');
    expect(ops.at(-1)).toMatchObject({ out: result });
  });

  it('keeps a normalisation that more than products read', () => {
    const { ops } = fuseForDecode(layer({ normUsedTwice: true }), 256);
    expect(names(ops).filter((name) => name === 'norm')).toHaveLength(1);
  });

  it.each([
    ['keys are rotated in another way', layer({ keyMagnitude: 2 }), 256],
    ['queries see what comes after them', layer({ causal: false }), 256],
    ['there are more kv heads than counters', layer(), 3],
  ] as const)('leaves attention apart where %s', (_, graph, mostKvHeads) => {
    expect(names(fuseForDecode(graph, mostKvHeads).ops)).toEqual(
      expect.arrayContaining(['rope', 'cache-write', 'attention']),
    );
  });
});
