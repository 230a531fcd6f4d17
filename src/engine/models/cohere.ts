/**
 * Command R (Cohere 2024, "Command R: RAG at Production Scale") and Command R7B (Cohere 2025,
 * arXiv:2504.00698): attention and SwiGLU side by side behind one LayerNorm without bias, logits
 * times a number of the file. Command R+ normalises every query and key head with weights of its own.
 * Command R7B (`cohere2`) has three layers with rotary positions and a sliding window to one without
 * either.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ActivationId } from '../graph/ops.ts';
import type { Architecture, Constants, TensorRequirement } from './architecture.ts';
import { optional } from './architecture.ts';
import { attention, attentionTensors } from './blocks/attention.ts';
import type { DecoderParameters } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits, readDecoder } from './blocks/decoder.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { headNormTensor, layerNorm, normTensors } from './blocks/norm.ts';
import { rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';
import type { HyperParameterReader } from './hyper-parameters.ts';

interface CohereParameters extends DecoderParameters {
  readonly logitScale: number;
  /** Layers with a window; null where all rotate and none has one. */
  readonly windowed: readonly boolean[] | null;
}

export const commandR: Architecture<CohereParameters> = {
  names: ['command-r'],
  hyperParameters: (file) => ({ ...readCohere(file), windowed: null }),
  tensors: cohereTensors,
  forward: cohereForward,
};

export const cohere2: Architecture<CohereParameters> = {
  names: ['cohere2'],
  hyperParameters(file) {
    const h = readCohere(file);
    return { ...h, windowed: file.windowedLayers(h.layers, 4) };
  },
  tensors: cohereTensors,
  forward: cohereForward,
};

function readCohere(file: HyperParameterReader): Omit<CohereParameters, 'windowed'> {
  return { ...readDecoder(file, 'layer'), logitScale: file.positive('logit_scale', 1) };
}

function cohereTensors(h: CohereParameters): readonly TensorRequirement[] {
  return [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block) => [
      ...normTensors(`${block}.attn_norm`, h.width),
      ...attentionTensors(block, h),
      optional(headNormTensor(`${block}.attn_q_norm`, h.headDim, h.heads)),
      optional(headNormTensor(`${block}.attn_k_norm`, h.headDim, h.kvHeads)),
      ...gatedFeedForwardTensors(block, h.width, h.feedForwardWidth),
    ]),
    ...normTensors('output_norm', h.width),
  ];
}

function cohereForward(
  g: GraphBuilder,
  h: CohereParameters,
  constants: Constants,
  contextLength: number,
): ActivationId {
  const rotary = rotation('interleaved', h.rotary, constants, contextLength);
  const perHead = { kind: 'layer', over: 'head', epsilon: h.epsilon } as const;
  const local = { ...h, rotary, window: h.windowed === null ? 0 : h.window };
  const global = { ...h, rotary: null, window: 0 };
  const embedded = g.embed('token_embd.weight');
  const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
    const normsHeads = g.hasWeight(`${block}.attn_q_norm.weight`);
    const settings = {
      ...(h.windowed?.[layer] === false ? global : local),
      ...(normsHeads && { queryKeyNorm: perHead }),
    };
    const normed = layerNorm(g, input, `${block}.attn_norm`, h.epsilon);
    const attended = attention(g, normed, block, layer, settings, keep);
    const fed = gatedFeedForward(g, keep(normed), block, 'silu');
    return g.add(g.add(keep(input), attended), fed);
  });
  return g.scale(outputLogits(g, layerNorm(g, x, 'output_norm', h.epsilon)), h.logitScale);
}
