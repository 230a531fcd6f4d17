/**
 * OLMoE (Muennighoff et al. 2024, arXiv:2409.02060): a Llama with RMSNorm over all query and all key
 * heads together, and a mixture of experts whose weights keep their share of the softmax over all.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { expertFeedForward, expertTensors, readExperts } from './blocks/experts.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';
import type { ExpertParameters } from './hyper-parameters.ts';

interface OlmoeParameters extends DecoderParameters {
  readonly mixture: ExpertParameters;
}

export const olmoe: Architecture<OlmoeParameters> = {
  names: ['olmoe'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    return { ...h, mixture: readExperts(file, h.feedForwardWidth) };
  },

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.attn_q_norm.weight`, h.heads * h.headDim),
      vector(`${block}.attn_k_norm.weight`, h.kvHeads * h.headDim),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...expertTensors(block, h.width, h.mixture),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const queryKeyNorm = { kind: 'rms', over: 'row', epsilon: h.epsilon } as const;
    const routing = { gating: 'softmax', normalise: false } as const;
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const settings = { ...h, rotary, queryKeyNorm };
      const middle = g.add(keep(input), attention(g, normed, block, layer, settings, keep));
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      return g.add(middle, expertFeedForward(g, again, block, h.mixture, routing));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
