import { describe, expect, it } from 'vitest';
import { fasterPhases } from './backend-choice.ts';

const quickReader = { prefill: 1000, decode: 10 };
const quickWriter = { prefill: 50, decode: 40 };

describe('fasterPhases', () => {
  it('takes two devices only where one could not do nearly as well', () => {
    const measured = { wasm: quickWriter, webgpu: quickReader };
    expect(fasterPhases(measured, true)).toEqual({ prefill: 'webgpu', decode: 'wasm' });
    const little = { wasm: { prefill: 90, decode: 10.5 }, webgpu: { prefill: 100, decode: 10 } };
    const { prefill, decode } = fasterPhases(little, true);
    expect(prefill).toBe(decode);
  });

  it('takes one where the model must not be held twice', () => {
    const measured = { wasm: quickWriter, webgpu: quickReader };
    expect(fasterPhases(measured, false)).toEqual({ prefill: 'wasm', decode: 'wasm' });
    expect(fasterPhases({ wasm: quickReader, webgpu: quickWriter }, false)).toEqual({
      prefill: 'webgpu',
      decode: 'webgpu',
    });
  });
});
