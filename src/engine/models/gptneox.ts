/**
 * GPT-NeoX and Pythia (Black et al. 2022, arXiv:2204.06745): rotary positions in a part of every head,
 * attention and feed-forward side by side, each with a LayerNorm of its own (one after the other in
 * the models that say so), GELU.
 */
import type { Architecture } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { layerNorm, normTensors } from './blocks/norm.ts';
import { feedForward, feedForwardTensors } from './blocks/plain-feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

interface GptNeoxParameters extends DecoderParameters {
  readonly parallel: boolean;
}

export const gptneox: Architecture<GptNeoxParameters> = {
  names: ['gptneox'],

  hyperParameters: (file) => ({
    ...readDecoder(file, 'layer'),
    parallel: file.boolean('use_parallel_residual', true),
  }),

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
      const kept = keep(input);
      const middle = g.add(kept, attended);
      const fedFrom = h.parallel ? kept : middle;
      const again = layerNorm(g, fedFrom, `${block}.ffn_norm`, h.epsilon);
      return g.add(middle, feedForward(g, again, block, 'gelu'));
    });
    return outputLogits(g, layerNorm(g, x, 'output_norm', h.epsilon));
  },
};
