/** Every kernel keeps to what each WebGPU device has by the specification's defaults. */
import { describe, expect, it } from 'vitest';
import { footprintOf } from '../../../../test/gpu-footprint.ts';
import { noFeatures, type GpuFeatures } from './gpu-device.ts';
import { kernelNames } from './kernel-sources.ts';

const featureSets: Readonly<Record<string, GpuFeatures>> = {
  'without features': noFeatures,
  'with all features': { f16: true, subgroups: true, packedDot: true, timestamps: true },
};

describe.each(Object.entries(featureSets))('kernels %s', (_, features) => {
  it.each(kernelNames)('%s', (kernel) => {
    const { threads, workgroupBytes, storageBuffers } = footprintOf(kernel, features);
    expect(threads).toBeLessThanOrEqual(256);
    expect(workgroupBytes).toBeLessThanOrEqual(16 * 1024);
    expect(storageBuffers).toBeLessThanOrEqual(8);
  });
});
