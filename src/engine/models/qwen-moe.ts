/**
 * Qwen1.5-MoE and Qwen2-57B (Yang et al. 2024, arXiv:2407.10671): Qwen2 whose feed-forward blocks are
 * mixtures of experts, with one that all tokens share behind a sigmoid. Qwen3-30B and larger (Yang et
 * al. 2025, arXiv:2505.09388): Qwen3 with experts whose weights are normalised, none shared.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import {
  expertFeedForward,
  expertTensors,
  readExperts,
  sharedGateTensor,
} from './blocks/experts.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';
import type { ExpertParameters } from './hyper-parameters.ts';

interface QwenMoeParameters extends DecoderParameters {
  readonly mixture: ExpertParameters;
}

export const qwen2moe = qwenMoe('qwen2moe');
export const qwen3moe = qwenMoe('qwen3moe');

function qwenMoe(name: 'qwen2moe' | 'qwen3moe'): Architecture<QwenMoeParameters> {
  const third = name === 'qwen3moe';
  return {
    names: [name],

    hyperParameters(file) {
      const h = readDecoder(file, 'rms');
      const mixture = readExperts(file, h.feedForwardWidth);
      if (third) return { ...h, mixture };
      // files of Qwen1.5-MoE do not state the width of what is shared
      const sharedWidth = mixture.sharedWidth || h.feedForwardWidth;
      return { ...h, mixture: { ...mixture, sharedWidth } };
    },

    tensors: (h) => [
      ...rotaryTensors(h.rotary),
      ...decoderTensors(h, (block) => [
        vector(`${block}.attn_norm.weight`, h.width),
        ...attentionTensors(block, h),
        ...(third
          ? [
              vector(`${block}.attn_q_norm.weight`, h.headDim),
              vector(`${block}.attn_k_norm.weight`, h.headDim),
            ]
          : [sharedGateTensor(block, h.width)]),
        vector(`${block}.ffn_norm.weight`, h.width),
        ...expertTensors(block, h.width, h.mixture),
      ]),
      vector('output_norm.weight', h.width),
    ],

    forward(g, h, constants, contextLength) {
      const rotary = rotation('split', h.rotary, constants, contextLength);
      const queryKeyNorm = { kind: 'rms', over: 'head', epsilon: h.epsilon } as const;
      const settings = { ...h, rotary, ...(third && { queryKeyNorm }) };
      const routing = { gating: 'softmax', normalise: third } as const;
      const embedded = g.embed('token_embd.weight');
      const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
        const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
        const middle = g.add(keep(input), attention(g, normed, block, layer, settings, keep));
        const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
        return g.add(middle, expertFeedForward(g, again, block, h.mixture, routing));
      });
      return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
    },
  };
}
