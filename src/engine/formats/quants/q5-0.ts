/**
 * Q5_0: 32 digits of 5 bits and one scale; value = d * (q - 16).
 *
 *   byte  0      2              6                                            22
 *         | d f16 | h: 32 bits   | 16 bytes: low 4 bits of q[j] and of q[j + 16] |
 *
 * Bit i of h (little-endian) is the fifth bit of q[i].
 */
import { digitOf, inverseScale, largestSigned } from './block-range.ts';
import { readBits32, readFloat16, writeBits32, writeFloat16 } from './block-access.ts';
import { countBlocks, type QuantType } from './quant-type.ts';

export const q5_0: QuantType = {
  type: 'Q5_0',
  blockElements: 32,
  blockBytes: 22,

  dequantize(bytes, out) {
    const blocks = countBlocks(q5_0, bytes.length, out.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 22;
      const first = block * 32;
      const scale = readFloat16(bytes, at);
      const fifthBits = readBits32(bytes, at + 2);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 6 + j] as number;
        const low = (pair & 15) | (((fifthBits >>> j) & 1) << 4);
        const high = (pair >> 4) | (((fifthBits >>> (j + 16)) & 1) << 4);
        out[first + j] = (low - 16) * scale;
        out[first + 16 + j] = (high - 16) * scale;
      }
    }
  },

  quantize(values, out) {
    const blocks = countBlocks(q5_0, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 22;
      const first = block * 32;
      const scale = Math.fround(largestSigned(values, first) / -16);
      const inverse = inverseScale(scale);
      let fifthBits = 0;
      for (let j = 0; j < 16; j++) {
        const low = digitOf(values[first + j] as number, 0, inverse, 16.5, 31);
        const high = digitOf(values[first + 16 + j] as number, 0, inverse, 16.5, 31);
        out[at + 6 + j] = (low & 15) | ((high & 15) << 4);
        fifthBits |= ((low >> 4) << j) | ((high >> 4) << (j + 16));
      }
      writeFloat16(out, at, scale);
      writeBits32(out, at + 2, fifthBits);
    }
  },
};
