/**
 * Gemma (Gemma Team 2024, arXiv:2403.08295): a Llama with GeGLU and embeddings times sqrt(width).
 * GGUF stores the norms' weights with the 1 added that the paper's form leaves out.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const gemma: Architecture<DecoderParameters> = {
  names: ['gemma'],

  hyperParameters: (file) => readDecoder(file, 'rms'),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight', Math.sqrt(h.width));
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), attended);
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      return g.add(middle, gatedFeedForward(g, again, block, 'gelu-tanh'));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
