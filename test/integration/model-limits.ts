/** How far a backend that rounds activations to 8 bits may be from float32, file by file. */

/** Activations rounded to 8 bits; mistakes give more than this at once. */
const eightBitLimit = 2e-2;
/** Of llama.cpp's own error where its kernels round as ours do: files of quantised types. */
const besideLlamaCpp = 1.5;
/** The high plane alone, of weights that are random noise. */
const fourBitLimit = 2;
/** Nothing is rounded but float32 sums; the files are small enough to stay float32 unless 4 bits are asked for. */
export const floatLimit = 1e-6;

export type Mode = 'auto' | 8 | 4;
export const modes: readonly Mode[] = ['auto', 8, 4];

const onePlane = /\.Q4_([01]|K)$|-Q4_0$/;
const float = /\.(F32|F16|BF16)$|-B?F16$|^stories260K$/;

export function isFloatFile(file: string): boolean {
  return float.test(file);
}

/** @param yardstick llama.cpp's error on the same file, where it is known */
export function limit(file: string, mode: Mode, yardstick: number | null): number {
  if (mode !== 4 && isFloatFile(file)) return floatLimit;
  if (mode === 4 && !onePlane.test(file)) return fourBitLimit;
  if (yardstick === null) return eightBitLimit;
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
