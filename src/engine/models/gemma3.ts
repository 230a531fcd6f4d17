/**
 * Gemma 3 (Gemma Team 2025, arXiv:2503.19786), text only: Gemma 2 with normalised queries and keys
 * instead of soft caps, and five layers with a sliding window to one without; those with a window
 * rotate with a base of their own and are never stretched.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import type { RotarySettings } from './blocks/rotary-frequencies.ts';
import { rotation } from './blocks/rotary-frequencies.ts';
import { sandwichTensors } from './blocks/sandwich-norm.ts';

interface Gemma3Parameters extends DecoderParameters {
  readonly windowed: readonly boolean[];
  /** In the layers with a window. */
  readonly windowRotary: RotarySettings;
  readonly attentionScale: number;
  /** 0 for none. */
  readonly logitSoftcap: number;
}

/** The 27B model, whose queries are scaled by width / heads where the others have the head's size. */
const layersOf27B = 62;

export const gemma3: Architecture<Gemma3Parameters> = {
  names: ['gemma3'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    return {
      ...h,
      rotary: { ...h.rotary, base: file.positive('rope.freq_base', 1e6) },
      windowed: file.windowedLayers(h.layers, 6),
      windowRotary: {
        dimensions: h.rotary.dimensions,
        base: file.positive('rope.freq_base_swa', 10000),
        scaling: { kind: 'none' },
      },
      attentionScale: 1 / Math.sqrt(h.layers === layersOf27B ? h.width / h.heads : h.headDim),
      logitSoftcap: file.notNegative('final_logit_softcapping'),
    };
  },

  tensors: (h) => [
    ...sandwichTensors(h),
    ...Array.from({ length: h.layers }, (_, layer) => [
      vector(`blk.${layer}.attn_q_norm.weight`, h.headDim),
      vector(`blk.${layer}.attn_k_norm.weight`, h.headDim),
    ]).flat(),
  ],

  forward(g, h, constants, contextLength) {
    const queryKeyNorm = { kind: 'rms', over: 'head', epsilon: h.epsilon } as const;
    const shared = { ...h, queryKeyNorm, scale: h.attentionScale };
    const whole = rotation('split', h.rotary, constants, contextLength);
    const global = { ...shared, window: 0, rotary: whole };
    const local = { ...shared, rotary: rotation('split', h.windowRotary, new Map(), 0) };
    const embedded = g.embed('token_embd.weight', Math.sqrt(h.width));
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const own = h.windowed[layer] === true ? local : global;
      const norm = (y: number, name: string): number =>
        g.rmsNorm(y, `${block}.${name}.weight`, h.epsilon);
      const attended = attention(g, norm(input, 'attn_norm'), block, layer, own, keep);
      const middle = g.add(keep(input), norm(attended, 'post_attention_norm'));
      const fed = gatedFeedForward(g, norm(middle, 'ffn_norm'), block, 'gelu-tanh');
      return g.add(middle, norm(fed, 'post_ffw_norm'));
    });
    const logits = outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
    return h.logitSoftcap > 0 ? g.scale(logits, 1, h.logitSoftcap) : logits;
  },
};
