/**
 * IQ2_S: 256 values, 32 groups of 8 that are points of a grid of 1024 with 8 sign bits, a scale of
 * 4 bits for every two groups; value = d * (0.5 + scale) / 4 * (+-point).
 *
 *   byte  0      2                 34          66                        74                82
 *         | d f16 | points, low 8   | sign bits | points, upper 2 bits    | 8 bytes: scales |
 */
import { readFloat16 } from './block-access.ts';
import { iq2sGrid, writeSigned } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq2_s = readOnlyType(
  { type: 'IQ2_S', blockElements: 256, blockBytes: 82 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let group = 0; group < 32; group++) {
      const upper = ((bytes[at + 66 + (group >> 2)] as number) >> (2 * (group & 3))) & 3;
      const point = (bytes[at + 2 + group] as number) | (upper << 8);
      const packed = (bytes[at + 74 + (group >> 2)] as number) >> (4 * ((group >> 1) & 1));
      const scale = d * (0.5 + (packed & 15)) * 0.25;
      const signs = bytes[at + 34 + group] as number;
      writeSigned(out, first + 8 * group, iq2sGrid, point, 8, signs, scale);
    }
  },
);
