/**
 * Which weights become nibble planes and which stay dense float32 (see `WeightStorage`).
 *
 * Planes make a matrix small and fast and cost a float source some accuracy; vectors are too small
 * to gain anything, sensitive matrices would lose too much, and rows that are not whole blocks of 32 or
 * experts that are not whole groups of 8 rows cannot be packed.
 */
import type { WeightStorage } from '../backend/backend.ts';
import type { TensorType } from '../graph/dtype.ts';
import type { ModelTensor } from '../models/model-definition.ts';

/** What the user asked for; `auto` lets the file decide. */
export type PrecisionChoice = 'auto' | 8 | 4;

/** Columns that share a scale. */
export const planeBlockColumns = 32;
/** Rows that lie interleaved. */
const planeGroupRows = 8;

/**
 * A float model of at most this many parameters (16 MiB as float32) sits in the processor's cache,
 * where planes would gain nothing worth their rounding: 8 bits of weight alone, with exact arithmetic,
 * move the logits of small models by up to 4e-2 of their variance (`test/accuracy.md`). It is packed
 * where 4 bits are asked for, which is asking for less.
 */
export const smallFloatModelParameters = 4 * 1024 * 1024;

const floatTypes: ReadonlySet<TensorType> = new Set(['F32', 'F16', 'BF16']);

/** The storage of every weight, by tensor name. */
export function chooseStorage(
  weights: readonly ModelTensor[],
  precision: PrecisionChoice,
): ReadonlyMap<string, WeightStorage> {
  const matrices = weights.filter(({ role }) => role !== 'vector' && role !== 'sensitive');
  const parameters = matrices.reduce((sum, { tensor }) => sum + tensor.elements, 0);
  const keepFloat =
    precision !== 4 &&
    parameters <= smallFloatModelParameters &&
    matrices.every(({ tensor }) => floatTypes.has(tensor.type));
  return new Map(
    weights.map((weight) => [weight.tensor.name, !keepFloat && packs(weight) ? 'planes' : 'dense']),
  );
}

function packs({ role, rows, columns, experts }: ModelTensor): boolean {
  if (role === 'vector' || role === 'sensitive') return false;
  const wholeExperts = experts === 1 || (rows / experts) % planeGroupRows === 0;
  return columns % planeBlockColumns === 0 && wholeExperts;
}
