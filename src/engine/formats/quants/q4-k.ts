/**
 * Q4_K: 256 digits of 4 bits, 8 sub-blocks of 32 with a scale and a minimum of 6 bits each;
 * value = d * scale * q - dmin * minimum.
 *
 *   byte  0      2         4                                  16           144
 *         | d f16 | dmin f16 | 12 bytes: scales and minimums    | digits     |
 *
 * Bytes 32k .. 32k + 31 of the digits hold sub-block 2k in their low nibbles and 2k + 1 in the high
 * ones. Scales and minimums: `k-scales.ts`.
 */
import { readFloat16, writeFloat16 } from './block-access.ts';
import { packedMinimum, packedScale, packScales } from './k-scales.ts';
import { countBlocks, readOnlyType, type QuantType } from './quant-type.ts';
import { clampDigit, fitScaleAndMinimum } from './scale-fit.ts';

const decoder = readOnlyType(
  { type: 'Q4_K', blockElements: 256, blockBytes: 144 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    const dmin = readFloat16(bytes, at + 2);
    for (let block = 0; block < 8; block++) {
      const scale = d * packedScale(bytes, at + 4, block);
      const minimum = dmin * packedMinimum(bytes, at + 4, block);
      const digits = at + 16 + 32 * (block >> 1);
      const shift = 4 * (block & 1);
      for (let j = 0; j < 32; j++) {
        const digit = ((bytes[digits + j] as number) >> shift) & 15;
        out[first + 32 * block + j] = scale * digit - minimum;
      }
    }
  },
);

export const q4_k: QuantType = {
  ...decoder,

  quantize(values, out) {
    const blocks = countBlocks(decoder, out.length, values.length);
    for (let block = 0; block < blocks; block++) encodeBlock(values, 256 * block, out, 144 * block);
  },
};

function encodeBlock(values: Float32Array, first: number, out: Uint8Array, at: number): void {
  out.fill(0, at, at + 144);
  const fits = Array.from({ length: 8 }, (_, b) =>
    fitScaleAndMinimum(values, first + 32 * b, 32, 15),
  );
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
    const block = i >> 5;
    const scale = d * packedScale(out, at + 4, block);
    if (scale === 0) continue;
    const minimum = dmin * packedMinimum(out, at + 4, block);
    const digit = clampDigit(((values[first + i] as number) + minimum) / scale, 0, 15);
    const byte = at + 16 + 32 * (block >> 1) + (i & 31);
    out[byte] = (out[byte] as number) | (digit << (4 * (block & 1)));
  }
}
