/** The feed-forward block without a gate (Vaswani et al. 2017, arXiv:1706.03762, section 3.3). */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId, GateOp } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { linear, linearTensors } from './linear.ts';

export function feedForwardTensors(
  block: string,
  width: number,
  hidden: number,
): readonly TensorRequirement[] {
  return [
    ...linearTensors(`${block}.ffn_up`, width, hidden),
    ...linearTensors(`${block}.ffn_down`, hidden, width),
  ];
}

/** down(activation(up(x))) */
export function feedForward(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  activation: GateOp['activation'],
): ActivationId {
  const hidden = g.activate(activation, linear(g, x, `${block}.ffn_up`));
  return linear(g, hidden, `${block}.ffn_down`);
}
