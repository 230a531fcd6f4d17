/** Normalisation with the tensors it needs: `name.weight` and, where the file has it, `name.bias`. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId, NormOp } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { optional, vector } from '../architecture.ts';

export function normTensors(name: string, width: number): readonly TensorRequirement[] {
  return [vector(`${name}.weight`, width), optional(vector(`${name}.bias`, width))];
}

/** Weights for every head apart, (heads, headDim). */
export function headNormTensor(name: string, headDim: number, heads: number): TensorRequirement {
  return { name: `${name}.weight`, shape: [headDim, heads], role: 'vector', optional: false };
}

/** Layer normalisation over the whole row (Ba et al. 2016, arXiv:1607.06450), the bias where the file has one. */
export function layerNorm(
  g: GraphBuilder,
  x: ActivationId,
  name: string,
  epsilon: number,
): ActivationId {
  return normalise(g, x, name, { kind: 'layer', epsilon });
}

export function normalise(
  g: GraphBuilder,
  x: ActivationId,
  name: string,
  options: { readonly kind: NormOp['kind']; readonly epsilon: number; readonly groupSize?: number },
): ActivationId {
  const bias = `${name}.bias`;
  return g.norm(x, {
    ...options,
    weight: `${name}.weight`,
    bias: g.hasWeight(bias) ? bias : null,
  });
}
