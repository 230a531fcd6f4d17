/**
 * How each tensor type lies in nibble planes (wasm/include/planes.h).
 *
 * Errors against the source: the integer types with one scale for a block of 32 are exact. K-quants
 * and IQ4_XS multiply two scales, and the product is rounded to a half: 2^-12 of each value. Q3_K and
 * Q6_K have a scale for 16 columns: the half block with the larger one stays exact, the other one is
 * rounded to steps of 1/128 of what the larger one can express. F16, BF16 and F32 are quantised to 8 bits
 * per block of 32 like Q8_0: at most 1/254 of the block's largest magnitude; so are the types that
 * have no transcoder of their own, by way of float32. 4-bit mode of types with two planes replaces
 * the low digit by its mean: at most 1/32 of the block's range.
 */
import type { TensorType } from '../graph/dtype.ts';

export const BLOCK_COLUMNS = 32;
export const GROUP_ROWS = 8;
/** Bytes of digits of one plane, 8 rows by 32 columns. */
const DIGIT_BYTES = 128;
const SCALE_BYTES = 16;

/**
 * What scales and minimums are stored times, so that the subnormal halves of a file become normal
 * numbers, with which processors are fast. Scales of 64 and more, which no trained model has, make a
 * matrix fall back to 1.
 */
export const SCALE_GAIN = 1024;

export interface PlaneFormat {
  /** Name of the transcoder in the kernel module. */
  readonly transcoder: string;
  /** What the transcoder reads: the file's own blocks, or their values as float32. */
  readonly source: 'file' | 'float32';
  readonly planes: 1 | 2;
  readonly hasMinimum: boolean;
  /** value = factor * scale * (16 * hi + lo - zero), with one plane factor * scale * (hi - zero). */
  readonly zero: number;
  /** 4-bit mode of two planes: the zero point in 1/256 of the high digit, (zero - mean(lo)) * 16. */
  readonly zero256: number;
  readonly factor: number;
  /** What every low digit is a multiple of. */
  readonly lowStep: 1 | 8;
  /** Whether the planes hold the source without loss. */
  readonly exact: boolean;
}

/** The low digit of 8-bit sources is uniform over 0..15. */
const EIGHT_BITS = {
  planes: 2,
  hasMinimum: false,
  zero: 128,
  zero256: 16 * (128 - 7.5),
  factor: 1,
  lowStep: 1,
} as const;
/** Five bits times 8: the low digit is 0 or 8. */
const FIVE_BITS = { source: 'file', planes: 2, factor: 1 / 8, lowStep: 8, exact: true } as const;
const FOUR_BITS = {
  source: 'file',
  planes: 1,
  zero256: 0,
  factor: 1,
  lowStep: 1,
  exact: true,
} as const;
/** Digits 0, 1 and 2. */
const TERNARY = { ...FOUR_BITS, hasMinimum: false, zero: 1 } as const;
/** The 16 levels, all of them integers of 8 bits; their low digits are 8 on average. */
const IQ4_LEVELS = { ...EIGHT_BITS, source: 'file', zero256: 16 * (128 - 8) } as const;
/** Dequantised piece by piece and quantised again, for types too rare to deserve a kernel. */
const THROUGH_FLOAT = {
  ...EIGHT_BITS,
  source: 'float32',
  transcoder: 'transcode_f32_planes',
  exact: false,
} as const;

export const planeFormats: Readonly<Record<TensorType, PlaneFormat>> = {
  Q4_0: {
    ...FOUR_BITS,
    transcoder: 'transcode_q4_0_planes',
    hasMinimum: false,
    zero: 8,
  },
  Q4_1: {
    ...FOUR_BITS,
    transcoder: 'transcode_q4_1_planes',
    hasMinimum: true,
    zero: 0,
  },
  Q5_0: {
    ...FIVE_BITS,
    transcoder: 'transcode_q5_0_planes',
    hasMinimum: false,
    zero: 128,
    zero256: 16 * (128 - 4),
  },
  Q5_1: {
    ...FIVE_BITS,
    transcoder: 'transcode_q5_1_planes',
    hasMinimum: true,
    zero: 0,
    zero256: 16 * (0 - 4),
  },
  Q8_0: { ...EIGHT_BITS, transcoder: 'transcode_q8_0_planes', source: 'file', exact: true },
  F16: { ...EIGHT_BITS, transcoder: 'transcode_f16_planes', source: 'file', exact: false },
  BF16: { ...EIGHT_BITS, transcoder: 'transcode_bf16_planes', source: 'file', exact: false },
  F32: { ...EIGHT_BITS, transcoder: 'transcode_f32_planes', source: 'file', exact: false },
  Q3_K: {
    ...EIGHT_BITS,
    source: 'file',
    transcoder: 'transcode_q3_k_planes',
    // 32 times a digit of 3 bits leaves no low digit but in the half that is rounded
    zero256: 16 * (128 - 3.75),
    exact: false,
  },
  Q4_K: {
    ...FOUR_BITS,
    transcoder: 'transcode_q4_k_planes',
    hasMinimum: true,
    zero: 0,
    exact: false,
  },
  Q5_K: {
    ...FIVE_BITS,
    transcoder: 'transcode_q5_k_planes',
    hasMinimum: true,
    zero: 0,
    zero256: 16 * (0 - 4),
    exact: false,
  },
  Q6_K: {
    ...EIGHT_BITS,
    source: 'file',
    transcoder: 'transcode_q6_k_planes',
    // low digits 0, 4, 8, 12 in one half, any in the other
    zero256: 16 * (128 - 6.75),
    exact: false,
  },
  IQ4_NL: {
    ...IQ4_LEVELS,
    transcoder: 'transcode_iq4_nl_planes',
    exact: true,
  },
  IQ4_XS: {
    ...IQ4_LEVELS,
    transcoder: 'transcode_iq4_xs_planes',
    exact: false,
  },
  Q2_K: THROUGH_FLOAT,
  IQ1_S: THROUGH_FLOAT,
  IQ1_M: THROUGH_FLOAT,
  IQ2_XXS: THROUGH_FLOAT,
  IQ2_XS: THROUGH_FLOAT,
  IQ2_S: THROUGH_FLOAT,
  IQ3_XXS: THROUGH_FLOAT,
  IQ3_S: THROUGH_FLOAT,
  TQ1_0: { ...TERNARY, transcoder: 'transcode_tq1_0_planes' },
  TQ2_0: { ...TERNARY, transcoder: 'transcode_tq2_0_planes' },
  MXFP4: THROUGH_FLOAT,
  NVFP4: THROUGH_FLOAT,
};

/** Bytes of the high plane (digits, scales, minimums) for 8 rows by 32 columns. */
export function highBlockBytes(format: PlaneFormat): number {
  return DIGIT_BYTES + (format.hasMinimum ? 2 : 1) * SCALE_BYTES;
}

/** Bytes of both planes of a matrix; `lo` is 0 where there is one plane. */
export function planeBytes(
  format: PlaneFormat,
  rows: number,
  columns: number,
): { readonly hi: number; readonly lo: number } {
  const blocks = Math.ceil(rows / GROUP_ROWS) * (columns / BLOCK_COLUMNS);
  return {
    hi: blocks * highBlockBytes(format),
    lo: format.planes === 2 ? blocks * DIGIT_BYTES : 0,
  };
}
