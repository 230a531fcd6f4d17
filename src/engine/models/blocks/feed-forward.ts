/** Feed-forward blocks of a layer. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId, GateOp } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { linear, linearTensors } from './linear.ts';

/** Gate and up may be tensors of their own or the two halves of `ffn_up`. */
export function gatedFeedForwardTensors(
  block: string,
  width: number,
  hidden: number,
): readonly TensorRequirement[] {
  const fused = { tensor: `${block}.ffn_up`, rows: 2 * hidden };
  return [
    ...linearTensors(`${block}.ffn_gate`, width, hidden, { ...fused, firstRow: 0 }),
    ...linearTensors(`${block}.ffn_up`, width, hidden, { ...fused, firstRow: hidden }),
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
