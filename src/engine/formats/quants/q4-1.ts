/**
 * Q4_1: 32 digits of 4 bits, a scale and a minimum; value = d * q + m.
 *
 *   byte  0      2       4                                        20
 *         | d f16 | m f16 | 16 bytes: q[j] low, q[j + 16] high nibble |
 */
import { digitOf, inverseScale, minimumAndMaximum } from './block-range.ts';
import { readFloat16, writeFloat16 } from './block-access.ts';
import { countBlocks, type QuantType } from './quant-type.ts';

export const q4_1: QuantType = {
  type: 'Q4_1',
  blockElements: 32,
  blockBytes: 20,

  dequantize(bytes, out) {
    const blocks = countBlocks(q4_1, bytes.length, out.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 20;
      const first = block * 32;
      const scale = readFloat16(bytes, at);
      const minimum = readFloat16(bytes, at + 2);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 4 + j] as number;
        out[first + j] = (pair & 15) * scale + minimum;
        out[first + 16 + j] = (pair >> 4) * scale + minimum;
      }
    }
  },

  quantize(values, out) {
    const blocks = countBlocks(q4_1, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 20;
      const first = block * 32;
      const { minimum, maximum } = minimumAndMaximum(values, first);
      const scale = Math.fround(Math.fround(maximum - minimum) / 15);
      const inverse = inverseScale(scale);
      writeFloat16(out, at, scale);
      writeFloat16(out, at + 2, minimum);
      for (let j = 0; j < 16; j++) {
        const low = digitOf(values[first + j] as number, minimum, inverse, 0.5, 15);
        const high = digitOf(values[first + 16 + j] as number, minimum, inverse, 0.5, 15);
        out[at + 4 + j] = low | (high << 4);
      }
    }
  },
};
