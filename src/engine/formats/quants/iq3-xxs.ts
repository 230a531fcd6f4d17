/**
 * IQ3_XXS: 256 values in 8 sub-blocks of 32; groups of 4 are points of a grid of 256, pairs of
 * groups share 7 sign bits; value = d * (0.5 + scale) / 2 * (+-point).
 *
 *   byte  0      2                    66                                                       98
 *         | d f16 | 64 bytes: points | 8 x 32 bits: 4 x 7 sign bits, scale in the upper 4 bits |
 */
import { readBits32, readFloat16 } from './block-access.ts';
import { evenSigns, iq3xxsGrid, writeSigned } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq3_xxs = readOnlyType(
  { type: 'IQ3_XXS', blockElements: 256, blockBytes: 98 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let group = 0; group < 64; group++) {
      const bits = readBits32(bytes, at + 66 + 4 * (group >> 3));
      const scale = d * (0.5 + (bits >>> 28)) * 0.5;
      const signs = evenSigns((bits >>> (7 * ((group >> 1) & 3))) & 127) >> (4 * (group & 1));
      const point = bytes[at + 2 + group] as number;
      writeSigned(out, first + 4 * group, iq3xxsGrid, point, 4, signs, scale);
    }
  },
);
