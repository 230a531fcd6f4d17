/** What encoders have in common: no causal mask, pooled results, embeddings normalised at once. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { ActivationId } from '../../graph/ops.ts';
import type { Pooling, TensorRequirement } from '../architecture.ts';
import { matrix, optional } from '../architecture.ts';
import type { HyperParameterReader, HyperParameters } from '../hyper-parameters.ts';
import type { DecoderParameters } from './decoder.ts';
import { readDecoder } from './decoder.ts';
import { layerNorm, normTensors } from './norm.ts';

export interface EncoderParameters extends DecoderParameters {
  readonly pooling: Pooling;
  /** Kinds of segments; Hermit's texts are all of the first. */
  readonly tokenTypes: number;
}

const poolings: Readonly<Record<number, Pooling>> = { 1: 'mean', 2: 'first', 3: 'last' };

/** Reads `pooling_type`; the mean where the file leaves it open. */
export function readPooling(file: HyperParameterReader): Pooling {
  if (file.boolean('attention.causal', false)) {
    throw file.unsupported('attention.causal', 'an encoder that does not see later tokens');
  }
  return poolingOf(file, file.has('pooling_type') ? file.countOrZero('pooling_type') : 1);
}

/** Of a decoder: files of those that were trained to make vectors (Qwen3 Embedding) name a pooling. */
export function readDecoderPooling(file: HyperParameterReader): Pooling | null {
  const type = file.countOrZero('pooling_type');
  return type === 0 ? null : poolingOf(file, type);
}

function poolingOf(file: HyperParameterReader, type: number): Pooling {
  const pooling = poolings[type];
  if (pooling !== undefined) return pooling;
  throw file.unsupported('pooling_type', 'another way to pool its vectors');
}

export function readEncoder(file: HyperParameterReader): EncoderParameters {
  return {
    ...readDecoder(file, 'layer'),
    pooling: readPooling(file),
    tokenTypes: file.metadata.getUnsigned('tokenizer.ggml.token_type_count', 1),
  };
}

/** Tokens, their segments, and the norm behind their sum. */
export function embeddingTensors(
  h: HyperParameters & Pick<EncoderParameters, 'tokenTypes'>,
): readonly TensorRequirement[] {
  return [
    matrix('token_embd.weight', h.width, h.vocabularySize, 'embedding'),
    optional(matrix('token_types.weight', h.width, h.tokenTypes)),
    ...normTensors('token_embd_norm', h.width),
  ];
}

/** norm(token + segment, and what else is added to them) */
export function embedded(
  g: GraphBuilder,
  h: EncoderParameters,
  ...others: readonly ActivationId[]
): ActivationId {
  const segment = g.hasWeight('token_types.weight')
    ? [g.embed('token_types.weight', 1, 'first')]
    : [];
  const sum = [...segment, ...others].reduce((x, y) => g.add(x, y), g.embed('token_embd.weight'));
  return layerNorm(g, sum, 'token_embd_norm', h.epsilon);
}
