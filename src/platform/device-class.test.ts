import { describe, expect, it } from 'vitest';
import { browserEngine, deviceClass, type DeviceTraits } from './device-class.ts';

const laptop: DeviceTraits = {
  cores: 8,
  simd: 'relaxed',
  gpu: {
    vendor: 'intel',
    architecture: 'gen-12lp',
    fallback: false,
  },
  deviceMemory: 8,
  mobile: false,
  engine: 'blink',
};
const gpu = { vendor: 'intel', architecture: 'gen-12lp', fallback: false };

describe('the class of a device', () => {
  it.each<readonly [string, Partial<DeviceTraits>]>([
    ['desktop/blink/cores-8/memory-8/relaxed/intel-gen-12lp', {}],
    ['desktop/blink/cores-8/memory-8/relaxed/intel-gen-12lp', { cores: 11 }],
    ['desktop/blink/cores-12/memory-8/relaxed/intel-gen-12lp', { cores: 12 }],
    ['desktop/blink/cores-32/memory-32/relaxed/intel-gen-12lp', { cores: 128, deviceMemory: 64 }],
    ['desktop/blink/cores-1/memory-1/relaxed/intel-gen-12lp', { cores: 0, deviceMemory: 0.25 }],
    [
      'mobile/webkit/cores-4/memory-unknown/plain/no-gpu',
      {
        mobile: true,
        engine: 'webkit',
        cores: 4,
        deviceMemory: undefined,
        simd: 'plain',
        gpu: null,
      },
    ],
    ['desktop/blink/cores-8/memory-8/relaxed/software-gpu', { gpu: { ...gpu, fallback: true } }],
    [
      'desktop/blink/cores-8/memory-8/relaxed/gpu',
      { gpu: { ...gpu, vendor: '', architecture: '' } },
    ],
    [
      'desktop/blink/cores-8/memory-8/relaxed/a-b-c',
      { gpu: { ...gpu, vendor: 'A/B', architecture: 'C' } },
    ],
  ])('is %s', (expected, change) => {
    expect(deviceClass({ ...laptop, ...change })).toBe(expected);
  });
});

describe('the engine of a browser', () => {
  it.each([
    ['gecko', '-moz-appearance'],
    ['webkit', '-webkit-nbsp-mode'],
    ['blink', 'app-region'],
    ['unknown', 'nothing'],
  ])('is %s where it knows %s', (engine, known) => {
    expect(browserEngine({ supports: (property) => property === known })).toBe(engine);
  });
});
