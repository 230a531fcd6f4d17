/**
 * Whole layers of decoders against the reference, as a prompt and token by token: backends compute
 * neighbouring operators of a single token together.
 */
import { expect, it } from 'vitest';
import { equalLayers, type KvType } from '../../../src/engine/backend/backend.ts';
import { ReferenceBackend } from '../../../src/engine/backend/reference/reference-backend.ts';
import type { GraphBuilder } from '../../../src/engine/graph/graph-builder.ts';
import type { TensorType } from '../../../src/engine/graph/dtype.ts';
import type { ActivationId, GateOp, Graph } from '../../../src/engine/graph/ops.ts';
import { Bench, range, relativeError } from './bench.ts';
import type { Suite } from './suite.ts';

interface LayerForm {
  readonly what: string;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hidden: number;
  readonly kind: 'rms' | 'layer';
  readonly layout: 'interleaved' | 'split' | null;
  readonly biases: boolean;
  readonly activation: GateOp['activation'];
  /** Whether the feed-forward block has a gate. */
  readonly gated: boolean;
  /** Whether every head of q and k is normalised. */
  readonly headNorms: boolean;
  /** Types of q, k, v, o, gate, up and down; null: dense. */
  readonly types: readonly (TensorType | null)[];
  readonly kvType: KvType;
}

const usual: LayerForm = {
  what: 'as Llama',
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hidden: 96,
  kind: 'rms',
  layout: 'interleaved',
  biases: false,
  activation: 'silu',
  gated: true,
  headNorms: false,
  types: Array.from({ length: 7 }, () => 'Q8_0' as const),
  kvType: 'f16',
};

const forms: readonly LayerForm[] = [
  usual,
  { ...usual, what: 'as Qwen 2, with biases', biases: true, layout: 'split', kvType: 'f32' },
  {
    ...usual,
    what: 'as GPT-2',
    kind: 'layer',
    layout: null,
    biases: true,
    activation: 'gelu-tanh',
    gated: false,
  },
  {
    ...usual,
    what: 'of many types',
    types: ['Q4_0', 'Q4_1', 'Q8_0', 'Q5_1', 'Q4_1', 'Q4_0', 'Q5_0'],
  },
  {
    ...usual,
    what: 'with a gate and a product of two types',
    types: ['Q8_0', 'Q8_0', 'Q5_1', 'Q4_0', 'Q4_1', 'Q8_0', 'Q8_0'],
  },
  { ...usual, what: 'as Qwen 3, with norms of heads', headNorms: true, kvType: 'q8' },
  {
    ...usual,
    what: 'of one key head and a clamped gate',
    kvHeads: 1,
    activation: 'clamped-silu',
    kvType: 'q8',
  },
  { ...usual, what: 'of dense matrices', types: Array.from({ length: 7 }, () => null) },
  {
    ...usual,
    what: 'of odd sizes',
    width: 160,
    heads: 3,
    kvHeads: 3,
    headDim: 24,
    hidden: 224,
    layout: 'split',
    types: ['Q4_0', 'Q8_0', 'Q8_0', null, 'Q4_0', 'Q4_0', 'Q4_1'],
  },
];

const names = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const;

function fill(bench: Bench, form: LayerForm, tokens: number): void {
  const { width, heads, kvHeads, headDim, hidden } = form;
  const queries = heads * headDim;
  const keys = kvHeads * headDim;
  const shapes = { q: [queries, width], k: [keys, width], v: [keys, width], o: [width, queries] };
  const block = { gate: [hidden, width], up: [hidden, width], down: [width, hidden] };
  const all: Readonly<Record<string, readonly number[]>> = { ...shapes, ...block };
  bench.input('x', tokens, width);
  names.forEach((name, index) => {
    const [rows = 0, columns = 0] = all[name] ?? [];
    const type = form.types[index] ?? null;
    bench.weight(name, {
      rows,
      columns,
      ...(type === null ? {} : { type, storage: 'planes' as const }),
    });
    bench.weight(`${name}.bias`, { rows: 1, columns: rows });
  });
  for (const name of ['norm', 'norm.bias', 'norm 2'])
    bench.weight(name, { rows: 1, columns: width });
  bench.weight('head norm', { rows: 1, columns: headDim });
}

function describeLayer(g: GraphBuilder, form: LayerForm): ActivationId {
  const { heads, kvHeads, headDim, biases, layout } = form;
  const times = (x: ActivationId, name: string): ActivationId =>
    g.matmul(x, name, biases ? `${name}.bias` : null);
  const norm = (x: ActivationId, weight: string): ActivationId =>
    g.norm(x, {
      kind: form.kind,
      weight,
      bias: form.kind === 'layer' ? 'norm.bias' : null,
      epsilon: 1e-5,
    });
  const rotated = (x: ActivationId, count: number): ActivationId => {
    const normed = form.headNorms
      ? g.norm(x, { kind: 'rms', weight: 'head norm', epsilon: 1e-6, groupSize: headDim })
      : x;
    if (layout === null) return normed;
    const inverseFrequencies = Float64Array.of(1, 0.3, 0.1, 0.01);
    return g.rope(normed, { heads: count, headDim, layout, inverseFrequencies, magnitude: 1 });
  };
  const x = g.embed('x');
  const input = norm(x, 'norm');
  const q = rotated(times(input, 'q'), heads);
  const k = rotated(times(input, 'k'), kvHeads);
  g.cacheWrite(0, k, times(input, 'v'));
  // Keys and queries of random weights grow with the width: scores of a moderate size.
  const scale = 1 / form.width;
  const attention = { layer: 0, heads, kvHeads, headDim, scale, softcap: 0, window: 0 };
  const sum = g.add(x, times(g.attention(q, attention), 'o'));
  const second = norm(sum, 'norm 2');
  const middle = form.gated
    ? g.gate(form.activation, times(second, 'gate'), times(second, 'up'))
    : g.activate(form.activation, times(second, 'up'));
  return g.takeOutputs(g.add(sum, times(middle, 'down')));
}

export function describeLayers(suite: Suite): void {
  it.each(forms.map((form) => form.what))('computes a layer %s', async (what) => {
    const form = forms.find((candidate) => candidate.what === what) ?? usual;
    const prompt = 6;
    const steps = [
      { tokens: range(prompt), position: 0 },
      ...[6, 7, 8].map((position) => ({ tokens: [position], position })),
    ];
    const compute = async (bench: Bench): Promise<number[][]> => {
      fill(bench, form, 9);
      const graph: Graph = bench.graph((g) => describeLayer(g, form));
      const { kvHeads, headDim, kvType } = form;
      const layers = equalLayers(1, kvHeads, headDim);
      const cache = bench.backend.createCache({ layers, capacity: 12, type: kvType });
      return (await bench.run(graph, steps, cache)).flat();
    };
    const { bench } = suite;
    const results = await compute(bench);
    const expected = await compute(new Bench(new ReferenceBackend()));
    // Attention and gates enlarge what rounding to 8 bits and to the cache's type changed.
    const most = form.types.every((type) => type === null) ? 1e-4 : 1e-2;
    for (const [row, values] of results.entries()) {
      expect(relativeError([values], [expected[row] ?? []]), `row ${row}`).toBeLessThanOrEqual(
        most,
      );
    }
  });
}
