/** That steps of an answer are under way before they are asked for, and each is computed once. */
import { describe, expect, it, vi } from 'vitest';
import { equalLayers } from '../../../src/engine/backend/backend.ts';
import { StepEncoder } from '../../../src/engine/backend/webgpu/step-encoder.ts';
import { createDawnBackend, dawnGpu } from '../../fixtures/webgpu-backend.ts';
import { Bench } from './bench.ts';

describe.skipIf(dawnGpu === null)('WebGPU through Dawn', () => {
  it('submits one step a token, two tokens ahead', async () => {
    const backend = await createDawnBackend();
    const bench = new Bench(backend);
    bench.weight('tokens', { rows: 100, columns: 64 });
    bench.weight('out', { rows: 100, columns: 64, type: 'Q8_0', storage: 'planes' });
    const graph = bench.graph((g) => g.matmul(g.takeOutputs(g.embed('tokens')), 'out'));
    const options = { weights: bench.handles, maxTokens: 1, maxOutputs: 1 };
    const executable = backend.compile(graph, options);
    const cache = backend.createCache({ layers: equalLayers(1, 1, 8), capacity: 64, type: 'f32' });
    const submit = vi.spyOn(StepEncoder.prototype, 'submit');
    let token = 1;
    for (let position = 0; position < 10; position++) {
      const input = { tokens: Int32Array.of(token), position, outputs: 1, cache } as const;
      const choice = { temperature: 0, topP: 1, minP: 0, randoms: [0, 0, 0] };
      const { ids } = await backend.runTop(
        executable,
        { ...input, precision: 8 },
        { count: 1, choice },
      );
      token = ids[0] ?? NaN;
    }
    expect(submit).toHaveBeenCalledTimes(10 + 2);
    expect(submit.mock.calls.map(([, , { tokens }]) => tokens === 'chosen')).toEqual([
      false,
      ...new Array<boolean>(11).fill(true),
    ]);
    submit.mockRestore();
    backend.dispose();
  });
});
