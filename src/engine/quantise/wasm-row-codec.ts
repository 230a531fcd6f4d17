/**
 * The fast `RowCodec`: kernels of `wasm/src/encode.c` for the types that recipes make, floats decoded
 * there too. Everything else goes the scalar way.
 */
import { AppError } from '../../common/errors.ts';
import { compileKernels, instantiateKernels, type Kernels } from '../backend/wasm/kernel-module.ts';
import { quantType, rowBytes } from '../formats/quants/registry.ts';
import type { TensorType } from '../graph/dtype.ts';
import { ScalarRowCodec, type EncodedRows, type RowCodec } from './row-codec.ts';

const encoders: ReadonlySet<TensorType> = new Set(['Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K']);

interface Buffer {
  address: number;
  bytes: number;
}

export class WasmRowCodec implements RowCodec {
  readonly #kernels: Kernels;
  readonly #scalar = new ScalarRowCodec();
  readonly #source: Buffer = { address: 0, bytes: 0 };
  readonly #values: Buffer = { address: 0, bytes: 0 };
  readonly #importance: Buffer = { address: 0, bytes: 0 };
  readonly #result: Buffer = { address: 0, bytes: 0 };
  /** Two doubles: what the kernels add the errors to. */
  readonly #sums: number;

  private constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#sums = kernels.heap.allocate(16);
  }

  /**
   * @param source the plain build: nothing here gains from relaxed SIMD
   * @throws AppError `engine/backend-unavailable`, `engine/asset-mismatch`, `engine/out-of-memory`
   */
  static async create(source: Uint8Array<ArrayBuffer> | WebAssembly.Module): Promise<WasmRowCodec> {
    return new WasmRowCodec(instantiateKernels(await compileKernels(source)));
  }

  encode(
    rows: Uint8Array,
    from: TensorType,
    to: TensorType,
    columns: number,
    importance: Float32Array | undefined,
  ): EncodedRows {
    if (!encoders.has(to)) return this.#scalar.encode(rows, from, to, columns, importance);
    const { heap, call } = this.#kernels;
    const count = rows.length / rowBytes(from, columns);
    const length = count * rowBytes(to, columns);
    // all memory first: views made before it grows would be detached
    const values = this.#room(this.#values, 4 * count * columns);
    const result = this.#room(this.#result, length);
    const weights = importance === undefined ? 0 : this.#room(this.#importance, 4 * columns);
    const source = this.#room(this.#source, rows.length);
    if (importance !== undefined) heap.f32(weights, columns).set(importance);
    this.#decode(rows, from, count * columns, source, values);
    heap.f64(this.#sums, 2).fill(0);
    const kernel = `encode_${to.toLowerCase()}_rows`;
    call(kernel, values, count, columns, weights, result, this.#sums);
    const [squaredError = NaN, power = NaN] = heap.f64(this.#sums, 2);
    return { bytes: unshared(heap.u8(result, length)), squaredError, power };
  }

  #decode(rows: Uint8Array, from: TensorType, count: number, source: number, values: number): void {
    const { heap, call } = this.#kernels;
    switch (from) {
      case 'F32':
        heap.u8(values, rows.length).set(rows);
        return;
      case 'F16':
      case 'BF16':
        heap.u8(source, rows.length).set(rows);
        call(`floats_of_${from.toLowerCase()}`, source, count, values);
        return;
      default:
        quantType(from).dequantize(rows, heap.f32(values, count));
    }
  }

  /** The address of at least `bytes`, kept for the next piece. */
  #room(buffer: Buffer, bytes: number): number {
    if (buffer.bytes < bytes) {
      if (buffer.bytes > 0) this.#kernels.heap.free(buffer.address);
      buffer.address = this.#kernels.heap.allocate(bytes);
      buffer.bytes = bytes;
    }
    return buffer.address;
  }
}

/** The kernels here run on a memory of their own; one that threads share could not be written to a file. */
function unshared({ buffer, byteOffset, length }: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!(buffer instanceof ArrayBuffer)) {
    throw new AppError('internal', 'Models are made smaller on private memory.');
  }
  return new Uint8Array(buffer, byteOffset, length);
}
