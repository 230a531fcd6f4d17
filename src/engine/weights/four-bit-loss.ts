/**
 * What 4-bit mode takes from a model, told before it is chosen: reading the high plane alone rounds
 * 8-bit weights to 4 bits, and some files have nothing else.
 */
import type { TensorType } from '../graph/dtype.ts';
import type { ModelTensor } from '../models/model-definition.ts';
import type { WeightStorage } from '../backend/backend.ts';

/**
 * Root mean square of what is lost of the weights of a type, relative to them; measured on random
 * weights (`test/plane-errors.ts`), from which a test holds these numbers to be right.
 */
export const fourBitErrors: Readonly<Record<TensorType, number>> = {
  F32: 0.089,
  F16: 0.089,
  BF16: 0.089,
  Q4_0: 0,
  Q4_1: 0,
  Q5_0: 0.075,
  Q5_1: 0.068,
  Q8_0: 0.089,
  Q2_K: 0.074,
  Q3_K: 0.077,
  Q4_K: 0,
  Q5_K: 0.068,
  Q6_K: 0.088,
  IQ1_S: 0.07,
  IQ1_M: 0.074,
  IQ2_XXS: 0.046,
  IQ2_XS: 0.068,
  IQ2_S: 0.067,
  IQ3_XXS: 0.04,
  IQ3_S: 0.056,
  IQ4_NL: 0.07,
  IQ4_XS: 0.07,
  TQ1_0: 0,
  TQ2_0: 0,
  MXFP4: 0.09,
  NVFP4: 0.11,
};

/**
 * From here on a user is told. Q4_K_M, whose Q6_K part loses, stays below with 0.05; Q8_0, Q6_K and
 * float files are above. On the fixtures (`test/accuracy.md`) this is where the first choice of a token changes
 * in more than a quarter of all places.
 */
export const noticeableLoss = 0.06;

/** Root mean square over all weights that lie in planes; 0 where 4 bits read all there is. */
export function fourBitLoss(
  weights: readonly ModelTensor[],
  storage: ReadonlyMap<string, WeightStorage>,
): number {
  let [squares, elements] = [0, 0];
  for (const { tensor } of weights) {
    if (storage.get(tensor.name) !== 'planes') continue;
    squares += tensor.elements * fourBitErrors[tensor.type] ** 2;
    elements += tensor.elements;
  }
  return elements === 0 ? 0 : Math.sqrt(squares / elements);
}
