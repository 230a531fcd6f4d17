/** Self-attention of a decoder layer, from the normalised input to the values before `attn_output`. */
import type { GraphBuilder, RopeOptions } from '../../graph/graph-builder.ts';
import type { ActivationId } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { linear, linearTensors } from './linear.ts';

export interface AttentionShape {
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface AttentionSettings extends AttentionShape {
  readonly rotary: Pick<RopeOptions, 'layout' | 'inverseFrequencies' | 'magnitude'>;
  /** Positions a query sees, 0 for all. */
  readonly window: number;
  /** Factor on q.k; 1 / sqrt(headDim) unless given (Vaswani et al. 2017, arXiv:1706.03762). */
  readonly scale?: number;
  readonly softcap?: number;
}

export function attentionTensors(
  block: string,
  { width, heads, kvHeads, headDim }: AttentionShape,
): readonly TensorRequirement[] {
  return [
    ...linearTensors(`${block}.attn_q`, width, heads * headDim),
    ...linearTensors(`${block}.attn_k`, width, kvHeads * headDim),
    ...linearTensors(`${block}.attn_v`, width, kvHeads * headDim),
    ...linearTensors(`${block}.attn_output`, heads * headDim, width),
  ];
}

/**
 * Grouped-query attention with rotary positions over the KV cache: (tokens, heads * headDim). The
 * output projection is left to the caller, who may first drop the rows nobody asked for.
 */
export function attentionValues(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  layer: number,
  settings: AttentionSettings,
): ActivationId {
  const { heads, kvHeads, headDim, rotary } = settings;
  const q = g.rope(linear(g, x, `${block}.attn_q`), { heads, headDim, ...rotary });
  const k = g.rope(linear(g, x, `${block}.attn_k`), { heads: kvHeads, headDim, ...rotary });
  const v = linear(g, x, `${block}.attn_v`);
  g.cacheWrite(layer, k, v);
  return g.attention(q, {
    layer,
    heads,
    kvHeads,
    headDim,
    scale: settings.scale ?? 1 / Math.sqrt(headDim),
    softcap: settings.softcap ?? 0,
    window: settings.window,
  });
}
