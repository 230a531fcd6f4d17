/**
 * GLM-4-0414 (GLM Team 2024, arXiv:2406.12793, and its release of April 2025): SwiGLU, norms before
 * and after attention and feed-forward, rotary positions in half of every head, neighbours in pairs.
 */
import type { Architecture } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import { rotation } from './blocks/rotary-frequencies.ts';
import { sandwichTensors } from './blocks/sandwich-norm.ts';

export const glm4: Architecture<DecoderParameters> = {
  names: ['glm4'],

  hyperParameters: (file) => readDecoder(file, 'rms'),

  tensors: sandwichTensors,

  forward(g, h, constants, contextLength) {
    const rotary = rotation('interleaved', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const norm = (y: number, name: string): number =>
        g.rmsNorm(y, `${block}.${name}.weight`, h.epsilon);
      const attended = attention(g, norm(input, 'attn_norm'), block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), norm(attended, 'post_attention_norm'));
      const fed = gatedFeedForward(g, norm(middle, 'ffn_norm'), block, 'silu');
      return g.add(middle, norm(fed, 'post_ffw_norm'));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
