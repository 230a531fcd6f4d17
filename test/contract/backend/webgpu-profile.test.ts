/** What a profiler is told of a step on the GPU: every kind of dispatch, measured where there is a clock. */
import { describe, expect, it } from 'vitest';
import type { WebGpuBackend } from '../../../src/engine/backend/webgpu/webgpu-backend.ts';
import { createDawnBackend, dawnGpu } from '../../fixtures/webgpu-backend.ts';
import { Bench, range } from './bench.ts';

interface Told {
  readonly label: string;
  readonly milliseconds: number;
  readonly isMeasured: boolean | undefined;
}

async function profiled(backend: WebGpuBackend): Promise<{ told: Told[]; results: number[][][] }> {
  const bench = new Bench(backend);
  bench.input('x', 8, 64);
  for (const name of ['blk.0.up.weight', 'blk.1.up.weight']) {
    bench.weight(name, { rows: 64, columns: 64, type: 'Q8_0', storage: 'planes' });
  }
  const graph = bench.graph((g) => {
    const middle = g.activate('silu', g.matmul(g.embed('x'), 'blk.0.up.weight'));
    return g.takeOutputs(g.matmul(middle, 'blk.1.up.weight'));
  });
  const told: Told[] = [];
  backend.profiler = (label, milliseconds, isMeasured) => {
    told.push({ label, milliseconds, isMeasured });
  };
  const watched = await bench.run(graph, [{ tokens: range(8) }, { tokens: [3] }]);
  backend.profiler = null;
  const count = told.length;
  const results = await bench.run(graph, [{ tokens: range(8) }, { tokens: [3] }]);
  expect(watched).toEqual(results);
  expect(told).toHaveLength(count);
  return { told, results };
}

describe.skipIf(dawnGpu === null)('WebGPU through Dawn', () => {
  it.for([true, false])(
    'tells what dispatches took, with a clock: %o',
    async (hasClock, context) => {
      const backend = await createDawnBackend(hasClock ? {} : { without: ['timestamps'] });
      context.skip(hasClock && !backend.features.timestamps, 'the driver has no timestamps');
      const { told } = await profiled(backend);
      backend.dispose();
      const products = told.filter(({ label }) => label.includes('blk.N.up.weight'));
      expect(products).toHaveLength(4);
      expect(told.every(({ isMeasured }) => isMeasured === hasClock)).toBe(true);
      expect(told.every(({ milliseconds }) => milliseconds >= 0)).toBe(true);
      expect(told.reduce((sum, { milliseconds }) => sum + milliseconds, 0)).toBeGreaterThan(0);
    },
  );
});
