/**
 * MXFP4 (OCP Microscaling Formats 1.0): 32 numbers in E2M1 and one power of two;
 * value = 2^(e - 128) * level[q], the levels being doubled.
 *
 *   byte  0      1                                            17
 *         | e u8  | 16 bytes: q[j] low, q[j + 16] high nibble |
 */
import { fp4Levels } from './fp4-codebook.ts';
import { readOnlyType } from './quant-type.ts';

export const mxfp4 = readOnlyType(
  { type: 'MXFP4', blockElements: 32, blockBytes: 17 },
  (bytes, at, out, first) => {
    const scale = 2 ** ((bytes[at] as number) - 128);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 1 + j] as number;
      out[first + j] = scale * (fp4Levels[pair & 15] as number);
      out[first + 16 + j] = scale * (fp4Levels[pair >> 4] as number);
    }
  },
);
