/**
 * Feed-forward blocks of which every token passes through a few of many (mixture of experts; Shazeer
 * et al. 2017, arXiv:1701.06538), and through those that all tokens share (DeepSeek-MoE; Dai et al.
 * 2024, arXiv:2401.06066).
 */
import type { GraphBuilder, RouteOptions } from '../../graph/graph-builder.ts';
import type { ActivationId, GateOp } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { expertMatrices, matrix, optional, vector } from '../architecture.ts';
import type { ExpertParameters, HyperParameterReader } from '../hyper-parameters.ts';
import { linear, linearTensors } from './linear.ts';

/**
 * Reads `expert_*`. Files that do not state the width of an expert mean that of the feed-forward block.
 */
export function readExperts(file: HyperParameterReader, expertWidth: number): ExpertParameters {
  const experts = file.count('expert_count');
  const used = file.count('expert_used_count');
  if (used > experts) throw file.malformed('expert_used_count', `is above the ${experts} experts`);
  const width = file.count('expert_feed_forward_length', expertWidth);
  const shared = file.countOrZero('expert_shared_feed_forward_length');
  return { experts, used, expertWidth: width, sharedWidth: shared };
}

/** The router and, in fused tensors, the gate, up and down matrices of all experts. */
export function expertTensors(
  block: string,
  width: number,
  { experts, expertWidth, sharedWidth }: ExpertParameters,
): readonly TensorRequirement[] {
  const routed = [
    matrix(`${block}.ffn_gate_inp.weight`, width, experts, 'sensitive'),
    expertMatrices(`${block}.ffn_gate_exps.weight`, width, expertWidth, experts),
    expertMatrices(`${block}.ffn_up_exps.weight`, width, expertWidth, experts),
    expertMatrices(`${block}.ffn_down_exps.weight`, expertWidth, width, experts),
  ];
  if (sharedWidth === 0) return routed;
  return [
    ...routed,
    ...linearTensors(`${block}.ffn_gate_shexp`, width, sharedWidth),
    ...linearTensors(`${block}.ffn_up_shexp`, width, sharedWidth),
    ...linearTensors(`${block}.ffn_down_shexp`, sharedWidth, width),
  ];
}

/** Biases of the router and of every expert. */
export function expertBiasTensors(
  block: string,
  width: number,
  { experts, expertWidth }: ExpertParameters,
): readonly TensorRequirement[] {
  const rows = { gate: expertWidth, up: expertWidth, down: width };
  return [
    vector(`${block}.ffn_gate_inp.bias`, experts),
    ...Object.entries(rows).map(([name, size]) => ({
      ...vector(`${block}.ffn_${name}_exps.bias`, size),
      shape: [size, experts],
    })),
  ];
}

/** The gate on what the shared experts say: one number a token. */
export function sharedGateTensor(block: string, width: number): TensorRequirement {
  return matrix(`${block}.ffn_gate_inp_shexp.weight`, width, 1, 'sensitive');
}

/** What is added to the scores when experts are chosen, and not to their weights. */
export function choiceBiasTensor(block: string, experts: number): TensorRequirement {
  return optional(vector(`${block}.exp_probs_b.bias`, experts));
}

/** sum over the chosen experts of weight * down(silu(gate(x)) * up(x)), plus the shared ones. */
export function expertFeedForward(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  counts: ExpertParameters,
  routing: Omit<RouteOptions, 'used' | 'bias'>,
  activation: GateOp['activation'] = 'silu',
): ActivationId {
  const choiceBias = `${block}.exp_probs_b.bias`;
  const routes = g.route(linear(g, x, `${block}.ffn_gate_inp`), {
    ...routing,
    used: counts.used,
    bias: g.hasWeight(choiceBias) ? choiceBias : null,
  });
  const of = (name: string, y: ActivationId): ActivationId =>
    g.expertMatmul(y, routes, `${block}.${name}.weight`, counts, biasOf(g, `${block}.${name}`));
  const inner = g.gate(activation, of('ffn_gate_exps', x), of('ffn_up_exps', x));
  const routed = g.expertSum(of('ffn_down_exps', inner), routes, counts.used);
  return counts.sharedWidth === 0 ? routed : g.add(routed, sharedExperts(g, x, block, activation));
}

function biasOf(g: GraphBuilder, name: string): string | null {
  return g.hasWeight(`${name}.bias`) ? `${name}.bias` : null;
}

function sharedExperts(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  activation: GateOp['activation'],
): ActivationId {
  const gate = linear(g, x, `${block}.ffn_gate_shexp`);
  const up = linear(g, x, `${block}.ffn_up_shexp`);
  const said = linear(g, g.gate(activation, gate, up), `${block}.ffn_down_shexp`);
  const score = `${block}.ffn_gate_inp_shexp.weight`;
  if (!g.hasWeight(score)) return said;
  // one expert that is always chosen, with the sigmoid of its score as weight
  const routes = g.route(g.matmul(x, score), { gating: 'sigmoid', used: 1, normalise: false });
  return g.expertSum(said, routes, 1);
}
