/**
 * Q5_K: 256 digits of 5 bits, 8 sub-blocks of 32 with a scale and a minimum of 6 bits each;
 * value = d * scale * q - dmin * minimum.
 *
 *   byte  0      2         4                               16            48             176
 *         | d f16 | dmin f16 | 12 bytes: scales and minimums | fifth bits  | low four bits |
 *
 * The low four bits lie as in Q4_K. Bit b of byte j of the fifth bits belongs to digit j of
 * sub-block b.
 */
import { readFloat16 } from './block-access.ts';
import { packedMinimum, packedScale } from './k-scales.ts';
import { readOnlyType } from './quant-type.ts';

export const q5_k = readOnlyType(
  { type: 'Q5_K', blockElements: 256, blockBytes: 176 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    const dmin = readFloat16(bytes, at + 2);
    for (let block = 0; block < 8; block++) {
      const scale = d * packedScale(bytes, at + 4, block);
      const minimum = dmin * packedMinimum(bytes, at + 4, block);
      const digits = at + 48 + 32 * (block >> 1);
      const shift = 4 * (block & 1);
      for (let j = 0; j < 32; j++) {
        const low = ((bytes[digits + j] as number) >> shift) & 15;
        const high = ((bytes[at + 16 + j] as number) >> block) & 1;
        out[first + 32 * block + j] = scale * (low | (high << 4)) - minimum;
      }
    }
  },
);
