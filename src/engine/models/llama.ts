/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971 and 2307.09288; Grattafiori et al. 2024,
 * arXiv:2407.21783) and the many models of the same form: Mistral (Jiang et al. 2023,
 * arXiv:2310.06825), TinyLlama, SmolLM2.
 *
 * Pre-norm decoder: RMSNorm, grouped-query attention with rotary positions, SwiGLU. GGUF stores the
 * rows of q and k so that rotated pairs are neighbours.
 */
import type { Architecture } from './architecture.ts';
import { constant, matrix, optional, vector } from './architecture.ts';
import { attentionTensors, attentionValues } from './blocks/attention.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { linear } from './blocks/linear.ts';
import type { RotarySettings } from './blocks/rotary-frequencies.ts';
import { readRotarySettings, rotaryFrequencies } from './blocks/rotary-frequencies.ts';
import type { HyperParameterReader, HyperParameters } from './hyper-parameters.ts';

interface LlamaParameters extends HyperParameters {
  readonly heads: number;
  readonly feedForwardWidth: number;
  readonly epsilon: number;
  readonly rotary: RotarySettings;
  /** Positions a query sees (Mistral's sliding window), 0 for all. */
  readonly window: number;
}

const ropeDivisors = 'rope_freqs.weight';

export const llama: Architecture<LlamaParameters> = {
  names: ['llama'],

  hyperParameters(file: HyperParameterReader): LlamaParameters {
    if (file.countOrZero('expert_count') > 0) {
      throw file.unsupported('expert_count', 'a mixture of experts');
    }
    const width = file.count('embedding_length');
    const heads = file.count('attention.head_count');
    const kvHeads = file.count('attention.head_count_kv', heads);
    if (heads % kvHeads !== 0) {
      throw file.malformed('attention.head_count_kv', `does not divide the ${heads} heads`);
    }
    if (width % heads !== 0 && !file.has('attention.key_length')) {
      throw file.malformed('attention.head_count', `does not divide the width ${width}`);
    }
    const headDim = file.count('attention.key_length', width / heads);
    if (file.count('attention.value_length', headDim) !== headDim) {
      throw file.unsupported('attention.value_length', 'values of another size than keys');
    }
    return {
      layers: file.count('block_count'),
      width,
      vocabularySize: file.vocabularySize(),
      trainedContext: file.count('context_length'),
      heads,
      kvHeads,
      headDim,
      feedForwardWidth: file.count('feed_forward_length'),
      epsilon: file.positive('attention.layer_norm_rms_epsilon'),
      rotary: readRotarySettings(file, headDim),
      window: file.countOrZero('attention.sliding_window'),
    };
  },

  tensors(h) {
    const layers = Array.from({ length: h.layers }, (_, layer) => [
      vector(`blk.${layer}.attn_norm.weight`, h.width),
      ...attentionTensors(`blk.${layer}`, h),
      vector(`blk.${layer}.ffn_norm.weight`, h.width),
      ...gatedFeedForwardTensors(`blk.${layer}`, h.width, h.feedForwardWidth),
    ]);
    return [
      constant(ropeDivisors, h.rotary.dimensions / 2),
      matrix('token_embd.weight', h.width, h.vocabularySize, 'embedding'),
      ...layers.flat(),
      vector('output_norm.weight', h.width),
      optional(matrix('output.weight', h.width, h.vocabularySize, 'output')),
    ];
  },

  forward(g, h, constants) {
    const frequencies = rotaryFrequencies(h.rotary, constants.get(ropeDivisors));
    const attention = { ...h, rotary: { layout: 'interleaved', ...frequencies } } as const;

    let x = g.embed('token_embd.weight');
    for (let layer = 0; layer < h.layers; layer++) {
      const block = `blk.${layer}`;
      let values = g.rmsNorm(x, `${block}.attn_norm.weight`, h.epsilon);
      values = attentionValues(g, values, block, layer, attention);
      if (layer === h.layers - 1) {
        // after the last attention no row depends on another: go on with those asked for
        values = g.takeOutputs(values);
        x = g.takeOutputs(x);
      }
      x = g.add(x, linear(g, values, `${block}.attn_output`));
      const normed = g.rmsNorm(x, `${block}.ffn_norm.weight`, h.epsilon);
      x = g.add(x, gatedFeedForward(g, normed, block, 'silu'));
    }
    x = g.rmsNorm(x, 'output_norm.weight', h.epsilon);
    // many small models use the embedding as the output matrix
    return g.matmul(x, g.hasWeight('output.weight') ? 'output.weight' : 'token_embd.weight');
  },
};
