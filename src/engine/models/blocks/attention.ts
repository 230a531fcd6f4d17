/** Self-attention of a decoder layer, from the normalised input to the values or the output projection. */
import type { GraphBuilder, RopeOptions } from '../../graph/graph-builder.ts';
import type { ActivationId, NormOp } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import type { Keep } from './decoder.ts';
import { linear, linearTensors } from './linear.ts';
import { normalise } from './norm.ts';

export interface AttentionShape {
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface AttentionSettings extends AttentionShape {
  /** Null where positions are not rotated. */
  readonly rotary: Pick<RopeOptions, 'layout' | 'inverseFrequencies' | 'magnitude'> | null;
  /** Positions a query sees, 0 for all. */
  readonly window: number;
  /** Whether it sees none behind its own; true unless given. */
  readonly causal?: boolean;
  /** Factor on q.k; 1 / sqrt(headDim) unless given (Vaswani et al. 2017, arXiv:1706.03762). */
  readonly scale?: number;
  readonly softcap?: number;
  /** The weight with a sink a head (`AttentionOp.sinks`). */
  readonly sinks?: string;
  /**
   * Normalisation of queries and keys before they are rotated (Henry et al. 2020,
   * arXiv:2010.04245): of every head, or of all heads of a token together.
   */
  readonly queryKeyNorm?: {
    readonly kind: NormOp['kind'];
    readonly over: 'head' | 'row';
    readonly epsilon: number;
  };
}

/** Queries, keys and values may be tensors of their own or rows of one `attn_qkv`. */
export function attentionTensors(
  block: string,
  { width, heads, kvHeads, headDim }: AttentionShape,
): readonly TensorRequirement[] {
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const fused = { tensor: `${block}.attn_qkv`, rows: queries + 2 * keys };
  return [
    ...linearTensors(`${block}.attn_q`, width, queries, { ...fused, firstRow: 0 }),
    ...linearTensors(`${block}.attn_k`, width, keys, { ...fused, firstRow: queries }),
    ...linearTensors(`${block}.attn_v`, width, keys, { ...fused, firstRow: queries + keys }),
    ...linearTensors(`${block}.attn_output`, queries, width),
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
  const { heads, kvHeads, headDim } = settings;
  const q = queriesOrKeys(g, x, `${block}.attn_q`, heads, settings);
  const k = queriesOrKeys(g, x, `${block}.attn_k`, kvHeads, settings);
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
    causal: settings.causal ?? true,
    sinks: settings.sinks ?? null,
  });
}

function queriesOrKeys(
  g: GraphBuilder,
  x: ActivationId,
  name: string,
  heads: number,
  { headDim, queryKeyNorm, rotary }: AttentionSettings,
): ActivationId {
  let y = linear(g, x, name);
  if (queryKeyNorm !== undefined) {
    const { kind, over, epsilon } = queryKeyNorm;
    const groupSize = over === 'head' ? headDim : heads * headDim;
    y = normalise(g, y, `${name}_norm`, { kind, epsilon, groupSize });
  }
  return rotary === null ? y : g.rope(y, { heads, headDim, ...rotary });
}

/** Attention with its output projection, of the rows that `keep` leaves. */
export function attention(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  layer: number,
  settings: AttentionSettings,
  keep: Keep,
): ActivationId {
  const values = keep(attentionValues(g, x, block, layer, settings));
  return linear(g, values, `${block}.attn_output`);
}
