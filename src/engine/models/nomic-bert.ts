/**
 * Nomic Embed (Nussbaum et al. 2024, arXiv:2402.01613): BERT with rotary positions and SwiGLU.
 */
import type { Architecture } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import { decoderLayers } from './blocks/decoder.ts';
import type { EncoderParameters } from './blocks/encoder.ts';
import { embedded, embeddingTensors, readEncoder } from './blocks/encoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { layerNorm, normTensors } from './blocks/norm.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const nomicBert: Architecture<EncoderParameters> = {
  names: ['nomic-bert'],

  hyperParameters: readEncoder,

  pooling: (h) => h.pooling,

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...embeddingTensors(h),
    ...Array.from({ length: h.layers }, (_, layer) => [
      ...attentionTensors(`blk.${layer}`, h),
      ...normTensors(`blk.${layer}.attn_output_norm`, h.width),
      ...gatedFeedForwardTensors(`blk.${layer}`, h.width, h.feedForwardWidth),
      ...normTensors(`blk.${layer}.layer_output_norm`, h.width),
    ]).flat(),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const settings = { ...h, rotary, causal: false };
    return decoderLayers(g, h.layers, embedded(g, h), (input, block, _layer, keep) => {
      const attended = attention(g, input, block, 0, settings, keep);
      const sum = g.add(keep(input), attended);
      const middle = layerNorm(g, sum, `${block}.attn_output_norm`, h.epsilon);
      const fed = g.add(middle, gatedFeedForward(g, middle, block, 'silu'));
      return layerNorm(g, fed, `${block}.layer_output_norm`, h.epsilon);
    });
  },
};
