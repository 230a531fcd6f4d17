import { describe, expect, it } from 'vitest';
import type { TensorType } from '../graph/dtype.ts';
import type { ModelTensor } from '../models/model-definition.ts';
import { chooseStorage, smallFloatModelParameters } from './storage-policy.ts';

function weight(
  name: string,
  type: TensorType,
  rows: number,
  columns: number,
  role: ModelTensor['role'] = 'matrix',
): ModelTensor {
  const elements = rows * columns;
  const shape = [columns, rows];
  const tensor = { name, type, shape, elements, offsetBytes: 0, sizeBytes: 0 };
  return { tensor, role, rows, columns, experts: 1 };
}

describe('chooseStorage', () => {
  const norm = weight('norm', 'F32', 1, 64, 'vector');

  it('packs matrices and keeps vectors and rows that are not whole blocks', () => {
    const weights = [norm, weight('a', 'Q8_0', 8, 64), weight('b', 'F32', 8, 172)];
    const storage = chooseStorage(weights, 'auto');
    expect([...storage]).toEqual([
      ['norm', 'dense'],
      ['a', 'planes'],
      ['b', 'dense'],
    ]);
  });

  it.each([
    [smallFloatModelParameters / 64, 'dense'],
    [smallFloatModelParameters / 64 + 1, 'planes'],
  ])('keeps a float model of %d x 64 as %s', (rows, expected) => {
    const weights = [norm, weight('a', 'F16', rows, 64, 'embedding')];
    expect(chooseStorage(weights, 'auto').get('a')).toBe(expected);
  });

  it('packs a small float model when 4 bits are asked for', () => {
    const weights = [norm, weight('a', 'BF16', 8, 64)];
    expect(chooseStorage(weights, 8).get('a')).toBe('dense');
    expect(chooseStorage(weights, 4).get('a')).toBe('planes');
    expect(chooseStorage(weights, 4).get('norm')).toBe('dense');
  });

  it('packs a small model that is quantised in part', () => {
    const weights = [weight('a', 'F32', 8, 64), weight('b', 'Q4_0', 8, 64)];
    expect(chooseStorage(weights, 'auto').get('a')).toBe('planes');
  });

  it('keeps sensitive matrices, and experts that are not whole groups of rows', () => {
    const big = weight('big', 'Q8_0', 64, 64);
    const router = weight('router', 'F32', 64, 64, 'sensitive');
    const experts = { ...weight('experts', 'Q8_0', 64, 64, 'experts'), experts: 8 };
    const odd = { ...weight('odd', 'Q8_0', 36, 64, 'experts'), experts: 3 };
    const storage = chooseStorage([big, router, experts, odd], 'auto');
    expect([...storage.values()]).toEqual(['planes', 'dense', 'planes', 'dense']);
  });
});
