/**
 * Q6_K: 256 digits of 6 bits, 16 sub-blocks of 16 with a signed scale of 8 bits;
 * value = d * scale * (q - 32).
 *
 *   byte  0                128              192               208     210
 *         | low four bits   | upper two bits | 16 int8 scales   | d f16 |
 *
 * Each half of 128 digits has 64 bytes of low bits (digits 0 .. 63 in the low nibbles, 64 .. 127 in
 * the high ones) and 32 bytes of upper bits (digit i in byte i % 32 at bit 2 * floor(i / 32)).
 */
import { readFloat16, writeFloat16 } from './block-access.ts';
import { scaleWeights } from './importance.ts';
import { countBlocks, readOnlyType, type QuantType } from './quant-type.ts';
import { clampDigit, fitScale } from './scale-fit.ts';

const decoder = readOnlyType(
  { type: 'Q6_K', blockElements: 256, blockBytes: 210 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at + 208);
    for (let i = 0; i < 256; i++) {
      const half = i >> 7;
      const scale = ((bytes[at + 192 + (i >> 4)] as number) << 24) >> 24;
      const low = (bytes[at + 64 * half + (i & 63)] as number) >> (4 * ((i >> 6) & 1));
      const high = (bytes[at + 128 + 32 * half + (i & 31)] as number) >> (2 * ((i >> 5) & 3));
      out[first + i] = d * scale * (((low & 15) | ((high & 3) << 4)) - 32);
    }
  },
);

export const q6_k: QuantType = {
  ...decoder,

  quantize(values, out, importance) {
    const blocks = countBlocks(decoder, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      encodeBlock(values, 256 * block, out, 210 * block, importance);
    }
  },
};

const weights = new Float64Array(16);

function encodeBlock(
  values: Float32Array,
  first: number,
  out: Uint8Array,
  at: number,
  importance: Float32Array | undefined,
): void {
  out.fill(0, at, at + 210);
  const scales = Array.from({ length: 16 }, (_, s) => {
    scaleWeights(values, first + 16 * s, 16, importance, weights);
    return fitScale(values, first + 16 * s, 16, 32, weights);
  });
  const extreme = scales.reduce((most, s) => (Math.abs(s) > Math.abs(most) ? s : most), 0);
  writeFloat16(out, at + 208, extreme / -128);
  const d = readFloat16(out, at + 208);
  if (d === 0) return;
  for (const [s, scale] of scales.entries()) out[at + 192 + s] = clampDigit(scale / d, -128, 127);
  for (let i = 0; i < 256; i++) {
    const scale = d * (((out[at + 192 + (i >> 4)] as number) << 24) >> 24);
    const digit =
      scale === 0 ? 32 : clampDigit((values[first + i] as number) / scale, -32, 31) + 32;
    const half = i >> 7;
    const low = at + 64 * half + (i & 63);
    const high = at + 128 + 32 * half + (i & 31);
    out[low] = (out[low] as number) | ((digit & 15) << (4 * ((i >> 6) & 1)));
    out[high] = (out[high] as number) | ((digit >> 4) << (2 * ((i >> 5) & 3)));
  }
}
