/**
 * IQ1_M: as IQ1_S with a scale of 3 bits for every two groups and a shift for every group;
 * value = d * (1 + 2 * scale) * (point +- 1/8).
 *
 *   byte  0               32                                                48                  56
 *         | points, low 8 | 16 bytes: a nibble a group: 3 upper bits, shift | 4 x 16 bits: scales |
 *
 * The scales' words hold four scales each in their lower 12 bits; their upper four bits together,
 * the first word's lowest, are the half precision d.
 */
import { float16ToNumber } from '../../../common/float16.ts';
import { readUint16 } from './block-access.ts';
import { iq1sGrid } from './iq-grids.ts';
import { readOnlyType } from './quant-type.ts';

export const iq1_m = readOnlyType(
  { type: 'IQ1_M', blockElements: 256, blockBytes: 56 },
  (bytes, at, out, first) => {
    const words = [0, 1, 2, 3].map((word) => readUint16(bytes, at + 48 + 2 * word));
    const d = float16ToNumber(words.reduce((bits, word, i) => bits | ((word >> 12) << (4 * i)), 0));
    for (let group = 0; group < 32; group++) {
      const pair = group >> 1;
      const scale = d * (1 + 2 * (((words[pair >> 2] as number) >> (3 * (pair & 3))) & 7));
      const bits = (bytes[at + 32 + pair] as number) >> (4 * (group & 1));
      const shift = (bits & 8) === 0 ? 0.125 : -0.125;
      const point = (bytes[at + group] as number) | ((bits & 7) << 8);
      for (let j = 0; j < 8; j++) {
        out[first + 8 * group + j] = scale * ((iq1sGrid[8 * point + j] as number) + shift);
      }
    }
  },
);
