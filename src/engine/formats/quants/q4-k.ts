/**
 * Q4_K: 256 digits of 4 bits, 8 sub-blocks of 32 with a scale and a minimum of 6 bits each;
 * value = d * scale * q - dmin * minimum.
 *
 *   byte  0      2         4                                  16           144
 *         | d f16 | dmin f16 | 12 bytes: scales and minimums    | digits     |
 *
 * Bytes 32k .. 32k + 31 of the digits hold sub-block 2k in their low nibbles and 2k + 1 in the high
 * ones. Scales and minimums: `k-scales.ts`.
 */
import { readFloat16 } from './block-access.ts';
import { encodeMinimumBlock } from './k-minimum-encoder.ts';
import { packedMinimum, packedScale } from './k-scales.ts';
import { countBlocks, readOnlyType, type QuantType } from './quant-type.ts';

const decoder = readOnlyType(
  { type: 'Q4_K', blockElements: 256, blockBytes: 144 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at);
    const dmin = readFloat16(bytes, at + 2);
    for (let block = 0; block < 8; block++) {
      const scale = d * packedScale(bytes, at + 4, block);
      const minimum = dmin * packedMinimum(bytes, at + 4, block);
      const digits = at + 16 + 32 * (block >> 1);
      const shift = 4 * (block & 1);
      for (let j = 0; j < 32; j++) {
        const digit = ((bytes[digits + j] as number) >> shift) & 15;
        out[first + 32 * block + j] = scale * digit - minimum;
      }
    }
  },
);

export const q4_k: QuantType = {
  ...decoder,

  quantize(values, out, importance) {
    const blocks = countBlocks(decoder, out.length, values.length);
    for (let block = 0; block < blocks; block++) {
      encodeBlock(values, 256 * block, out, 144 * block, importance);
    }
  },
};

const digits = new Uint8Array(256);

function encodeBlock(
  values: Float32Array,
  first: number,
  out: Uint8Array,
  at: number,
  importance: Float32Array | undefined,
): void {
  encodeMinimumBlock(values, first, 15, importance, out, at, digits);
  for (let pair = 0; pair < 4; pair++) {
    for (let j = 0; j < 32; j++) {
      const low = digits[64 * pair + j] as number;
      const high = digits[64 * pair + 32 + j] as number;
      out[at + 16 + 32 * pair + j] = low | (high << 4);
    }
  }
}
