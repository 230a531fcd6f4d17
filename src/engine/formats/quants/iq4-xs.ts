/**
 * IQ4_XS: 256 digits of 4 bits that choose a level of IQ4_NL, 8 sub-blocks of 32 with a scale of
 * 6 bits; value = d * (scale - 32) * level[q].
 *
 *   byte  0      2               4                  8                               136
 *         | d f16 | scales' upper  | scales' lower     | 16 bytes a sub-block, as IQ4_NL |
 *         |       | bits, 2 each   | bits, 4 each      |                                 |
 */
import { readFloat16, readUint16 } from './block-access.ts';
import { iq4Levels } from './iq4-codebook.ts';
import { readOnlyType } from './quant-type.ts';

export const iq4_xs = readOnlyType(
  { type: 'IQ4_XS', blockElements: 256, blockBytes: 136 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    const upper = readUint16(bytes, at + 2);
    for (let block = 0; block < 8; block++) {
      const low = ((bytes[at + 4 + (block >> 1)] as number) >> (4 * (block & 1))) & 15;
      const scale = d * ((low | (((upper >> (2 * block)) & 3) << 4)) - 32);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 8 + 16 * block + j] as number;
        out[first + 32 * block + j] = scale * (iq4Levels[pair & 15] as number);
        out[first + 32 * block + 16 + j] = scale * (iq4Levels[pair >> 4] as number);
      }
    }
  },
);
