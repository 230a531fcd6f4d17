/**
 * Qwen3 (Yang et al. 2025, arXiv:2505.09388): Qwen2 without biases, and RMSNorm of every query and
 * key head before rotation.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const qwen3: Architecture<DecoderParameters> = {
  names: ['qwen3'],

  hyperParameters: (file) => readDecoder(file, 'rms'),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.attn_q_norm.weight`, h.headDim),
      vector(`${block}.attn_k_norm.weight`, h.headDim),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const queryKeyNorm = { kind: 'rms', over: 'head', epsilon: h.epsilon } as const;
    const settings = { ...h, rotary, queryKeyNorm };
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const middle = g.add(keep(input), attention(g, normed, block, layer, settings, keep));
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      return g.add(middle, gatedFeedForward(g, again, block, 'silu'));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
