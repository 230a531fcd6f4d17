/**
 * Granite 3 (IBM Granite Team 2024, "Granite 3.0 Language Models"): a Llama whose embeddings,
 * attention scores, residual branches and logits are scaled by numbers of the file (after Yang et
 * al. 2022, arXiv:2203.03466). Its small models have mixtures of experts, whose weights are a softmax
 * over those chosen.
 */
import type { Architecture } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { expertFeedForward, readExperts } from './blocks/experts.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import { rotation } from './blocks/rotary-frequencies.ts';
import { llama } from './llama.ts';

interface GraniteParameters extends DecoderParameters {
  readonly embeddingScale: number;
  readonly attentionScale: number;
  readonly residualScale: number;
  /** Divides the logits. */
  readonly logitScale: number;
}

/** Equal to a softmax over the chosen experts' scores. */
const routing = { gating: 'softmax', normalise: true } as const;

export const granite: Architecture<GraniteParameters> = {
  names: ['granite', 'granitemoe'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    return {
      ...h,
      ...(file.countOrZero('expert_count') > 0 && {
        mixture: readExperts(file, h.feedForwardWidth),
      }),
      embeddingScale: file.positive('embedding_scale', 1),
      attentionScale: file.positive('attention.scale', 1 / Math.sqrt(h.headDim)),
      residualScale: file.positive('residual_scale', 1),
      logitScale: file.positive('logit_scale', 1),
    };
  },

  tensors: (h) => llama.tensors(h),

  forward(g, h, constants, contextLength) {
    const rotary = rotation('interleaved', h.rotary, constants, contextLength);
    const settings = { ...h, rotary, scale: h.attentionScale };
    const embedded = g.embed('token_embd.weight', h.embeddingScale);
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const attended = attention(g, normed, block, layer, settings, keep);
      const middle = g.add(keep(input), g.scale(attended, h.residualScale));
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      const fed =
        h.mixture === undefined
          ? gatedFeedForward(g, again, block, 'silu')
          : expertFeedForward(g, again, block, h.mixture, routing);
      return g.add(middle, g.scale(fed, h.residualScale));
    });
    const logits = outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
    return g.scale(logits, 1 / h.logitScale);
  },
};
