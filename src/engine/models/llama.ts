/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971 and 2307.09288; Grattafiori et al. 2024,
 * arXiv:2407.21783) and the many models of the same form: Mistral (Jiang et al. 2023,
 * arXiv:2310.06825), TinyLlama, SmolLM2, InternLM2 (Cai et al. 2024, arXiv:2403.17297); Mixtral (Jiang
 * et al. 2024, arXiv:2401.04088), whose feed-forward blocks are mixtures of experts; Qwen2 (Yang et al.
 * 2024, arXiv:2407.10671), which adds biases to q, k and v and another order of the rotated pairs.
 *
 * Pre-norm decoder: RMSNorm, grouped-query attention with rotary positions, SwiGLU. For `llama` GGUF
 * stores the rows of q and k so that rotated pairs are neighbours.
 */
import type { RopeOptions } from '../graph/graph-builder.ts';
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { expertFeedForward, expertTensors, readExperts } from './blocks/experts.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

export const llama = llamaOf(['llama', 'internlm2'], 'interleaved');
export const qwen2 = llamaOf(['qwen2'], 'split');

/** Equal to a softmax over the chosen experts' scores. */
const mixtral = { gating: 'softmax', normalise: true } as const;

function llamaOf(
  names: readonly string[],
  layout: RopeOptions['layout'],
): Architecture<DecoderParameters> {
  return {
    names,

    hyperParameters(file) {
      const h = readDecoder(file, 'rms');
      if (file.countOrZero('expert_count') === 0) return h;
      return { ...h, mixture: readExperts(file, h.feedForwardWidth) };
    },

    tensors: (h) => [
      ...rotaryTensors(h.rotary),
      ...decoderTensors(h, (block) => [
        vector(`${block}.attn_norm.weight`, h.width),
        ...attentionTensors(block, h),
        vector(`${block}.ffn_norm.weight`, h.width),
        ...(h.mixture === undefined
          ? gatedFeedForwardTensors(block, h.width, h.feedForwardWidth)
          : expertTensors(block, h.width, h.mixture)),
      ]),
      vector('output_norm.weight', h.width),
    ],

    forward(g, h, constants, contextLength) {
      const rotary = rotation(layout, h.rotary, constants, contextLength);
      const embedded = g.embed('token_embd.weight');
      const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
        const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
        const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
        const middle = g.add(keep(input), attended);
        const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
        const fed =
          h.mixture === undefined
            ? gatedFeedForward(g, again, block, 'silu')
            : expertFeedForward(g, again, block, h.mixture, mixtral);
        return g.add(middle, fed);
      });
      return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
    },
  };
}
