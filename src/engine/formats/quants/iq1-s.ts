/**
 * IQ1_S: 256 values in 8 sub-blocks of 32; groups of 8 are points of a ternary grid of 2048, moved
 * by an eighth; value = d * (1 + 2 * scale) * (point +- 1/8).
 *
 *   byte  0      2                34                                                            50
 *         | d f16 | points, low 8 | 8 x 16 bits: 4 x 3 upper bits of points, scale 3, shift sign |
 */
import { readFloat16, readUint16 } from './block-access.ts';
import { iq1sGrid } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq1_s = readOnlyType(
  { type: 'IQ1_S', blockElements: 256, blockBytes: 50 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let group = 0; group < 32; group++) {
      const bits = readUint16(bytes, at + 34 + 2 * (group >> 2));
      const scale = d * (1 + 2 * ((bits >> 12) & 7));
      const shift = (bits & 0x8000) === 0 ? 0.125 : -0.125;
      const upper = (bits >> (3 * (group & 3))) & 7;
      const point = (bytes[at + 2 + group] as number) | (upper << 8);
      for (let j = 0; j < 8; j++) {
        out[first + 8 * group + j] = scale * ((iq1sGrid[8 * point + j] as number) + shift);
      }
    }
  },
);
