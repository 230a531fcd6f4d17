/**
 * IQ2_XS: 256 values, 32 groups of 8 that are points of a grid of 512 with signs, a scale of 4 bits
 * for every two groups; value = d * (0.5 + scale) / 4 * (+-point).
 *
 *   byte  0      2                                            66                74
 *         | d f16 | 32 x 16 bits: point 9 low, signs 7 upper | 8 bytes: scales |
 */
import { readFloat16, readUint16 } from './block-access.ts';
import { evenSigns, iq2xsGrid, writeSigned } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq2_xs = readOnlyType(
  { type: 'IQ2_XS', blockElements: 256, blockBytes: 74 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let group = 0; group < 32; group++) {
      const bits = readUint16(bytes, at + 2 + 2 * group);
      const packed = (bytes[at + 66 + (group >> 2)] as number) >> (4 * ((group >> 1) & 1));
      const scale = d * (0.5 + (packed & 15)) * 0.25;
      const signs = evenSigns(bits >> 9);
      writeSigned(out, first + 8 * group, iq2xsGrid, bits & 511, 8, signs, scale);
    }
  },
);
