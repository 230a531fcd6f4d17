/** The KV cache and attention over it. */
import { equalLayers, type KvCacheHandle } from '../../../src/engine/backend/backend.ts';
import type { KvType } from '../../../src/engine/backend/kv-data.ts';
import { expect, it } from 'vitest';
import type { Graph } from '../../../src/engine/graph/ops.ts';
import { range, relativeError } from './bench.ts';
import type { Suite } from './suite.ts';
import { skipUnsupported } from './suite.ts';
import * as truth from './truth.ts';

interface AttentionCase extends truth.AttentionTruth {
  readonly what: string;
}

function attentionCase(what: string, change: Partial<truth.AttentionTruth>): AttentionCase {
  const usual = { heads: 4, kvHeads: 2, headDim: 16, scale: 0.25, softcap: 0, window: 0 };
  return { ...usual, ...change, what };
}

const attentionCases = [
  attentionCase('grouped queries', {}),
  attentionCase('one head', { heads: 1, kvHeads: 1, headDim: 8 }),
  attentionCase('heads of their own', { heads: 3, kvHeads: 3, headDim: 20 }),
  attentionCase('one key head for all', { heads: 7, kvHeads: 1, headDim: 64 }),
  attentionCase('a window of 1', { window: 1 }),
  attentionCase('a window of 5', { window: 5, headDim: 80 }),
  attentionCase('a soft cap', { softcap: 1.5, scale: 1 }),
  attentionCase('values smaller than keys', { headDim: 24, valueDim: 16 }),
  attentionCase('sinks', { sinks: [0.5, -1, 3, 0], window: 9 }),
];
/** A rounded key moves scores of this size by whole units: for caches that do not round. */
const sharpCase = attentionCase('scores far apart', { scale: 40 });

