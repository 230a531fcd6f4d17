/** How far a backend that rounds activations to 8 bits may be from float32, file by file. */
import type { Precision } from '../../src/engine/backend/backend.ts';

/** Activations rounded to 8 bits; mistakes give more than this at once. */
const eightBitLimit = 2e-2;
/** Of llama.cpp's own error where its kernels round as ours do: files of quantised types. */
const besideLlamaCpp = 1.5;
/** Float weights rounded to 8 bits a block of 32 on the way. */
const roundedFloatLimit = 2e-3;
/**
 * Files in which that costs more: with random weights every layer multiplies what is rounded before
 * it. Rounded activations alone cost llama.cpp 2.7e-3 in gemma3.Q8_0 and 1.6e-3 in qwen3.Q8_0.
 */
const sensitive: Readonly<Record<string, number>> = {
  'gemma2.F32': 4e-3,
  'gemma3.F32': 8e-3,
  'gemma3.F16': 8e-3,
  'gemma3.BF16': 8e-3,
  'granite.F32': 4e-3,
  'lfm2.F32': 4e-2,
  'mixtral.F32': 8e-3,
  'olmo2.F32': 8e-3,
  'olmo3.F32': 2e-2,
  'qwen2.F32': 4e-3,
  'qwen3.F32': 5e-3,
  'qwen3.F16': 5e-3,
  'qwen3.BF16': 5e-3,
  'qwen3moe.F32': 5e-3,
  'qwen3moe.F16': 5e-3,
  'qwen3moe.BF16': 1e-2,
  'smollm3.F32': 8e-3,
};
/** The high plane alone, of weights that are random noise. */
const fourBitLimit = 2;
/** Nothing is rounded but float32 sums. */
export const floatLimit = 1e-6;

export type Mode = 'auto' | Precision;
export const modes: readonly Mode[] = ['auto', 8, 4];

const onePlane = /\.Q4_([01]|K)$|-Q4_0$/;
const float = /\.(F32|F16|BF16)$|-B?F16$|^stories260K$/;

/** @param yardstick llama.cpp's error on the same file, where it is known */
export function limit(file: string, mode: Mode, yardstick: number | null): number {
  if (mode === 'auto' && float.test(file)) return floatLimit;
  if (mode === 4 && !onePlane.test(file)) return fourBitLimit;
  if (yardstick === null) return eightBitLimit;
  if (float.test(file)) return sensitive[file] ?? roundedFloatLimit;
  return besideLlamaCpp * yardstick;
}

export const stories = [
  'stories260K',
  'TinyStories-656K-F16',
  'TinyStories-656K-BF16',
  'TinyStories-656K-Q8_0',
  'TinyStories-656K-Q5_1',
  'TinyStories-656K-Q4_0',
];
