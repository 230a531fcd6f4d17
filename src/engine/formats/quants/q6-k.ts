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
import { readFloat16 } from './block-access.ts';
import { readOnlyType } from './quant-type.ts';

export const q6_k = readOnlyType(
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
