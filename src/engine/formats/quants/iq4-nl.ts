/**
 * IQ4_NL: 32 digits of 4 bits that choose a level, and one scale; value = d * level[q].
 *
 *   byte  0      2                                            18
 *         | d f16 | 16 bytes: q[j] low, q[j + 16] high nibble |
 */
import { readFloat16 } from './block-access.ts';
import { iq4Levels } from './iq4-codebook.ts';
import { readOnlyType } from './quant-type.ts';

export const iq4_nl = readOnlyType(
  { type: 'IQ4_NL', blockElements: 32, blockBytes: 18 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 2 + j] as number;
      out[first + j] = d * (iq4Levels[pair & 15] as number);
      out[first + 16 + j] = d * (iq4Levels[pair >> 4] as number);
    }
  },
);
