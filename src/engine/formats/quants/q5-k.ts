/**
 * Q5_K: 256 digits of 5 bits, 8 sub-blocks of 32 with a scale and a minimum of 6 bits each;
 * value = d * scale * q - dmin * minimum.
 *
 *   byte  0      2         4                               16            48             176
 *         | d f16 | dmin f16 | 12 bytes: scales and minimums | fifth bits  | low four bits |
 *
 * The low four bits lie as in Q4_K. Bit b of byte j of the fifth bits belongs to digit j of
 * sub-block b.
 */
import { readFloat16 } from './block-access.ts';
import { encodeMinimumBlock } from './k-minimum-encoder.ts';
import { packedMinimum, packedScale } from './k-scales.ts';
import { countBlocks, readOnlyType, type QuantType } from './quant-type.ts';

const decoder = readOnlyType(
  { type: 'Q5_K', blockElements: 256, blockBytes: 176 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    const dmin = readFloat16(bytes, at + 2);
    for (let block = 0; block < 8; block++) {
      const scale = d * packedScale(bytes, at + 4, block);
      const minimum = dmin * packedMinimum(bytes, at + 4, block);
      const digits = at + 48 + 32 * (block >> 1);
      const shift = 4 * (block & 1);
      for (let j = 0; j < 32; j++) {
        const low = ((bytes[digits + j] as number) >> shift) & 15;
        const high = ((bytes[at + 16 + j] as number) >> block) & 1;
        out[first + 32 * block + j] = scale * (low | (high << 4)) - minimum;
      }
    }
  },
);

const digits = new Uint8Array(256);

export const q5_k: QuantType = {
  ...decoder,

  quantize(values, out, importance) {
    const blocks = countBlocks(decoder, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      const at = 176 * block;
      encodeMinimumBlock(values, 256 * block, 31, importance, out, at, digits);
      packDigits(out, at);
    }
  },
};

function packDigits(out: Uint8Array, at: number): void {
  out.fill(0, at + 16, at + 48);
  for (let pair = 0; pair < 4; pair++) {
    for (let j = 0; j < 32; j++) {
      const low = digits[64 * pair + j] as number;
      const high = digits[64 * pair + 32 + j] as number;
      out[at + 48 + 32 * pair + j] = (low & 15) | ((high & 15) << 4);
      const fifths = ((low >> 4) | ((high >> 4) << 1)) << (2 * pair);
      out[at + 16 + j] = (out[at + 16 + j] as number) | fifths;
    }
  }
}
