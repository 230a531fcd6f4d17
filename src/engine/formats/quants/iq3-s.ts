/**
 * IQ3_S: 256 values in 8 sub-blocks of 32; groups of 4 are points of a grid of 512 with sign bits;
 * value = d * (1 + 2 * scale) * (+-point).
 *
 *   byte  0      2                66                74           106                  110
 *         | d f16 | points, low 8 | points, 9th bit | sign bits  | 4 bytes: scales     |
 */
import { readFloat16 } from './block-access.ts';
import { iq3sGrid, writeSigned } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq3_s = readOnlyType(
  { type: 'IQ3_S', blockElements: 256, blockBytes: 110 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let group = 0; group < 64; group++) {
      const ninth = ((bytes[at + 66 + (group >> 3)] as number) >> (group & 7)) & 1;
      const point = (bytes[at + 2 + group] as number) | (ninth << 8);
      const packed = (bytes[at + 106 + (group >> 4)] as number) >> (4 * ((group >> 3) & 1));
      const scale = d * (1 + 2 * (packed & 15));
      const signs = (bytes[at + 74 + (group >> 1)] as number) >> (4 * (group & 1));
      writeSigned(out, first + 4 * group, iq3sGrid, point, 4, signs, scale);
    }
  },
);
