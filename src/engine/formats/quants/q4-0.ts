/**
 * Q4_0: 32 digits of 4 bits and one scale; value = d * (q - 8).
 *
 *   byte  0      2                                        18
 *         | d f16 | 16 bytes: q[j] low, q[j + 16] high nibble |
 */
import { digitOf, inverseScale, largestSigned } from './block-range.ts';
import { readFloat16, writeFloat16 } from './block-access.ts';
import { minimumWeights, spreadOf } from './importance.ts';
import { countBlocks, type QuantType } from './quant-type.ts';
import { fitScale } from './scale-fit.ts';

export const q4_0: QuantType = {
  type: 'Q4_0',
  blockElements: 32,
  blockBytes: 18,

  dequantize(bytes, out) {
    const blocks = countBlocks(q4_0, bytes.length, out.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 18;
      const first = block * 32;
      const scale = readFloat16(bytes, at);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 2 + j] as number;
        out[first + j] = ((pair & 15) - 8) * scale;
        out[first + 16 + j] = ((pair >> 4) - 8) * scale;
      }
    }
  },

  quantize(values, out, importance) {
    const blocks = countBlocks(q4_0, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 18;
      const first = block * 32;
      const scale =
        importance === undefined
          ? // The extreme becomes -8, the one digit that has no positive counterpart: full range used.
            Math.fround(largestSigned(values, first) / -8)
          : weightedScale(values, first, importance);
      const inverse = inverseScale(scale);
      writeFloat16(out, at, scale);
      for (let j = 0; j < 16; j++) {
        const low = digitOf(values[first + j] as number, 0, inverse, 8.5, 15);
        const high = digitOf(values[first + 16 + j] as number, 0, inverse, 8.5, 15);
        out[at + 2 + j] = low | (high << 4);
      }
    }
  },
};

const weights = new Float64Array(32);

/** The scale with the smallest error where the columns' importance is known. */
function weightedScale(values: Float32Array, first: number, importance: Float32Array): number {
  minimumWeights(values, first, spreadOf(values, first, 32), importance, weights);
  return Math.fround(fitScale(values, first, 32, 8, weights));
}
