/**
 * What the quantisers of Q4_K and Q5_K share: a super-block of 256 values becomes eight scales and
 * minimums of 6 bits under two halves (the first 16 bytes of the block), and digits.
 */
import { readFloat16, writeFloat16 } from './block-access.ts';
import { minimumWeights, spreadOf } from './importance.ts';
import { packedMinimum, packedScale, packScales } from './k-scales.ts';
import { clampDigit, fitScaleAndMinimum } from './scale-fit.ts';

const weights = new Float64Array(32);

/**
 * Writes d, dmin and the packed scales of `values[first .. first + 255]` at `at` and puts their
 * digits, 0 to `largestDigit`, into `digits`.
 */
export function encodeMinimumBlock(
  values: Float32Array,
  first: number,
  largestDigit: number,
  importance: Float32Array | undefined,
  out: Uint8Array,
  at: number,
  digits: Uint8Array,
): void {
  const spread = importance === undefined ? 0 : spreadOf(values, first, 256);
  const fits = Array.from({ length: 8 }, (_, b) => {
    const start = first + 32 * b;
    const around = importance === undefined ? spreadOf(values, start, 32) : spread;
    minimumWeights(values, start, around, importance, weights);
    return fitScaleAndMinimum(values, start, 32, largestDigit, weights);
  });
  writeFloat16(out, at, Math.max(0, ...fits.map(({ scale }) => scale)) / 63);
  writeFloat16(out, at + 2, Math.max(0, ...fits.map(({ minimum }) => -minimum)) / 63);
  const d = readFloat16(out, at);
  const dmin = readFloat16(out, at + 2);
  packScales(
    out,
    at + 4,
    fits.map(({ scale }) => (d > 0 ? clampDigit(scale / d, 0, 63) : 0)),
    fits.map(({ minimum }) => (dmin > 0 ? clampDigit(-minimum / dmin, 0, 63) : 0)),
  );
  for (let i = 0; i < 256; i++) {
    const scale = d * packedScale(out, at + 4, i >> 5);
    const minimum = dmin * packedMinimum(out, at + 4, i >> 5);
    const value = values[first + i] as number;
    digits[i] = scale === 0 ? 0 : clampDigit((value + minimum) / scale, 0, largestDigit);
  }
}
