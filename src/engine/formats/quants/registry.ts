/** The tensor types Hermit reads. A new one is its file, a line here and its number in `graph/dtype.ts`. */
import { AppError } from '../../../common/errors.ts';
import type { TensorType } from '../../graph/dtype.ts';
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import { iq1_m } from './iq1-m.ts';
import { iq1_s } from './iq1-s.ts';
import { iq2_s } from './iq2-s.ts';
import { iq2_xs } from './iq2-xs.ts';
import { iq2_xxs } from './iq2-xxs.ts';
import { iq3_s } from './iq3-s.ts';
import { iq3_xxs } from './iq3-xxs.ts';
import { iq4_nl } from './iq4-nl.ts';
import { iq4_xs } from './iq4-xs.ts';
import { mxfp4 } from './mxfp4.ts';
import { nvfp4 } from './nvfp4.ts';
import { q2_k } from './q2-k.ts';
import { q3_k } from './q3-k.ts';
import { q4_0 } from './q4-0.ts';
import { q4_1 } from './q4-1.ts';
import { q4_k } from './q4-k.ts';
import { q5_0 } from './q5-0.ts';
import { q5_1 } from './q5-1.ts';
import { q5_k } from './q5-k.ts';
import { q6_k } from './q6-k.ts';
import { q8_0 } from './q8-0.ts';
import { tq1_0 } from './tq1-0.ts';
import { tq2_0 } from './tq2-0.ts';
import type { Quantize, QuantType } from './quant-type.ts';

const quantTypes: Readonly<Record<TensorType, QuantType>> = {
  F32: f32,
  F16: f16,
  BF16: bf16,
  Q8_0: q8_0,
  Q5_1: q5_1,
  Q5_0: q5_0,
  Q4_1: q4_1,
  Q4_0: q4_0,
  Q2_K: q2_k,
  Q3_K: q3_k,
  Q4_K: q4_k,
  Q5_K: q5_k,
  Q6_K: q6_k,
  IQ1_S: iq1_s,
  IQ1_M: iq1_m,
  IQ2_XXS: iq2_xxs,
  IQ2_XS: iq2_xs,
  IQ2_S: iq2_s,
  IQ3_XXS: iq3_xxs,
  IQ3_S: iq3_s,
  IQ4_NL: iq4_nl,
  IQ4_XS: iq4_xs,
  TQ1_0: tq1_0,
  TQ2_0: tq2_0,
  MXFP4: mxfp4,
  NVFP4: nvfp4,
};

export function quantType(type: TensorType): QuantType {
  return quantTypes[type];
}

/**
 * The quantiser of a type.
 * @throws AppError `not-supported` for types that can only be read
 */
export function quantizer(type: TensorType): Quantize {
  const { quantize } = quantTypes[type];
  if (quantize === null) {
    throw new AppError(
      'not-supported',
      `Hermit reads the tensor type ${type} and cannot write it. Choose ${writableTypes().join(', ')}.`,
      { details: { type, writable: writableTypes() } },
    );
  }
  return quantize;
}

/** The types that `quantizer` knows. */
export function writableTypes(): readonly TensorType[] {
  return (Object.keys(quantTypes) as TensorType[]).filter(
    (type) => quantTypes[type].quantize !== null,
  );
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
