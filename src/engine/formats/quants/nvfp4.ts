/**
 * NVFP4: 64 numbers in E2M1, 4 sub-blocks of 16 with a scale in unsigned E4M3;
 * value = scale / 2 * level[q], the levels being doubled.
 *
 *   byte  0           4                                                          36
 *         | 4 scales   | 8 bytes a sub-block: q[j] low, q[j + 8] high nibble |
 */
import { fp4Levels } from './fp4-codebook.ts';
import { readOnlyType } from './quant-type.ts';

export const nvfp4 = readOnlyType(
  { type: 'NVFP4', blockElements: 64, blockBytes: 36 },
  (bytes, at, out, first) => {
    for (let block = 0; block < 4; block++) {
      const scale = 0.5 * scaleOf(bytes[at + block] as number);
      for (let j = 0; j < 8; j++) {
        const pair = bytes[at + 4 + 8 * block + j] as number;
        out[first + 16 * block + j] = scale * (fp4Levels[pair & 15] as number);
        out[first + 16 * block + 8 + j] = scale * (fp4Levels[pair >> 4] as number);
      }
    }
  },
);

/** E4M3 with bias 7; ggml reads its one NaN as 0 and ignores the sign bit. */
function scaleOf(bits: number): number {
  if (bits === 0x7f) return 0;
  const exponent = (bits >> 3) & 15;
  const fraction = (bits & 7) / 8;
  return exponent === 0 ? fraction * 2 ** -6 : (1 + fraction) * 2 ** (exponent - 7);
}
