/**
 * Q3_K: 256 digits of 3 bits, 16 sub-blocks of 16 with a scale of 6 bits;
 * value = d * (scale - 32) * (q - 4).
 *
 *   byte  0             32              96                 108     110
 *         | high bits    | low two bits  | 12 bytes of scales | d f16 |
 *
 * Low bits as in Q2_K. The third bit of digit i is bit floor(i / 32) of high byte i % 32. Scale s has
 * its low four bits in byte s % 8 (high nibble from s = 8 on) and its upper two in byte 8 + s % 4 at
 * bit 2 * floor(s / 4).
 */
import { readFloat16 } from './block-access.ts';
import { readOnlyType } from './quant-type.ts';

export const q3_k = readOnlyType(
  { type: 'Q3_K', blockElements: 256, blockBytes: 110 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at + 108);
    for (let i = 0; i < 256; i++) {
      const scale = d * (scaleOf(bytes, at + 96, i >> 4) - 32);
      const byte = bytes[at + 32 + 32 * (i >> 7) + (i & 31)] as number;
      const low = (byte >> (2 * ((i >> 5) & 3))) & 3;
      const high = ((bytes[at + (i & 31)] as number) >> (i >> 5)) & 1;
      out[first + i] = scale * (low + 4 * high - 4);
    }
  },
);

function scaleOf(bytes: Uint8Array, at: number, s: number): number {
  const low = ((bytes[at + (s & 7)] as number) >> (4 * (s >> 3))) & 15;
  const high = ((bytes[at + 8 + (s & 3)] as number) >> (2 * (s >> 2))) & 3;
  return low | (high << 4);
}
