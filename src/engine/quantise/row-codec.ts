/**
 * Turns rows of a tensor from one type into another and tells what that cost. `ScalarRowCodec` is
 * the readable one for every type; `wasm-row-codec.ts` does the common ones fast.
 */
import type { TensorType } from '../graph/dtype.ts';
import { quantizer, quantType, rowBytes } from '../formats/quants/registry.ts';

/** Sums over values, weighted by the importance of their columns. */
export interface RowError {
  /** Of (value - what is left of it)^2. */
  readonly squaredError: number;
  /** Of value^2. */
  readonly power: number;
}

export interface EncodedRows extends RowError {
  /** The rows in the new type; valid until the next call. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface RowCodec {
  /**
   * @param rows whole rows of `columns` values in the type `from`
   * @param importance a weight per column
   * @throws AppError `not-supported` for a type that cannot be written
   */
  encode(
    rows: Uint8Array,
    from: TensorType,
    to: TensorType,
    columns: number,
    importance: Float32Array | undefined,
  ): EncodedRows;
}

/** The root of the mean square of the error relative to that of the values. */
export function relativeError({ squaredError, power }: RowError): number {
  return power > 0 ? Math.sqrt(squaredError / power) : 0;
}

export class ScalarRowCodec implements RowCodec {
  encode(
    rows: Uint8Array,
    from: TensorType,
    to: TensorType,
    columns: number,
    importance: Float32Array | undefined,
  ): EncodedRows {
    const count = rows.length / rowBytes(from, columns);
    const values = new Float32Array(count * columns);
    quantType(from).dequantize(rows, values);
    const bytes = new Uint8Array(count * rowBytes(to, columns));
    quantizer(to)(values, bytes, importance);
    const decoded = new Float32Array(values.length);
    quantType(to).dequantize(bytes, decoded);
    return { bytes, ...measureError(values, decoded, importance) };
  }
}

/** `values` and `decoded` are whole rows where there is an importance. */
export function measureError(
  values: Float32Array,
  decoded: Float32Array,
  importance: Float32Array | undefined,
): RowError {
  let squaredError = 0;
  let power = 0;
  const columns = importance?.length ?? values.length;
  for (let start = 0; start < values.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      const weight = importance === undefined ? 1 : (importance[column] as number);
      const value = values[start + column] as number;
      squaredError += weight * (value - (decoded[start + column] as number)) ** 2;
      power += weight * value * value;
    }
  }
  return { squaredError, power };
}
