import { describe, expect, it } from 'vitest';
import { noFeatures } from '../src/engine/backend/webgpu/gpu-device.ts';
import { reportToken } from './gpu-report.ts';

const shape = {
  width: 1024,
  layers: 4,
  heads: 16,
  kvHeads: 4,
  feedForward: 4096,
  vocabularySize: 8192,
  type: 'Q8_0',
} as const;

describe('reportToken', () => {
  it.each([noFeatures, { ...noFeatures, packedDot: true }])(
    'moves little more than the least at decode',
    async (features) => {
      const report = await reportToken({ shape, features, position: 512, precision: 4 });
      // weights of 4 bits with a half for 32 columns
      const layer = 2 * 1024 * 1024 + 2 * 1024 * 256 + 3 * 1024 * 4096;
      const matrices = 4 * layer + 1024 * 8192;
      expect(report.leastBytes).toBeGreaterThan(matrices * (18 / 32));
      expect(report.bytes / report.leastBytes).toBeGreaterThan(1);
      expect(report.bytes / report.leastBytes).toBeLessThan(1.15);
    },
  );

  it('reads both planes in 8-bit mode', async () => {
    const options = { shape, features: noFeatures, position: 0 };
    const [four, eight] = [
      await reportToken({ ...options, precision: 4 }),
      await reportToken({ ...options, precision: 8 }),
    ];
    expect(eight.dispatches).toBe(four.dispatches);
    expect(eight.leastBytes / four.leastBytes).toBeCloseTo(34 / 18, 1);
  });
});
