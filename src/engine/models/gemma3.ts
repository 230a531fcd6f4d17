/**
 * Gemma 3 (Gemma Team 2025, arXiv:2503.19786), text only: Gemma 2 with normalised queries and keys
 * instead of soft caps, and five layers with a sliding window to one without; those with a window
 * rotate with a base of their own and are never stretched.
 *
 * EmbeddingGemma (Vera et al. 2025, arXiv:2509.20354) is the same as an encoder: every token sees those
 * on both sides, and two more matrices follow the pooling. They have no bias, so that they may as well
 * be applied to every token before it.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ActivationId } from '../graph/ops.ts';
import type { Architecture, Constants, Pooling, TensorRequirement } from './architecture.ts';
import { matrix, optional, vector } from './architecture.ts';
import { attention } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, outputLogits, readDecoder } from './blocks/decoder.ts';
import { readPooling } from './blocks/encoder.ts';
import { gatedFeedForward } from './blocks/feed-forward.ts';
import { linear } from './blocks/linear.ts';
import type { RotarySettings } from './blocks/rotary-frequencies.ts';
import { rotation } from './blocks/rotary-frequencies.ts';
import { sandwichTensors } from './blocks/sandwich-norm.ts';
import type { HyperParameterReader } from './hyper-parameters.ts';

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

interface GemmaEmbeddingParameters extends Gemma3Parameters {
  readonly pooling: Pooling;
  /** Columns between the two matrices behind the pooling. */
  readonly denseWidth: number;
}

export const gemma3: Architecture<Gemma3Parameters> = {
  names: ['gemma3'],

  hyperParameters: readGemma3,

  tensors: gemma3Tensors,

  forward(g, h, constants, contextLength) {
    const x = gemma3Layers(g, h, constants, contextLength, true);
    const logits = outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
    return h.logitSoftcap > 0 ? g.scale(logits, 1, h.logitSoftcap) : logits;
  },
};

export const gemmaEmbedding: Architecture<GemmaEmbeddingParameters> = {
  names: ['gemma-embedding'],

  hyperParameters(file) {
    const h = readGemma3(file);
    const denseWidth = file.count('dense_2_feat_out', 4 * h.width);
    return { ...h, pooling: readPooling(file), denseWidth };
  },

  pooling: (h) => h.pooling,

  tensors: (h) => [
    ...gemma3Tensors(h),
    optional(matrix('dense_2.weight', h.width, h.denseWidth)),
    optional(matrix('dense_3.weight', h.denseWidth, h.width)),
  ],

  forward(g, h, constants, contextLength) {
    const x = gemma3Layers(g, h, constants, contextLength, false);
    const vectors = g.rmsNorm(x, 'output_norm.weight', h.epsilon);
    if (!g.hasWeight('dense_2.weight')) return vectors;
    return linear(g, linear(g, vectors, 'dense_2'), 'dense_3');
  },
};

function readGemma3(file: HyperParameterReader): Gemma3Parameters {
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
}

function gemma3Tensors(h: Gemma3Parameters): readonly TensorRequirement[] {
  return [
    ...sandwichTensors(h),
    ...Array.from({ length: h.layers }, (_, layer) => [
      vector(`blk.${layer}.attn_q_norm.weight`, h.headDim),
      vector(`blk.${layer}.attn_k_norm.weight`, h.headDim),
    ]).flat(),
  ];
}

function gemma3Layers(
  g: GraphBuilder,
  h: Gemma3Parameters,
  constants: Constants,
  contextLength: number,
  causal: boolean,
): ActivationId {
  const queryKeyNorm = { kind: 'rms', over: 'head', epsilon: h.epsilon } as const;
  const shared = { ...h, queryKeyNorm, scale: h.attentionScale, causal };
  const whole = rotation('split', h.rotary, constants, contextLength);
  const global = { ...shared, window: 0, rotary: whole };
  const local = { ...shared, rotary: rotation('split', h.windowRotary, new Map(), 0) };
  const embedded = g.embed('token_embd.weight', Math.sqrt(h.width));
  return decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
    const own = h.windowed[layer] === true ? local : global;
    const norm = (y: ActivationId, name: string): ActivationId =>
      g.rmsNorm(y, `${block}.${name}.weight`, h.epsilon);
    // the layers of an encoder share one layer of the cache
    const slot = causal ? layer : 0;
    const attended = attention(g, norm(input, 'attn_norm'), block, slot, own, keep);
    const middle = g.add(keep(input), norm(attended, 'post_attention_norm'));
    const fed = gatedFeedForward(g, norm(middle, 'ffn_norm'), block, 'gelu-tanh');
    return g.add(middle, norm(fed, 'post_ffw_norm'));
  });
}
