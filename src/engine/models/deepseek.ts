/**
 * DeepSeek-MoE (Dai et al. 2024, arXiv:2401.06066), the first generation: a Llama whose layers behind
 * the first ones are mixtures of many small experts and of some that all tokens share. The weights of
 * the experts keep their share of the softmax over all. A file without experts is a plain Llama.
 */
import type { RouteOptions } from '../graph/graph-builder.ts';
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { expertFeedForward, expertTensors, readExperts } from './blocks/experts.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';
import type { ExpertParameters, HyperParameterReader } from './hyper-parameters.ts';

/** The feed-forward blocks of both generations. */
export interface DeepseekExperts {
  /** Layers before the first mixture. */
  readonly denseLayers: number;
  readonly mixture?: ExpertParameters;
  readonly routing: Omit<RouteOptions, 'used' | 'bias'>;
}

interface DeepseekParameters extends DecoderParameters, DeepseekExperts {}

/** Reads the mixture of a file, whose shared experts are counted. */
export function readDeepseekMixture(
  file: HyperParameterReader,
  feedForwardWidth: number,
): Pick<DeepseekExperts, 'denseLayers' | 'mixture'> {
  if (file.countOrZero('expert_count') === 0) return { denseLayers: file.count('block_count') };
  const mixture = readExperts(file, feedForwardWidth);
  const sharedWidth = file.countOrZero('expert_shared_count') * mixture.expertWidth;
  return {
    denseLayers: file.countOrZero('leading_dense_block_count'),
    mixture: { ...mixture, sharedWidth: mixture.sharedWidth || sharedWidth },
  };
}

/** The factor on the weights of the experts; some files write 0 for none. */
export function readExpertScale(file: HyperParameterReader): number {
  return file.notNegative('expert_weights_scale') || 1;
}

export const deepseek: Architecture<DeepseekParameters> = {
  names: ['deepseek'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    const routing = { gating: 'softmax', normalise: false, scale: readExpertScale(file) } as const;
    return { ...h, ...readDeepseekMixture(file, h.feedForwardWidth), routing };
  },

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block, layer) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...(h.mixture === undefined || layer < h.denseLayers
        ? gatedFeedForwardTensors(block, h.width, h.feedForwardWidth)
        : expertTensors(block, h.width, h.mixture)),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('interleaved', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), attended);
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      const fed =
        h.mixture === undefined || layer < h.denseLayers
          ? gatedFeedForward(g, again, block, 'silu')
          : expertFeedForward(g, again, block, h.mixture, h.routing);
      return g.add(middle, fed);
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
