/**
 * OLMo 2 (OLMo Team 2024, arXiv:2501.00656): norms after attention and feed-forward instead of before
 * them, and RMSNorm over all query and all key heads together. OLMo 3 goes by the same name: it has
 * layers with a sliding window, whose rotations are not stretched.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';

interface Olmo2Parameters extends DecoderParameters {
  readonly windowed: readonly boolean[];
}

export const olmo2: Architecture<Olmo2Parameters> = {
  names: ['olmo2'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    return { ...h, windowed: h.window > 0 ? file.windowedLayers(h.layers, 4) : [] };
  },

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      ...attentionTensors(block, h),
      vector(`${block}.attn_q_norm.weight`, h.heads * h.headDim),
      vector(`${block}.attn_k_norm.weight`, h.kvHeads * h.headDim),
      vector(`${block}.post_attention_norm.weight`, h.width),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
      vector(`${block}.post_ffw_norm.weight`, h.width),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const queryKeyNorm = { kind: 'rms', over: 'row', epsilon: h.epsilon } as const;
    const unstretched = { ...h.rotary, scaling: { kind: 'none' } } as const;
    const global = {
      ...h,
      queryKeyNorm,
      rotary: rotation('split', h.rotary, constants, contextLength),
      window: 0,
    };
    const local = {
      ...h,
      queryKeyNorm,
      rotary: rotation('split', unstretched, constants, contextLength),
    };
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const own = h.windowed[layer] === true ? local : global;
      const norm = (y: number, name: string): number =>
        g.rmsNorm(y, `${block}.${name}.weight`, h.epsilon);
      const attended = attention(g, input, block, layer, own, keep);
      const middle = g.add(keep(input), norm(attended, 'post_attention_norm'));
      const fed = gatedFeedForward(g, middle, block, 'silu');
      return g.add(middle, norm(fed, 'post_ffw_norm'));
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
