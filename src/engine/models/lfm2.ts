/**
 * LFM2 (Liquid AI 2025, arXiv:2511.23404): most layers mix tokens by a short convolution between two
 * gates, some by grouped-query attention with normalised queries and keys; SwiGLU behind both.
 */
import { equalLayers } from '../backend/backend.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ActivationId } from '../graph/ops.ts';
import type { Architecture, TensorRequirement } from './architecture.ts';
import { matrix, vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters, Keep } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

interface Lfm2Parameters extends DecoderParameters {
  /** Whether each layer attends; the others convolve. */
  readonly attends: readonly boolean[];
  /** Tokens that the convolution sees, its own included. */
  readonly taps: number;
}

export const lfm2: Architecture<Lfm2Parameters> = {
  names: ['lfm2'],

  hyperParameters(file) {
    const key = 'attention.head_count_kv';
    const heads = file.countsOfLayers(key, file.count('block_count'));
    const kvHeads = heads.find((count) => count > 0) ?? 0;
    if (kvHeads === 0) throw file.malformed(key, 'has no layer with attention');
    if (heads.some((count) => count !== 0 && count !== kvHeads)) {
      throw file.unsupported(key, 'layers with different numbers of key heads');
    }
    const taps = file.count('shortconv.l_cache');
    if (taps < 2) throw file.malformed('shortconv.l_cache', `is ${taps}, but must be at least 2`);
    const attends = heads.map((count) => count > 0);
    return { ...readDecoder(file, 'rms', { kvHeads }), attends, taps };
  },

  state: (h) => ({
    layers: equalLayers(count(h.attends, true), h.kvHeads, h.headDim),
    recurrent: new Array<number>(count(h.attends, false)).fill((h.taps - 1) * h.width),
  }),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block, layer) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...(h.attends[layer] === true ? attendingTensors(block, h) : convolvingTensors(block, h)),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    // the norm behind the last layer goes by this name
    vector('token_embd_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const queryKeyNorm = { kind: 'rms', over: 'head', epsilon: h.epsilon } as const;
    const settings = { ...h, rotary, queryKeyNorm };
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const attends = h.attends[layer] === true;
      const place = count(h.attends.slice(0, layer), attends);
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const mixed = attends
        ? attention(g, normed, block, place, settings, keep)
        : shortConvolution(g, normed, block, place, keep);
      const middle = g.add(keep(input), mixed);
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      return g.add(middle, gatedFeedForward(g, again, block, 'silu'));
    });
    return outputLogits(g, g.rmsNorm(x, 'token_embd_norm.weight', h.epsilon));
  },
};

function count(list: readonly boolean[], value: boolean): number {
  return list.filter((entry) => entry === value).length;
}

function attendingTensors(block: string, h: Lfm2Parameters): readonly TensorRequirement[] {
  return [
    ...attentionTensors(block, h),
    vector(`${block}.attn_q_norm.weight`, h.headDim),
    vector(`${block}.attn_k_norm.weight`, h.headDim),
  ];
}

/** One projection holds the gate before the convolution, the gate behind it and what is convolved. */
function convolvingTensors(
  block: string,
  { width, taps }: Lfm2Parameters,
): readonly TensorRequirement[] {
  const tensor = `${block}.shortconv.in_proj.weight`;
  const part = (name: string, index: number): TensorRequirement => ({
    ...matrix(`${block}.shortconv.${name}.weight`, width, width),
    rowsOf: { tensor, firstRow: index * width, rows: 3 * width },
  });
  return [
    part('in_gate', 0),
    part('out_gate', 1),
    part('in', 2),
    { ...vector(`${block}.shortconv.conv.weight`, taps), shape: [taps, width] },
    matrix(`${block}.shortconv.out_proj.weight`, width, width),
  ];
}

/** out_proj(out_gate(x) * convolution(in_gate(x) * in(x))) */
function shortConvolution(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  slot: number,
  keep: Keep,
): ActivationId {
  const part = (name: string, y: ActivationId): ActivationId =>
    g.matmul(y, `${block}.shortconv.${name}.weight`);
  const gated = g.multiply(part('in_gate', x), part('in', x));
  const convolved = g.causalConvolution(slot, gated, `${block}.shortconv.conv.weight`);
  return part('out_proj', g.multiply(part('out_gate', keep(x)), keep(convolved)));
}
