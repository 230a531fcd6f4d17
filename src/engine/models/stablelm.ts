/**
 * StableLM 2 (Bellagente et al. 2024, arXiv:2402.17834): LayerNorm, rotary positions in a part of
 * every head, SwiGLU. The 12B model normalises every query and key head with weights of its own and
 * runs attention and feed-forward side by side; files show that by having no `ffn_norm`.
 */
import type { Architecture } from './architecture.ts';
import { optional } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { headNormTensor, layerNorm, normTensors } from './blocks/norm.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const stablelm: Architecture<DecoderParameters> = {
  names: ['stablelm'],

  hyperParameters: (file) => readDecoder(file, 'layer'),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      ...normTensors(`${block}.attn_norm`, h.width),
      ...attentionTensors(block, h),
      optional(headNormTensor(`${block}.attn_q_norm`, h.headDim, h.heads)),
      optional(headNormTensor(`${block}.attn_k_norm`, h.headDim, h.kvHeads)),
      ...normTensors(`${block}.ffn_norm`, h.width).map(optional),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    ...normTensors('output_norm', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const perHead = { kind: 'layer', over: 'head', epsilon: h.epsilon } as const;
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normsHeads = g.hasWeight(`${block}.attn_q_norm.weight`);
      const settings = { ...h, rotary, ...(normsHeads && { queryKeyNorm: perHead }) };
      const normed = layerNorm(g, input, `${block}.attn_norm`, h.epsilon);
      const attended = attention(g, normed, block, layer, settings, keep);
      const middle = g.add(keep(input), attended);
      const parallel = !g.hasWeight(`${block}.ffn_norm.weight`);
      const fedFrom = parallel
        ? keep(normed)
        : layerNorm(g, middle, `${block}.ffn_norm`, h.epsilon);
      return g.add(middle, gatedFeedForward(g, fedFrom, block, 'silu'));
    });
    return outputLogits(g, layerNorm(g, x, 'output_norm', h.epsilon));
  },
};
