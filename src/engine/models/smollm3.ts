/**
 * SmolLM3 (Bakouch et al. 2025, "SmolLM3: smol, multilingual, long-context reasoner"): a Llama in
 * which every fourth layer does not rotate queries and keys (NoPE; Yang et al. 2025, arXiv:2501.18795).
 */
import type { Architecture } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import { rotation } from './blocks/rotary-frequencies.ts';
import { llama } from './llama.ts';

const unrotatedEvery = 4;

export const smollm3: Architecture<DecoderParameters> = {
  names: ['smollm3'],

  hyperParameters: (file) => readDecoder(file, 'rms'),

  tensors: (h) => llama.tensors(h),

  forward(g, h, constants, contextLength) {
    const rotated = rotation('interleaved', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const rotary = (layer + 1) % unrotatedEvery === 0 ? null : rotated;
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const attended = attention(g, normed, block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), attended);
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      return g.add(middle, gatedFeedForward(g, again, block, 'silu'));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
