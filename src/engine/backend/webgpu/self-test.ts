/**
 * Whether this adapter computes what it should: a small decoder layer on the GPU against the reference.
 *
 * Drivers have bugs, and WGSL leaves open how the lanes of a subgroup are numbered. One layer, with
 * matrices of two types, for one token and for many, goes through every kind of kernel; a wrong one
 * shows as an error far above what rounding to 8 bits explains.
 */
import { quantizer, rowBytes } from '../../formats/quants/registry.ts';
import type { TensorType } from '../../graph/dtype.ts';
import { GraphBuilder } from '../../graph/graph-builder.ts';
import type { Graph } from '../../graph/ops.ts';
import {
  equalLayers,
  type Backend,
  type Precision,
  type WeightHandle,
  type WeightSpec,
} from '../backend.ts';
import { ReferenceBackend } from '../reference/reference-backend.ts';

/** Squared error over squared truth; rounding gives 1e-4. */
export const largestError = 2e-3;
const width = 64;
const heads = 4;
const headDim = 16;
const hidden = 96;
const rows = 12;

const matrix = (name: string, outRows: number, columns: number, type: TensorType): WeightSpec => ({
  name,
  type,
  rows: outRows,
  columns,
  storage: 'planes',
});

const specs: readonly WeightSpec[] = [
  { name: 'x', type: 'F32', rows, columns: width, storage: 'dense' },
  { name: 'norm', type: 'F32', rows: 1, columns: width, storage: 'dense' },
  matrix('q', width, width, 'Q8_0'),
  matrix('k', width, width, 'Q4_1'),
  matrix('v', width, width, 'Q8_0'),
  matrix('gate', hidden, width, 'Q4_0'),
  matrix('up', hidden, width, 'Q5_1'),
  matrix('down', width, hidden, 'Q8_0'),
];

/** Numbers between -1 and 1 that look random and are always the same. */
function pattern(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function fill(backend: Backend): Map<string, WeightHandle> {
  const handles = new Map<string, WeightHandle>();
  specs.forEach((spec, index) => {
    const bytes = new Uint8Array(spec.rows * rowBytes(spec.type, spec.columns));
    quantizer(spec.type)(pattern(spec.rows * spec.columns, index + 1), bytes);
    const writer = backend.beginWeight(spec);
    writer.write(bytes);
    handles.set(spec.name, writer.finish());
  });
  return handles;
}

function layer(): Graph {
  const g = new GraphBuilder(new Map(specs.map((spec) => [spec.name, spec])));
  const x = g.embed('x');
  const input = g.rmsNorm(x, 'norm', 1e-5);
  const inverseFrequencies = Float64Array.of(1, 0.1, 0.01, 0.001);
  const rotation = { heads, headDim, layout: 'split', inverseFrequencies, magnitude: 1 } as const;
  const q = g.rope(g.matmul(input, 'q'), rotation);
  const k = g.rope(g.matmul(input, 'k'), rotation);
  g.cacheWrite(0, k, g.matmul(input, 'v'));
  const attention = {
    layer: 0,
    heads,
    kvHeads: heads,
    headDim,
    scale: 0.25,
    softcap: 0,
    window: 0,
  };
  const sum = g.add(x, g.attention(q, attention));
  const product = g.gate('silu', g.matmul(sum, 'gate'), g.matmul(sum, 'up'));
  return g.finish(g.takeOutputs(g.add(sum, g.matmul(product, 'down'))));
}

/** Results of a step of many tokens and of one after it. */
async function compute(backend: Backend, precision: Precision): Promise<number[]> {
  const weights = fill(backend);
  const spec = { layers: equalLayers(1, heads, headDim), capacity: rows, type: 'f16' } as const;
  const cache = backend.createCache(spec);
  const executable = backend.compile(layer(), { weights, maxTokens: rows, maxOutputs: rows });
  const results: number[] = [];
  for (const [position, count] of [
    [0, rows - 1],
    [rows - 1, 1],
  ] as const) {
    const tokens = Int32Array.from({ length: count }, (_, t) => position + t);
    const step = { tokens, position, outputs: count, precision, cache };
    results.push(...(await backend.run(executable, step)));
  }
  backend.releaseCache(cache);
  for (const weight of weights.values()) backend.releaseWeight(weight);
  return results;
}

/** Error of a backend against the reference, as a share of the truth; NaN where it computed none. */
export async function selfTestError(backend: Backend): Promise<number> {
  const truth = await compute(new ReferenceBackend(), 8);
  const results = await compute(backend, 8);
  let error = 0;
  let power = 0;
  truth.forEach((value, index) => {
    error += ((results[index] ?? NaN) - value) ** 2;
    power += value ** 2;
  });
  return error / power;
}
