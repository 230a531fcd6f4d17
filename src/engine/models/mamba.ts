/**
 * Mamba (Gu & Dao 2023, arXiv:2312.00752): no attention and no feed-forward block; every layer is a
 * causal convolution and a selective scan between a projection up and one down, with a gate beside
 * them. What it remembers of a text has one size, however long the text is. Falcon Mamba (Zuo et al.
 * 2024, arXiv:2410.05355) normalises what controls the scan.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ActivationId } from '../graph/ops.ts';
import type { Architecture, TensorRequirement } from './architecture.ts';
import { matrix, vector } from './architecture.ts';
import type { Keep } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits } from './blocks/decoder.ts';
import type { HyperParameters } from './hyper-parameters.ts';

interface MambaParameters extends HyperParameters {
  /** Channels between the projections. */
  readonly inner: number;
  /** Tokens that the convolution sees, its own included. */
  readonly taps: number;
  /** Numbers that a channel remembers. */
  readonly states: number;
  readonly stepRank: number;
  readonly normalises: boolean;
  readonly epsilon: number;
}

export const mamba: Architecture<MambaParameters> = {
  names: ['mamba'],

  hyperParameters(file) {
    const taps = file.count('ssm.conv_kernel');
    if (taps < 2) throw file.malformed('ssm.conv_kernel', `is ${taps}, but must be at least 2`);
    return {
      layers: file.count('block_count'),
      width: file.count('embedding_length'),
      vocabularySize: file.vocabularySize(),
      trainedContext: file.count('context_length'),
      kvHeads: 0,
      headDim: 0,
      inner: file.count('ssm.inner_size'),
      taps,
      states: file.count('ssm.state_size'),
      stepRank: file.count('ssm.time_step_rank'),
      normalises: file.boolean('ssm.dt_b_c_rms', false),
      epsilon: file.positive('attention.layer_norm_rms_epsilon'),
    };
  },

  state: (h) => ({
    layers: [],
    recurrent: Array.from({ length: 2 * h.layers }, (_, slot) =>
      slot % 2 === 0 ? (h.taps - 1) * h.inner : h.states * h.inner,
    ),
  }),

  tensors: (h) => [
    ...decoderTensors(h, (block) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...mixerTensors(block, h),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h) {
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      return g.add(keep(input), mixer(g, normed, block, 2 * layer, h, keep));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};

function mixerTensors(
  block: string,
  { width, inner, taps, states, stepRank }: MambaParameters,
): readonly TensorRequirement[] {
  const control = (name: string, rows: number, firstRow: number): TensorRequirement => ({
    ...matrix(`${block}.ssm_x_${name}.weight`, inner, rows, 'sensitive'),
    rowsOf: { tensor: `${block}.ssm_x.weight`, firstRow, rows: stepRank + 2 * states },
  });
  const half = (name: string, index: number): TensorRequirement => ({
    ...matrix(`${block}.ssm_in_${name}.weight`, width, inner),
    rowsOf: { tensor: `${block}.ssm_in.weight`, firstRow: index * inner, rows: 2 * inner },
  });
  return [
    half('x', 0),
    half('gate', 1),
    { ...vector(`${block}.ssm_conv1d.weight`, taps), shape: [taps, inner] },
    vector(`${block}.ssm_conv1d.bias`, inner),
    control('step', stepRank, 0),
    control('input', states, stepRank),
    control('read', states, stepRank + states),
    matrix(`${block}.ssm_dt.weight`, stepRank, inner, 'sensitive'),
    vector(`${block}.ssm_dt.bias`, inner),
    // -exp(A_log) of the published code
    { ...vector(`${block}.ssm_a`, states), shape: [states, inner] },
    vector(`${block}.ssm_d`, inner),
    matrix(`${block}.ssm_out.weight`, inner, width),
  ];
}

/** The block of figure 3: what a token lets into the state and reads from it depends on the token. */
function mixer(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  slot: number,
  h: MambaParameters,
  keep: Keep,
): ActivationId {
  const of = (name: string, y: ActivationId): ActivationId =>
    g.matmul(y, `${block}.${name}.weight`);
  const [weight, bias] = [`${block}.ssm_conv1d.weight`, `${block}.ssm_conv1d.bias`];
  const convolved = g.causalConvolution(slot, of('ssm_in_x', x), weight, bias);
  const inner = g.activate('silu', convolved);
  const control = (name: string): ActivationId => {
    const values = of(`ssm_x_${name}`, inner);
    if (!h.normalises) return values;
    return g.norm(values, { kind: 'rms', weight: null, epsilon: h.epsilon });
  };
  const activations = {
    x: inner,
    steps: g.matmul(control('step'), `${block}.ssm_dt.weight`, `${block}.ssm_dt.bias`),
    inputs: control('input'),
    reads: control('read'),
  };
  const weights = { rates: `${block}.ssm_a`, skip: `${block}.ssm_d` };
  const scanned = g.selectiveScan(slot + 1, activations, weights);
  return of('ssm_out', g.gate('silu', of('ssm_in_gate', keep(x)), keep(scanned)));
}
