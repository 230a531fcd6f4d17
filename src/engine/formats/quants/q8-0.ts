/**
 * Q8_0: 32 signed bytes and one scale; value = d * q.
 *
 *   byte  0      2                              34
 *         | d f16 | q[0] .. q[31], int8          |
 */
import { inverseScale } from './block-range.ts';
import { readFloat16, writeFloat16 } from './block-access.ts';
import { countBlocks, type QuantType } from './quant-type.ts';

export const q8_0: QuantType = {
  type: 'Q8_0',
  blockElements: 32,
  blockBytes: 34,

  dequantize(bytes, out) {
    const blocks = countBlocks(q8_0, bytes.length, out.length);
    const quants = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 34;
      const scale = readFloat16(bytes, at);
      for (let i = 0; i < 32; i++) out[block * 32 + i] = (quants[at + 2 + i] as number) * scale;
    }
  },

  quantize(values, out) {
    const blocks = countBlocks(q8_0, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      const at = block * 34;
      const first = block * 32;
      let largest = 0;
      for (let i = 0; i < 32; i++)
        largest = Math.max(largest, Math.abs(values[first + i] as number));
      const scale = Math.fround(largest / 127);
      const inverse = inverseScale(scale);
      writeFloat16(out, at, scale);
      for (let i = 0; i < 32; i++) {
        const x = Math.fround((values[first + i] as number) * inverse);
        out[at + 2 + i] = roundHalfAway(x);
      }
    }
  },
};

/** C's `roundf`: ties away from zero, where `Math.round` goes towards positive infinity. */
function roundHalfAway(x: number): number {
  return x < 0 ? -Math.round(-x) : Math.round(x);
}
