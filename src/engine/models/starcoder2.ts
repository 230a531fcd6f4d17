/**
 * StarCoder 2 (Lozhkov et al. 2024, arXiv:2402.19173): LayerNorm, grouped-query
 * attention with rotary positions, GELU without a gate, biases.
 */
import type { Architecture } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { layerNorm, normTensors } from './blocks/norm.ts';
import { feedForward, feedForwardTensors } from './blocks/plain-feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const starcoder2: Architecture<DecoderParameters> = {
  names: ['starcoder2'],

  hyperParameters: (file) => readDecoder(file, 'layer'),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      ...normTensors(`${block}.attn_norm`, h.width),
      ...attentionTensors(block, h),
      ...normTensors(`${block}.ffn_norm`, h.width),
      ...feedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    ...normTensors('output_norm', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = layerNorm(g, input, `${block}.attn_norm`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), attended);
      const again = layerNorm(g, middle, `${block}.ffn_norm`, h.epsilon);
      return g.add(middle, feedForward(g, again, block, 'gelu-tanh'));
    });
    return outputLogits(g, layerNorm(g, x, 'output_norm', h.epsilon));
  },
};
