/** Feed-forward blocks of a decoder layer. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId, GateOp } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { linear, linearTensors } from './linear.ts';

export function gatedFeedForwardTensors(
  block: string,
  width: number,
  hidden: number,
): readonly TensorRequirement[] {
  return [
    ...linearTensors(`${block}.ffn_gate`, width, hidden),
    ...linearTensors(`${block}.ffn_up`, width, hidden),
    ...linearTensors(`${block}.ffn_down`, hidden, width),
  ];
}

/** down(activation(gate(x)) * up(x)); with `silu` this is SwiGLU (Shazeer 2020, arXiv:2002.05202). */
export function gatedFeedForward(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  activation: GateOp['activation'],
): ActivationId {
  const gate = linear(g, x, `${block}.ffn_gate`);
  const up = linear(g, x, `${block}.ffn_up`);
  return linear(g, g.gate(activation, gate, up), `${block}.ffn_down`);
}
