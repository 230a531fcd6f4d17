/** A linear layer with the bias that some models have and most leave out. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { matrix, optional, vector } from '../architecture.ts';

/** `name.weight` (outputs, inputs) and, where the file has it, `name.bias`. */
export function linearTensors(
  name: string,
  inputs: number,
  outputs: number,
): readonly TensorRequirement[] {
  return [matrix(`${name}.weight`, inputs, outputs), optional(vector(`${name}.bias`, outputs))];
}

/** x W^T, plus the bias where the file has one. */
export function linear(g: GraphBuilder, x: ActivationId, name: string): ActivationId {
  const bias = `${name}.bias`;
  return g.matmul(x, `${name}.weight`, g.hasWeight(bias) ? bias : null);
}
