/**
 * BERT (Devlin et al. 2018, arXiv:1810.04805) and the sentence encoders of its form (Sentence-BERT;
 * Reimers & Gurevych 2019, arXiv:1908.10084; MiniLM, BGE, E5): learned positions, LayerNorm behind
 * each sum, GELU.
 */
import type { Architecture } from './architecture.ts';
import { matrix } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import { decoderLayers } from './blocks/decoder.ts';
import type { EncoderParameters } from './blocks/encoder.ts';
import { embedded, embeddingTensors, readEncoder } from './blocks/encoder.ts';
import { layerNorm, normTensors } from './blocks/norm.ts';
import { feedForward, feedForwardTensors } from './blocks/plain-feed-forward.ts';

export const bert: Architecture<EncoderParameters> = {
  names: ['bert'],

  hyperParameters: readEncoder,

  pooling: (h) => h.pooling,

  tensors: (h) => [
    ...embeddingTensors(h),
    matrix('position_embd.weight', h.width, h.trainedContext),
    ...Array.from({ length: h.layers }, (_, layer) => [
      ...attentionTensors(`blk.${layer}`, h),
      ...normTensors(`blk.${layer}.attn_output_norm`, h.width),
      ...feedForwardTensors(`blk.${layer}`, h.width, h.feedForwardWidth),
      ...normTensors(`blk.${layer}.layer_output_norm`, h.width),
    ]).flat(),
  ],

  forward(g, h) {
    const settings = { ...h, rotary: null, causal: false };
    const start = embedded(g, h, g.embed('position_embd.weight', 1, 'position'));
    return decoderLayers(g, h.layers, start, (input, block, _layer, keep) => {
      const attended = attention(g, input, block, 0, settings, keep);
      const sum = g.add(keep(input), attended);
      const middle = layerNorm(g, sum, `${block}.attn_output_norm`, h.epsilon);
      const fed = g.add(middle, feedForward(g, middle, block, 'gelu'));
      return layerNorm(g, fed, `${block}.layer_output_norm`, h.epsilon);
    });
  },
};
