import { describe, expect, it } from 'vitest';
import { measurePlaneErrors } from '../../../test/plane-errors.ts';
import { kernelBuildTimeoutMs } from '../../../test/fixtures/wasm-backend.ts';
import type { TensorType } from '../graph/dtype.ts';
import { tensorTypeIds } from '../graph/dtype.ts';
import type { ModelTensor } from '../models/model-definition.ts';
import { fourBitErrors, fourBitLoss, noticeableLoss } from './four-bit-loss.ts';

function weight(name: string, type: TensorType, elements: number): ModelTensor {
  const tensor = { name, type, shape: [elements], elements, offsetBytes: 0, sizeBytes: 0 };
  return { tensor, role: 'matrix', rows: 1, columns: elements, experts: 1 };
}

describe('fourBitLoss', () => {
  it(
    'holds what is measured, type by type',
    async () => {
      const types = Object.keys(tensorTypeIds) as TensorType[];
      for (const [type, { fourBits, eightBits }] of await measurePlaneErrors(types)) {
        // what 8-bit mode loses already is not what changing to 4 bits costs
        const lost = fourBits === eightBits ? 0 : fourBits;
        expect(Math.abs(lost - fourBitErrors[type]), type).toBeLessThan(0.006);
      }
    },
    kernelBuildTimeoutMs,
  );

  it('counts weights in planes by their number', () => {
    const weights = [weight('a', 'Q8_0', 100), weight('b', 'Q4_0', 300), weight('c', 'F32', 9e9)];
    const storage = new Map([
      ['a', 'planes'],
      ['b', 'planes'],
      ['c', 'dense'],
    ] as const);
    expect(fourBitLoss(weights, storage)).toBeCloseTo(fourBitErrors.Q8_0 / 2, 10);
    expect(fourBitLoss(weights, new Map())).toBe(0);
  });

  it('warns of files of 8 bits and not of those made with 4', () => {
    const loss = (mix: readonly (readonly [TensorType, number])[]): number => {
      const weights = mix.map(([type, share], index) => weight(`${index}`, type, share));
      return fourBitLoss(weights, new Map(weights.map(({ tensor }) => [tensor.name, 'planes'])));
    };
    expect(loss([['Q8_0', 1]])).toBeGreaterThan(noticeableLoss);
    expect(loss([['Q6_K', 1]])).toBeGreaterThan(noticeableLoss);
    // about the shares of Q4_K_M
    expect(
      loss([
        ['Q4_K', 72],
        ['Q6_K', 28],
      ]),
    ).toBeLessThan(noticeableLoss);
  });
});
