/**
 * What a tensor type is made of, and the plain conversion between its blocks and float32.
 *
 * These are the readable reference versions: the arithmetic follows ggml's `quantize_row_*_ref` and
 * `dequantize_row_*` (float32 at every step, marked by `Math.fround`), so that files made here equal
 * files made elsewhere byte for byte. Numbers in files are little-endian, as is every machine a
 * browser runs on; typed arrays are used on that assumption.
 */
import { AppError } from '../../../common/errors.ts';
import type { TensorType } from '../../graph/dtype.ts';

export interface QuantType {
  readonly type: TensorType;
  /** Values in a block; a row holds a whole number of blocks. */
  readonly blockElements: number;
  readonly blockBytes: number;
  /**
   * Whole blocks to values.
   * @throws AppError `invalid-argument` when the lengths do not belong together
   */
  readonly dequantize: (bytes: Uint8Array, out: Float32Array) => void;
  /**
   * Values to whole blocks, rounding as ggml's reference does.
   * @throws AppError `invalid-argument` when the lengths do not belong together
   */
  readonly quantize: (values: Float32Array, out: Uint8Array) => void;
}

/** How many blocks the two arrays hold. @throws AppError `invalid-argument` when they differ */
export function countBlocks(
  type: Pick<QuantType, 'type' | 'blockElements' | 'blockBytes'>,
  byteLength: number,
  elements: number,
): number {
  const blocks = elements / type.blockElements;
  if (!Number.isInteger(blocks) || blocks * type.blockBytes !== byteLength) {
    throw new AppError(
      'invalid-argument',
      `${elements} values and ${byteLength} bytes do not make whole ${type.type} blocks.`,
      { details: { type: type.type, elements, byteLength } },
    );
  }
  return blocks;
}
