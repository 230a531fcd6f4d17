/** A linear layer with the bias that some models have and most leave out. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId } from '../../graph/ops.ts';
import type { FusedRows, TensorRequirement } from '../architecture.ts';
import { matrix, optional, vector } from '../architecture.ts';

/**
 * `name.weight` (outputs, inputs) and, where the file has it, `name.bias`.
 * @param rowsOf the tensor (without `.weight`) that holds these rows in files that fuse several layers
 */
export function linearTensors(
  name: string,
  inputs: number,
  outputs: number,
  rowsOf?: FusedRows,
): readonly TensorRequirement[] {
  return [
    from(matrix(`${name}.weight`, inputs, outputs), 'weight', rowsOf),
    from(optional(vector(`${name}.bias`, outputs)), 'bias', rowsOf),
  ];
}

function from(
  requirement: TensorRequirement,
  part: 'weight' | 'bias',
  rowsOf: FusedRows | undefined,
): TensorRequirement {
  if (rowsOf === undefined) return requirement;
  return { ...requirement, rowsOf: { ...rowsOf, tensor: `${rowsOf.tensor}.${part}` } };
}

/** x W^T, plus the bias where the file has one. */
export function linear(g: GraphBuilder, x: ActivationId, name: string): ActivationId {
  const bias = `${name}.bias`;
  return g.matmul(x, `${name}.weight`, g.hasWeight(bias) ? bias : null);
}
