/**
 * What 4-bit mode takes from a weight, measured on its planes while they are written: low digits are
 * replaced by their mean.
 */
import { float16ToNumber } from '../../../common/float16.ts';
import { BLOCK_COLUMNS, GROUP_ROWS, highBlockBytes, type PlaneFormat } from '../plane-formats.ts';
import type { WasmHeap } from './wasm-heap.ts';

/**
 * Blocks of 256 values looked at in a piece of a weight (of 1 MiB): the error of like blocks is known
 * to a few percent, and a model of a gigabyte takes some 50 ms more to load.
 */
const blocksOfPiece = 12;
const digitBytes = 128;
const scaleBytes = 16;

/** Sums over the blocks looked at; those of several pieces are added. */
export interface LowDigitError {
  readonly squaredError: number;
  readonly power: number;
}

export const noError: LowDigitError = { squaredError: 0, power: 0 };

/** @param blocks of both planes, which begin at `hi` and `lo` */
export function lowDigitError(
  heap: WasmHeap,
  format: PlaneFormat,
  { hi, lo }: { readonly hi: number; readonly lo: number },
  blocks: number,
): LowDigitError {
  if (format.planes === 1) return noError;
  const bytes = heap.bytes();
  const [hiBytes, mean] = [highBlockBytes(format), format.zero - format.zero256 / 16];
  let [squaredError, power] = [0, 0];
  const count = Math.min(blocks, blocksOfPiece);
  for (let i = 0; i < count; i++) {
    const block = Math.floor(((i + 0.5) * blocks) / count);
    const at = hi + block * hiBytes;
    const half = (index: number): number =>
      float16ToNumber((bytes[at + 2 * index] ?? 0) | ((bytes[at + 2 * index + 1] ?? 0) << 8));
    const digits = at + hiBytes - digitBytes;
    for (let row = 0; row < GROUP_ROWS; row++) {
      const scale = half(row) * format.factor;
      // Both are stored times one gain, which the ratio of the sums does not know.
      const minimum = format.hasMinimum ? half(scaleBytes / 2 + row) : 0;
      for (let column = 0; column < BLOCK_COLUMNS / 2; column++) {
        const offset = 32 * (column >> 2) + 4 * row + (column & 3);
        const [high, low] = [
          bytes[digits + offset] ?? 0,
          bytes[lo + block * digitBytes + offset] ?? 0,
        ];
        for (const shift of [0, 4]) {
          const lowDigit = (low >> shift) & 15;
          const value = scale * (16 * ((high >> shift) & 15) + lowDigit - format.zero) + minimum;
          power += value * value;
          squaredError += (scale * (lowDigit - mean)) ** 2;
        }
      }
    }
  }
  return { squaredError, power };
}

export function addedErrors(a: LowDigitError, b: LowDigitError): LowDigitError {
  return { squaredError: a.squaredError + b.squaredError, power: a.power + b.power };
}

/** Root mean square, relative to the values; 0 where nothing is lost. */
export function relativeLowError({ squaredError, power }: LowDigitError): number {
  return power > 0 ? Math.sqrt(squaredError / power) : 0;
}
