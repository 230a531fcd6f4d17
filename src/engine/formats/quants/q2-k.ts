/**
 * Q2_K: 256 digits of 2 bits, 16 sub-blocks of 16 with a scale and a minimum of 4 bits each;
 * value = d * scale * q - dmin * minimum.
 *
 *   byte  0                                      16        80      82         84
 *         | 16 bytes: scale low, minimum high nibble | digits | d f16 | dmin f16 |
 *
 * Digit i of each half of 128 lies in byte i % 32 of the half's 32, at bit 2 * floor(i / 32).
 */
import { readFloat16 } from './block-access.ts';
import { readOnlyType } from './quant-type.ts';

export const q2_k = readOnlyType(
  { type: 'Q2_K', blockElements: 256, blockBytes: 84 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at + 80);
    const dmin = readFloat16(bytes, at + 82);
    for (let i = 0; i < 256; i++) {
      const packed = bytes[at + (i >> 4)] as number;
      const byte = bytes[at + 16 + 32 * (i >> 7) + (i & 31)] as number;
      const digit = (byte >> (2 * ((i >> 5) & 3))) & 3;
      out[first + i] = d * (packed & 15) * digit - dmin * (packed >> 4);
    }
  },
);
