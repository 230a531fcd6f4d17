/**
 * Which backend a model is computed on, and why: decided by what is asked for, what the device has,
 * and by measuring the loaded model on both.
 */
import { MEBIBYTE } from '../common/bytes.ts';
import type { Precision } from './backend/backend.ts';
import type { PrecisionChoice } from './weights/storage-policy.ts';
import type { LanguageModel, LanguageModelInfo } from './models/language-model.ts';

export type ComputeKind = 'wasm' | 'webgpu';

/**
 * Why a backend was chosen.
 * `asked`: the caller wanted it. `no-gpu`: there is no adapter. `software-gpu`: the adapter is a program
 * that would run on the processor too. `gpu-refused`: device, memory or an operator was not to be had.
 * `measured`: it was the faster one for this model. `device-lost`: the graphics card failed repeatedly.
 */
export type ChoiceReason =
  'asked' | 'no-gpu' | 'software-gpu' | 'gpu-refused' | 'measured' | 'device-lost';

/** Tokens a second of one backend with one model. */
export interface Speed {
  readonly prefill: number;
  readonly decode: number;
}

/** What was measured on this device; kept by whoever keeps things, under `key`. */
export interface Measurement {
  /** Names adapter and model; measurements of another version of Hermit are worth nothing. */
  readonly key: string;
  readonly wasm: Speed;
  readonly webgpu: Speed;
}

/** What computes prompts, and what computes answers. */
export interface PhaseChoice {
  readonly prefill: ComputeKind;
  readonly decode: ComputeKind;
}

export interface BackendChoice {
  /** What computes now. */
  readonly kind: ComputeKind;
  /** What each phase is to be computed on unless a plan says otherwise. */
  readonly phases: PhaseChoice;
  readonly reason: ChoiceReason;
  /** Name of the adapter that was there, null where there was none or nobody looked. */
  readonly adapter: string | null;
  /** The failure behind `gpu-refused` and `device-lost`, for experts. */
  readonly detail: string | null;
  readonly measurement: Measurement | null;
}

/** What is known of the graphics card before a device is opened. */
export interface GpuSummary {
  readonly name: string;
  readonly software: boolean;
}

/** A turn of a chat as people have them: what both phases are weighed by. */
const promptTokens = 200;
const answerTokens = 100;

/** Seconds a typical turn takes. */
function turnSeconds({ prefill, decode }: Speed): number {
  return promptTokens / prefill + answerTokens / decode;
}

export function fasterBackend({ wasm, webgpu }: Pick<Measurement, 'wasm' | 'webgpu'>): ComputeKind {
  return turnSeconds(webgpu) < turnSeconds(wasm) ? 'webgpu' : 'wasm';
}

/** Share of the time of a turn that two devices may leave of what one needs: they hold the model twice. */
const worthTwice = 0.7;
/** Bytes of a model that no computer minds to hold twice. */
export const mostBytesTwice = 1024 * MEBIBYTE;

/** The faster device for each phase where that saves enough, else the one that is faster for both. */
export function fasterPhases(
  { wasm, webgpu }: Pick<Measurement, 'wasm' | 'webgpu'>,
  mayHoldTwice: boolean,
): PhaseChoice {
  const one = fasterBackend({ wasm, webgpu });
  const best = turnSeconds(one === 'wasm' ? wasm : webgpu);
  const both = {
    prefill: Math.max(wasm.prefill, webgpu.prefill),
    decode: Math.max(wasm.decode, webgpu.decode),
  };
  if (!mayHoldTwice || turnSeconds(both) > worthTwice * best) return { prefill: one, decode: one };
  return {
    prefill: webgpu.prefill > wasm.prefill ? 'webgpu' : 'wasm',
    decode: webgpu.decode > wasm.decode ? 'webgpu' : 'wasm',
  };
}

/** What a measurement holds for: this adapter with a model of this shape, read with this many bits. */
export function measurementKey(
  adapter: string,
  { architecture, parameters, layers, vocabularySize }: LanguageModelInfo,
  precision: PrecisionChoice,
): string {
  return [adapter, architecture, parameters, layers, vocabularySize, precision].join(' | ');
}

/** Tokens of the prompt that is timed, and steps of one token after it. */
const measuredPrompt = 32;
const measuredSteps = 4;

/** Times a short prefill and decode; the first pass of each warms caches and pipelines. */
export async function measureSpeed(
  model: LanguageModel,
  precision: Precision,
  signal: AbortSignal,
): Promise<Speed> {
  const promptLength = Math.min(measuredPrompt, model.maxTokens);
  const capacity = promptLength + measuredSteps + 1;
  const state = model.createState({ capacity, kvType: 'f16' });
  try {
    const step = async (count: number): Promise<number> => {
      const tokens = Int32Array.from({ length: count }, (_, i) => i % model.info.vocabularySize);
      const before = performance.now();
      await model.forward(tokens, state, { want: 'last', precision, signal });
      return (performance.now() - before) / 1000;
    };
    await step(promptLength);
    state.truncate(0);
    const promptSeconds = await step(promptLength);
    await step(1);
    let stepSeconds = 0;
    for (let i = 0; i < measuredSteps; i++) stepSeconds += await step(1);
    return {
      prefill: promptLength / Math.max(promptSeconds, 1e-6),
      decode: measuredSteps / Math.max(stepSeconds, 1e-6),
    };
  } finally {
    state.dispose();
  }
}
