/**
 * Q5_1: 32 digits of 5 bits, a scale and a minimum; value = d * q + m.
 *
 *   byte  0      2       4              8                                            24
 *         | d f16 | m f16 | h: 32 bits   | 16 bytes: low 4 bits of q[j] and of q[j + 16] |
 *
 * Bit i of h (little-endian) is the fifth bit of q[i].
 */
import { digitOf, inverseScale, minimumAndMaximum } from './block-range.ts';
import { readBits32, readFloat16, writeBits32, writeFloat16 } from './block-access.ts';
import { countBlocks, type QuantType } from './quant-type.ts';

export const q5_1: QuantType = {
  type: 'Q5_1',
  blockElements: 32,
  blockBytes: 24,

  dequantize(bytes, out) {
    const blocks = countBlocks(q5_1, bytes.length, out.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 24;
      const first = block * 32;
      const scale = readFloat16(bytes, at);
      const minimum = readFloat16(bytes, at + 2);
      const fifthBits = readBits32(bytes, at + 4);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 8 + j] as number;
        const low = (pair & 15) | (((fifthBits >>> j) & 1) << 4);
        const high = (pair >> 4) | (((fifthBits >>> (j + 16)) & 1) << 4);
        out[first + j] = low * scale + minimum;
        out[first + 16 + j] = high * scale + minimum;
      }
    }
  },

  quantize(values, out) {
    const blocks = countBlocks(q5_1, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 24;
      const first = block * 32;
      const { minimum, maximum } = minimumAndMaximum(values, first);
      const scale = Math.fround(Math.fround(maximum - minimum) / 31);
      const inverse = inverseScale(scale);
      let fifthBits = 0;
      for (let j = 0; j < 16; j++) {
        const low = digitOf(values[first + j] as number, minimum, inverse, 0.5, 31);
        const high = digitOf(values[first + 16 + j] as number, minimum, inverse, 0.5, 31);
        out[at + 8 + j] = (low & 15) | ((high & 15) << 4);
        fifthBits |= ((low >> 4) << j) | ((high >> 4) << (j + 16));
      }
      writeFloat16(out, at, scale);
      writeFloat16(out, at + 2, minimum);
      writeBits32(out, at + 4, fifthBits);
    }
  },
};
