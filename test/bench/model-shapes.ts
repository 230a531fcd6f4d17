/** Shapes of models that the benchmarks make, as published with the models; weights are random. */
import {
  syntheticLlama,
  type SyntheticLlamaOptions,
  type SyntheticMix,
} from '../fixtures/synthetic-llama.ts';

export type ModelShape = Omit<SyntheticLlamaOptions, 'type' | 'contextLength'>;

export const modelShapes = {
  'SmolLM2-135M': {
    width: 576,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    feedForward: 1536,
    vocabularySize: 49152,
  },
  'Qwen2.5-0.5B': {
    width: 896,
    layers: 24,
    heads: 14,
    kvHeads: 2,
    feedForward: 4864,
    vocabularySize: 151936,
  },
  'Qwen3-0.6B': {
    width: 1024,
    layers: 28,
    heads: 16,
    kvHeads: 8,
    headDim: 128,
    headNorms: true,
    feedForward: 3072,
    vocabularySize: 151936,
  },
  'Llama-3.2-1B': {
    width: 2048,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    feedForward: 8192,
    vocabularySize: 128256,
  },
  /** Of no published model: Mixtral's form, small; a token passes a third of the parameters. */
  'MoE-0.6B-A0.2B': {
    width: 1024,
    layers: 12,
    heads: 16,
    kvHeads: 4,
    feedForward: 1792,
    vocabularySize: 32000,
    experts: { count: 8, used: 2 },
  },
} satisfies Record<string, ModelShape>;

export type ModelName = keyof typeof modelShapes;

/** A file of a shape, for so many positions. */
export function makeModelFile(
  model: ModelName,
  type: SyntheticMix,
  contextLength: number,
): Uint8Array<ArrayBuffer> {
  return syntheticLlama({ ...modelShapes[model], contextLength, type });
}
