/**
 * TQ2_0: 256 ternary digits of 2 bits and one scale; value = d * (q - 1).
 *
 *   byte  0                              64      66
 *         | digits, laid out as in Q2_K    | d f16 |
 */
import { readFloat16 } from './block-access.ts';
import { readOnlyType } from './quant-type.ts';

export const tq2_0 = readOnlyType(
  { type: 'TQ2_0', blockElements: 256, blockBytes: 66 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at + 64);
    for (let i = 0; i < 256; i++) {
      const byte = bytes[at + 32 * (i >> 7) + (i & 31)] as number;
      out[first + i] = d * (((byte >> (2 * ((i >> 5) & 3))) & 3) - 1);
    }
  },
);