export function describeAttention(suite: Suite): void {
  const positions = 40;
  /** Steps of many sizes, single tokens among them. */
  const steps = [7, 1, 1, 16, 2, 13].map((size, index, sizes) => {
    const first = sizes.slice(0, index).reduce((sum, value) => sum + value, 0);
    return { tokens: range(size, first), position: first };
  });

  const prepare = (settings: truth.AttentionTruth, count = positions): Graph => {
    const { bench } = suite;
    const { heads, kvHeads, headDim, valueDim = headDim, sinks, ...numbers } = settings;
    bench.input('q', count, heads * headDim);
    bench.input('k', count, kvHeads * headDim);
    bench.input('v', count, kvHeads * valueDim);
    const values = Float32Array.from(sinks ?? []);
    if (sinks) bench.weight('sinks', { rows: 1, columns: sinks.length, values });
    const shape = { heads, kvHeads, headDim, valueDim };
    return bench.graph((g) => {
      g.cacheWrite(1, g.embed('k'), g.embed('v'));
      const options = { layer: 1, ...shape, ...numbers, sinks: sinks ? 'sinks' : null };
      return g.takeOutputs(g.attention(g.embed('q'), options));
    });
  };
  const expectedRows = (settings: truth.AttentionTruth): number[][] =>
    truth.attention(suite.bench.rows('q'), suite.bench.rows('k'), suite.bench.rows('v'), settings);

  it.for([
    ['f16', 'f16'],
    ['q8', 'q8'],
    ['f16', 'q8'],
    ['q8', 'f16'],
    ['f32', 'f16'],
  ] as const)('moves keys and values kept as %s to a memory kept as %s', async ([from, to]) => {
    const { bench } = suite;
    const { backend } = bench;
    const graph = prepare(attentionCases[0] as AttentionCase);
    const [first, rest] = [range(29), { tokens: range(11, 29), position: 29 }];
    const memory = (type: KvType, capacity: number): KvCacheHandle =>
      backend.createCache({ layers: equalLayers(2, 2, 16), capacity, type });
    const [source, target] = [memory(from, 40), memory(to, 64)];
    await bench.run(graph, [{ tokens: first }], source);
    // in two parts, as a conversation that goes on follows its device
    for (const [start, count] of [
      [0, 20],
      [20, 9],
    ] as const) {
      backend.writeCache(target, 1, start, await backend.readCache(source, 1, start, count));
    }
    const [moved = []] = await bench.run(graph, [rest], target);
    const [stayed = []] = await bench.run(graph, [rest], source);
    if (from === to) expect(moved).toEqual(stayed);
    else expect(relativeError(moved, stayed)).toBeLessThan(1e-3);
    await expect(backend.readCache(source, 1, 30, 11)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    backend.releaseCache(source);
    backend.releaseCache(target);
  });

  for (const type of ['f32', 'f16', 'q8'] as const) {
    it.for(type === 'f32' ? [...attentionCases, sharpCase] : attentionCases)(
      `attends with $what, ${type} cache`,
      async (settings, context) => {
        const { bench, tolerances } = suite;
        const { what: _, ...operator } = settings;
        const graph = prepare(operator);
        skipUnsupported(context, bench, graph);
        const { kvHeads, headDim, valueDim = headDim } = settings;
        // a layer of another shape before it
        const layers = [...equalLayers(1, 3, 8), { kvHeads, headDim, valueDim }];
        const spec = { layers, capacity: positions, type };
        const results = await bench.run(graph, steps, bench.backend.createCache(spec));
        const error = relativeError(results.flat(), expectedRows(settings));
        expect(error).toBeLessThanOrEqual(tolerances.cache[type]);
      },
    );
  }

  it.for([
    attentionCase('everything', {}),
    attentionCase('a window', { window: 300, headDim: 80 }),
    attentionCase('sinks', { sinks: [0.5, -1, 3, 0] }),
    attentionCase('values smaller than keys', { headDim: 24, valueDim: 16 }),
  ])('attends to many positions: $what', async (settings, context) => {
    const { bench, tolerances } = suite;
    const { what: _, ...operator } = settings;
    const many = 420;
    const graph = prepare(operator, many);
    skipUnsupported(context, bench, graph);
    const { kvHeads, headDim, valueDim = headDim } = settings;
    const layers = [...equalLayers(1, 3, 8), { kvHeads, headDim, valueDim }];
    const cache = bench.backend.createCache({ layers, capacity: many, type: 'f32' });
    // Tiles end at multiples of 64, and single tokens may divide so many positions among themselves.
    const sizes = [130, 1, 124, 1, 1, 1, 130, 2, 4, 1, 24, 1];
    const steps = sizes.map((size, index) => {
      const first = sizes.slice(0, index).reduce((sum, value) => sum + value, 0);
      return { tokens: range(size, first), position: first };
    });
    const results = await bench.run(graph, steps, cache);
    const error = relativeError(results.flat(), expectedRows(settings));
    expect(error).toBeLessThanOrEqual(tolerances.cache.f32);
  });

  it.for([0, 1, 6, 21])('sees both sides, window %d', async (window, context) => {
    const { bench, tolerances } = suite;
    const settings = { heads: 4, kvHeads: 2, headDim: 16, scale: 0.25, softcap: 0, window };
    const both = { ...settings, causal: false };
    const graph = prepare(both);
    skipUnsupported(context, bench, graph);
    const spec = { layers: equalLayers(2, 2, 16), capacity: positions, type: 'f32' } as const;
    const step = { tokens: range(positions), position: 0 };
    const [result = []] = await bench.run(graph, [step], bench.backend.createCache(spec));
    const error = relativeError(result, expectedRows(both));
    expect(error).toBeLessThanOrEqual(tolerances.cache.f32);
  });

  it('overwrites positions that were taken back', async (context) => {
    const { bench, tolerances } = suite;
    const settings = attentionCase('a rewind', {});
    const { what: _, ...operator } = settings;
    const graph = prepare(operator);
    skipUnsupported(context, bench, graph);
    const { kvHeads, headDim } = settings;
    const spec = {
      layers: equalLayers(2, kvHeads, headDim),
      capacity: positions,
      type: 'f32',
    } as const;
    const results = await bench.run(
      graph,
      [
        { tokens: range(10), position: 0 },
        { tokens: range(6, 30), position: 10 },
        { tokens: range(30, 10), position: 10 },
      ],
      bench.backend.createCache(spec),
    );
    const rows = [...(results[0] ?? []), ...(results[2] ?? [])];
    const error = relativeError(rows, expectedRows(settings));
    expect(error).toBeLessThanOrEqual(tolerances.cache.f32);
  });

  it('keeps two conversations apart', async (context) => {
    const { bench, tolerances } = suite;
    const settings = attentionCase('two caches', {});
    const { what: _, ...operator } = settings;
    const graph = prepare(operator);
    skipUnsupported(context, bench, graph);
    const { kvHeads, headDim } = settings;
    const spec = {
      layers: equalLayers(2, kvHeads, headDim),
      capacity: positions,
      type: 'f32',
    } as const;
    const mine = bench.backend.createCache(spec);
    const other = bench.backend.createCache(spec);
    const first = await bench.run(graph, [{ tokens: range(5), position: 0 }], mine);
    await bench.run(graph, [{ tokens: range(5, 20), position: 0 }], other);
    const second = await bench.run(graph, [{ tokens: range(5, 5), position: 5 }], mine);
    const rows = [...(first[0] ?? []), ...(second[0] ?? [])];
    const error = relativeError(rows, expectedRows(settings).slice(0, 10));
    expect(error).toBeLessThanOrEqual(tolerances.cache.f32);
  });
}
