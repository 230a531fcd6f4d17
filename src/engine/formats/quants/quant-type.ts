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
  /** Null for types that Hermit reads and does not write; `quantizer` of `registry.ts` says so. */
  readonly quantize: Quantize | null;
}

/**
 * Values to whole blocks, rounding as ggml's reference does.
 * @param importance a weight per column, of whole rows of so many values: the error of columns that
 * weigh more becomes smaller. Types whose digits leave no choice (8 bits and more) do not look at it.
 * @throws AppError `invalid-argument` when the lengths do not belong together
 */
export type Quantize = (values: Float32Array, out: Uint8Array, importance?: Float32Array) => void;

/** A type that can be read only, from the decoder of the block that begins at byte `at`. */
export function readOnlyType(
  layout: Pick<QuantType, 'type' | 'blockElements' | 'blockBytes'>,
  decodeBlock: (bytes: Uint8Array, at: number, out: Float32Array, first: number) => void,
): QuantType {
  const { blockElements, blockBytes } = layout;
  return {
    ...layout,
    quantize: null,
    dequantize(bytes, out) {
      const blocks = countBlocks(layout, bytes.length, out.length);
      for (let block = 0; block < blocks; block++) {
        decodeBlock(bytes, block * blockBytes, out, block * blockElements);
      }
    },
  };
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
