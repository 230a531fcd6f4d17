/**
 * Gemma 2 (Gemma Team 2024, arXiv:2408.00118): Gemma with norms after attention and feed-forward too,
 * soft caps on attention scores and logits, and a sliding window in every second layer.
 */
import type { Architecture } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import { rotation } from './blocks/rotary-frequencies.ts';
import { sandwichTensors } from './blocks/sandwich-norm.ts';

interface Gemma2Parameters extends DecoderParameters {
  readonly windowed: readonly boolean[];
  readonly attentionScale: number;
  readonly scoreSoftcap: number;
  readonly logitSoftcap: number;
}

/** The 27B model, whose queries are scaled by width / heads where the others have the head's size. */
const layersOf27B = 46;

export const gemma2: Architecture<Gemma2Parameters> = {
  names: ['gemma2'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    return {
      ...h,
      windowed: file.windowedLayers(h.layers, 2),
      attentionScale: 1 / Math.sqrt(h.layers === layersOf27B ? h.width / h.heads : h.headDim),
      scoreSoftcap: file.positive('attn_logit_softcapping', 50),
      logitSoftcap: file.positive('final_logit_softcapping', 30),
    };
  },

  tensors: (h) => sandwichTensors(h),

  forward(g, h, constants, contextLength) {
    const settings = {
      ...h,
      rotary: rotation('split', h.rotary, constants, contextLength),
      scale: h.attentionScale,
      softcap: h.scoreSoftcap,
    };
    const embedded = g.embed('token_embd.weight', Math.sqrt(h.width));
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const own = { ...settings, window: h.windowed[layer] === true ? h.window : 0 };
      const norm = (y: number, name: string): number =>
        g.rmsNorm(y, `${block}.${name}.weight`, h.epsilon);
      const attended = attention(g, norm(input, 'attn_norm'), block, layer, own, keep);
      const middle = g.add(keep(input), norm(attended, 'post_attention_norm'));
      const fed = gatedFeedForward(g, norm(middle, 'ffn_norm'), block, 'gelu-tanh');
      return g.add(middle, norm(fed, 'post_ffw_norm'));
    });
    const logits = outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
    return g.scale(logits, 1, h.logitSoftcap);
  },
};
