/**
 * Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al. 2023, arXiv:2306.11644; Li et al. 2023, arXiv:2309.05463):
 * attention and feed-forward side by side behind one LayerNorm, rotary positions in a part of every
 * head, biases everywhere, also on the logits.
 */
import type { Architecture } from './architecture.ts';
import { optional, vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { layerNorm, normTensors } from './blocks/norm.ts';
import { feedForward, feedForwardTensors } from './blocks/plain-feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const phi2: Architecture<DecoderParameters> = {
  names: ['phi2'],

  hyperParameters: (file) => readDecoder(file, 'layer'),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      ...normTensors(`${block}.attn_norm`, h.width),
      ...attentionTensors(block, h),
      ...feedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    ...normTensors('output_norm', h.width),
    optional(vector('output.bias', h.vocabularySize)),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = layerNorm(g, input, `${block}.attn_norm`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
      const fed = feedForward(g, keep(normed), block, 'gelu-tanh');
      return g.add(g.add(keep(input), attended), fed);
    });
    return outputLogits(g, layerNorm(g, x, 'output_norm', h.epsilon));
  },
};
