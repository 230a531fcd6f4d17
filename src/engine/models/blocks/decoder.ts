/** What decoder-only transformers have in common around their layers: numbers, embedding, output. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId } from '../../graph/ops.ts';
import type { TensorRequirement } from '../architecture.ts';
import { matrix, optional } from '../architecture.ts';
import type { HyperParameterReader, HyperParameters } from '../hyper-parameters.ts';
import { linear } from './linear.ts';
import type { RotarySettings } from './rotary-frequencies.ts';
import { readRotarySettings } from './rotary-frequencies.ts';

export interface DecoderParameters extends HyperParameters {
  readonly heads: number;
  readonly feedForwardWidth: number;
  /** Of the normalisations. */
  readonly epsilon: number;
  readonly rotary: RotarySettings;
  /** Positions a query sees in the layers that have a window, 0 for all. */
  readonly window: number;
}

const epsilonKeys = {
  rms: 'attention.layer_norm_rms_epsilon',
  layer: 'attention.layer_norm_epsilon',
} as const;

/** Reads the numbers that go by one name in all architectures. */
export function readDecoder(
  file: HyperParameterReader,
  norm: keyof typeof epsilonKeys,
  { kvHeads = readKvHeads(file) }: { readonly kvHeads?: number } = {},
): DecoderParameters {
  const width = file.count('embedding_length');
  const heads = file.count('attention.head_count');
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
    epsilon: file.positive(epsilonKeys[norm]),
    rotary: readRotarySettings(file, headDim),
    window: file.countOrZero('attention.sliding_window'),
  };
}

/** One number, or a list of equal ones. */
function readKvHeads(file: HyperParameterReader): number {
  const key = 'attention.head_count_kv';
  if (!file.isList(key)) return file.count(key, file.count('attention.head_count'));
  const [first = 0, ...others] = file.countsOfLayers(key, file.count('block_count'));
  if (first === 0) throw file.malformed(key, 'begins with 0');
  if (others.every((count) => count === first)) return first;
  throw file.unsupported(key, 'layers with different numbers of key heads');
}

/** The token embedding, the tensors of every layer, and the output matrix that may be tied to the embedding. */
export function decoderTensors(
  h: HyperParameters,
  layerTensors: (block: string, layer: number) => readonly TensorRequirement[],
): readonly TensorRequirement[] {
  return [
    matrix('token_embd.weight', h.width, h.vocabularySize, 'embedding'),
    ...Array.from({ length: h.layers }, (_, layer) => layerTensors(`blk.${layer}`, layer)).flat(),
    optional(matrix('output.weight', h.width, h.vocabularySize, 'output')),
  ];
}

/** Drops the rows nobody asked for, where no later operator needs them. */
export type Keep = (x: ActivationId) => ActivationId;

/**
 * One layer after the other. After the attention of the last one no row depends on another: there
 * `keep` goes on with the rows that were asked for, and before it does nothing.
 */
export function decoderLayers(
  g: GraphBuilder,
  layers: number,
  x: ActivationId,
  layerStep: (x: ActivationId, block: string, layer: number, keep: Keep) => ActivationId,
): ActivationId {
  let result = x;
  for (let layer = 0; layer < layers; layer++) {
    const keep: Keep = (y) => (layer === layers - 1 ? g.takeOutputs(y) : y);
    result = layerStep(result, `blk.${layer}`, layer, keep);
  }
  return result;
}

/**
 * Logits; many small models use the embedding as the output matrix. Where the file says that its
 * vectors are pooled, these are what is wanted.
 */
export function outputLogits(g: GraphBuilder, x: ActivationId): ActivationId {
  if (g.wantsVectors) {
    g.vectors = x;
    return x;
  }
  return g.hasWeight('output.weight') ? linear(g, x, 'output') : g.matmul(x, 'token_embd.weight');
}
