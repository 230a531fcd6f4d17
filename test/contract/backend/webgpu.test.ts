/**
 * The contract on the WebGPU backend in Node: with every set of features, and with bindings so small
 * that weights lie in parts.
 */
import { describe } from 'vitest';
import type { GpuOptions } from '../../../src/engine/backend/webgpu/gpu-device.ts';
import { createDawnBackend, dawnGpu } from '../../fixtures/webgpu-backend.ts';
import { describeBackend } from './conformance.ts';
import { webGpuTolerances } from './webgpu-tolerances.ts';

const ways: Readonly<Record<string, GpuOptions>> = {
  'all features': {},
  'no features': { without: ['f16', 'subgroups', 'packedDot'] },
  'f16 only': { without: ['subgroups', 'packedDot'] },
  'subgroups only': { without: ['f16', 'packedDot'] },
  'packed dot products only': { without: ['f16', 'subgroups'] },
  // 8 rows of the widest matrix a binding: the largest matrices of the contract lie in several parts
  'small bindings': { bindingBytes: 8 * 512 * 4 },
};

describe.skipIf(dawnGpu === null)('WebGPU through Dawn', () => {
  describe.each(Object.entries(ways))('%s', (_, options) => {
    const create = () => createDawnBackend(options);
    describeBackend('WebGPU', create, webGpuTolerances, { oneForAll: true });
  });
});
