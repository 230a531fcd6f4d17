/**
 * gpt-oss (OpenAI 2025, arXiv:2508.10925, and its published code): every second layer sees a window
 * of positions; every head has a sink, a score that takes its share of the attention and gives nothing;
 * the feed-forward blocks are mixtures of experts with biases, whose weights are a softmax over those
 * chosen and whose SwiGLU is clamped. The bounds of YaRN are not rounded to whole pairs.
 */
import type { Architecture } from './architecture.ts';
import { vector } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import {
  expertBiasTensors,
  expertFeedForward,
  expertTensors,
  readExperts,
} from './blocks/experts.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';
import type { ExpertParameters } from './hyper-parameters.ts';

interface GptOssParameters extends DecoderParameters {
  readonly mixture: ExpertParameters;
  readonly windowed: readonly boolean[];
}

export const gptOss: Architecture<GptOssParameters> = {
  names: ['gpt-oss'],

  hyperParameters(file) {
    const h = readDecoder(file, 'rms');
    const { scaling } = h.rotary;
    return {
      ...h,
      rotary: {
        ...h.rotary,
        scaling: scaling.kind === 'yarn' ? { ...scaling, wholePairs: false } : scaling,
      },
      mixture: readExperts(file, h.feedForwardWidth),
      windowed: file.windowedLayers(h.layers, 2),
    };
  },

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.attn_sinks.weight`, h.heads),
      vector(`${block}.post_attention_norm.weight`, h.width),
      ...expertTensors(block, h.width, h.mixture),
      ...expertBiasTensors(block, h.width, h.mixture),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('split', h.rotary, constants, contextLength);
    const routing = { gating: 'softmax-of-chosen', normalise: false } as const;
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const window = h.windowed[layer] === true ? h.window : 0;
      const settings = { ...h, rotary, window, sinks: `${block}.attn_sinks.weight` };
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const middle = g.add(keep(input), attention(g, normed, block, layer, settings, keep));
      const again = g.rmsNorm(middle, `${block}.post_attention_norm.weight`, h.epsilon);
      const fed = expertFeedForward(g, again, block, h.mixture, routing, 'clamped-silu');
      return g.add(middle, fed);
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};
