/**
 * How fast this adapter is, measured before anything depends on it: until then `SubmitPacer` takes every
 * adapter for a slow one, and cuts the first prompt into more pieces than most need.
 */
import { rowBytes } from '../../formats/quants/registry.ts';
import { GraphBuilder } from '../../graph/graph-builder.ts';
import { equalLayers, type WeightSpec } from '../backend.ts';
import type { SubmitPacer } from './submit-pacer.ts';
import type { WebGpuBackend } from './webgpu-backend.ts';

/** A tile of a prompt times a matrix: 33 million multiply-adds, milliseconds on the slowest adapters. */
const tokens = 64;
const specs: readonly WeightSpec[] = [
  { name: 'x', type: 'F32', rows: tokens, columns: 512, storage: 'dense' },
  { name: 'matrix', type: 'Q8_0', rows: 1024, columns: 512, storage: 'planes' },
];

/** Leaves in the backend's `pacer` what a product took. */
export async function measurePace(backend: WebGpuBackend, pacer: SubmitPacer): Promise<void> {
  const weights = new Map(
    specs.map((spec) => {
      const writer = backend.beginWeight(spec);
      // Zeros: what they are multiplied with does not matter.
      writer.write(new Uint8Array(spec.rows * rowBytes(spec.type, spec.columns)));
      return [spec.name, writer.finish()];
    }),
  );
  const builder = new GraphBuilder(new Map(specs.map((spec) => [spec.name, spec])));
  const graph = builder.finish(builder.takeOutputs(builder.matmul(builder.embed('x'), 'matrix')));
  const cache = backend.createCache({
    layers: equalLayers(1, 1, 8),
    capacity: tokens,
    type: 'f16',
  });
  const executable = backend.compile(graph, { weights, maxTokens: tokens, maxOutputs: 1 });
  const input = Int32Array.from({ length: tokens }, (_, i) => i);
  const step = { tokens: input, position: 0, outputs: 1, precision: 8, cache } as const;
  // The first run also pays for what drivers put off until a program is used.
  await backend.run(executable, step);
  pacer.forget();
  await backend.run(executable, step);
  backend.releaseCache(cache);
  for (const weight of weights.values()) backend.releaseWeight(weight);
}
