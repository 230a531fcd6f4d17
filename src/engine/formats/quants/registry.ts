/** The tensor types Hermit reads. A new one is its file, a line here and its number in `graph/dtype.ts`. */
import { AppError } from '../../../common/errors.ts';
import type { TensorType } from '../../graph/dtype.ts';
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import { q4_0 } from './q4-0.ts';
import { q4_1 } from './q4-1.ts';
import { q5_0 } from './q5-0.ts';
import { q5_1 } from './q5-1.ts';
import { q8_0 } from './q8-0.ts';
import type { QuantType } from './quant-type.ts';

const quantTypes: Readonly<Record<TensorType, QuantType>> = {
  F32: f32,
  F16: f16,
  BF16: bf16,
  Q8_0: q8_0,
  Q5_1: q5_1,
  Q5_0: q5_0,
  Q4_1: q4_1,
  Q4_0: q4_0,
};

export function quantType(type: TensorType): QuantType {
  return quantTypes[type];
}

/**
 * Bytes of one row of `columns` values.
 * @throws AppError `invalid-argument` when the columns are not a whole number of blocks
 */
export function rowBytes(type: TensorType, columns: number): number {
  const { blockElements, blockBytes } = quantTypes[type];
  if (!Number.isSafeInteger(columns) || columns < 0 || columns % blockElements !== 0) {
    throw new AppError(
      'invalid-argument',
      `A ${type} row of ${columns} values is not a whole number of blocks of ${blockElements}.`,
      { details: { type, columns, blockElements } },
    );
  }
  return (columns / blockElements) * blockBytes;
}
