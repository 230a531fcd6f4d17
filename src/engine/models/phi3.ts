/**
 * Phi-3 and Phi-4 mini (Abdin et al. 2024, arXiv:2404.14219): a Llama with one tensor for q, k and v
 * and one for gate and up; the models for long contexts stretch their rotations by LongRoPE.
 */
import type { Architecture } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import { readLongRope, rotation } from './blocks/rotary-frequencies.ts';
import { llama } from './llama.ts';

export const phi3: Architecture<DecoderParameters> = {
  names: ['phi3'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    // the files do not name their scaling; without factors and lengths it changes nothing
    return { ...h, rotary: { ...h.rotary, scaling: readLongRope(file) } };
  },

  tensors: (h) => llama.tensors(h),

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), attended);
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      return g.add(middle, gatedFeedForward(g, again, block, 'silu'));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
