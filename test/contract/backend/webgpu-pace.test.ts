/** The self-test, and steps cut into many submissions and slices, which must not show in the results. */
import { describe, expect, it } from 'vitest';
import { noFeatures } from '../../../src/engine/backend/webgpu/gpu-device.ts';
import { selfTestError } from '../../../src/engine/backend/webgpu/self-test.ts';
import { SubmitPacer } from '../../../src/engine/backend/webgpu/submit-pacer.ts';
import { equalLayers } from '../../../src/engine/backend/backend.ts';
import { createDawnBackend, dawnGpu } from '../../fixtures/webgpu-backend.ts';
import { Bench, range } from './bench.ts';

function slowPacer(): SubmitPacer {
  const pacer = new SubmitPacer();
  pacer.learn(1e9, 1e9);
  return pacer;
}

async function attend(pacer?: SubmitPacer): Promise<number[][]> {
  const backend = await createDawnBackend(pacer === undefined ? {} : { pacer });
  const bench = new Bench(backend);
  bench.input('x', 50, 64);
  for (const name of ['q', 'k', 'v']) {
    bench.weight(name, { rows: 64, columns: 64, type: 'Q8_0', storage: 'planes' });
  }
  const graph = bench.graph((g) => {
    const x = g.embed('x');
    g.cacheWrite(0, g.matmul(x, 'k'), g.matmul(x, 'v'));
    const heads = { heads: 4, kvHeads: 4, headDim: 16, scale: 0.25, softcap: 0, window: 0 };
    return g.takeOutputs(g.attention(g.matmul(x, 'q'), { layer: 0, ...heads }));
  });
  const spec = { layers: equalLayers(1, 4, 16), capacity: 64, type: 'f32' } as const;
  const step = { tokens: range(50), outputs: 2 };
  const [result = []] = await bench.run(graph, [step], backend.createCache(spec));
  backend.dispose();
  return result;
}

describe.skipIf(dawnGpu === null)('WebGPU through Dawn', () => {
  it('passes its self-test with and without features', async () => {
    const without = Object.keys(noFeatures) as (keyof typeof noFeatures)[];
    for (const options of [{}, { without }]) {
      const backend = await createDawnBackend(options);
      const error = await selfTestError(backend);
      expect(error).toBeLessThan(1e-3);
      expect(backend.kernels).toMatchObject({ failures: [], remembered: false });
      expect(backend.kernels?.kernels.length).toBeGreaterThan(8);
      backend.dispose();
    }
  });

  it('computes the same in many small submissions', async () => {
    const pacer = slowPacer();
    expect(pacer.estimate(1e6)).toBeGreaterThan(1e5);
    const [whole, sliced] = [await attend(), await attend(pacer)];
    expect(pacer.estimate(1e6)).toBeGreaterThan(1e5);
    expect(sliced).toHaveLength(2);
    sliced.flat().forEach((value, index) => {
      expect(value).toBeCloseTo(whole.flat()[index] ?? NaN, 3);
    });
  });
});
