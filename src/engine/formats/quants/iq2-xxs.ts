/**
 * IQ2_XXS: 256 values in 8 sub-blocks of 32; four groups of 8 are points of a grid of 256 with
 * signs; value = d * (0.5 + scale) / 4 * (+-point).
 *
 *   byte  0      2                                                                    66
 *         | d f16 | 8 x ( 4 bytes: points | 32 bits: 4 x 7 sign bits, scale in the upper 4 ) |
 */
import { readBits32, readFloat16 } from './block-access.ts';
import { evenSigns, iq2xxsGrid, writeSigned } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq2_xxs = readOnlyType(
  { type: 'IQ2_XXS', blockElements: 256, blockBytes: 66 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let block = 0; block < 8; block++) {
      const points = at + 2 + 8 * block;
      const bits = readBits32(bytes, points + 4);
      const scale = d * (0.5 + (bits >>> 28)) * 0.25;
      for (let group = 0; group < 4; group++) {
        const signs = evenSigns((bits >>> (7 * group)) & 127);
        const point = bytes[points + group] as number;
        writeSigned(out, first + 32 * block + 8 * group, iq2xxsGrid, point, 8, signs, scale);
      }
    }
  },
);
