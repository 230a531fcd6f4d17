/**
 * GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): learned
 * positions, LayerNorm before attention and feed-forward, GELU.
 */
import type { Architecture } from './architecture.ts';
import { matrix } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { layerNorm, normTensors } from './blocks/norm.ts';
import { feedForward, feedForwardTensors } from './blocks/plain-feed-forward.ts';

export const gpt2: Architecture<DecoderParameters> = {
  names: ['gpt2'],

  hyperParameters: (file) => readDecoder(file, 'layer'),

  tensors: (h) => [
    matrix('position_embd.weight', h.width, h.trainedContext),
    ...decoderTensors(h, (block) => [
      ...normTensors(`${block}.attn_norm`, h.width),
      ...attentionTensors(block, h),
      ...normTensors(`${block}.ffn_norm`, h.width),
      ...feedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    ...normTensors('output_norm', h.width),
  ],

  forward(g, h) {
    const positions = g.embed('position_embd.weight', 1, 'position');
    const embedded = g.add(g.embed('token_embd.weight'), positions);
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = layerNorm(g, input, `${block}.attn_norm`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary: null }, keep);
      const middle = g.add(keep(input), attended);
      const again = layerNorm(g, middle, `${block}.ffn_norm`, h.epsilon);
      return g.add(middle, feedForward(g, again, block, 'gelu-tanh'));
    });
    return outputLogits(g, layerNorm(g, x, 'output_norm', h.epsilon));
  },
};
