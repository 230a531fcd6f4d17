/** Tensors of layers with an RMSNorm before and after attention and feed-forward. */
import type { TensorRequirement } from '../architecture.ts';
import { vector } from '../architecture.ts';
import { attentionTensors } from './attention.ts';
import type { DecoderParameters } from './decoder.ts';
import { decoderTensors } from './decoder.ts';
import { gatedFeedForwardTensors } from './feed-forward.ts';
import { rotaryTensors } from './rotary-frequencies.ts';

export function sandwichTensors(h: DecoderParameters): readonly TensorRequirement[] {
  return [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.post_attention_norm.weight`, h.width),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
      vector(`${block}.post_ffw_norm.weight`, h.width),
    ]),
    vector('output_norm.weight', h.width),
  ];
}
