/** Checks of the kernels that make smaller models: rows of float32 to quantised blocks. */
import { quantizer, quantType, rowBytes } from '../../src/engine/formats/quants/registry.ts';
import type { TensorType } from '../../src/engine/graph/dtype.ts';
import { Check, Random, type KernelBed } from './kernel-bed.ts';

const types = ['Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K'] as const;
const rows = 5;
const columns = 768;
const outlierRow = 2;

/** Ordinary rows, and the edges: zeros, one sign, one outlier, constants, very small and large values. */
function edgeRows(random: Random): Float32Array<ArrayBuffer> {
  const values = random.floats(rows * columns, 0.05);
  const row = (index: number, change: (value: number, i: number) => number): void => {
    const part = values.subarray(index * columns, (index + 1) * columns);
    part.set(part.map(change));
  };
  row(1, (value, i) => (i < 256 ? 0 : Math.abs(value) + 0.2));
  row(outlierRow, (value, i) => (i % 256 === 77 ? -30 : value));
  row(3, (value, i) => (i < 256 ? 0.125 : i < 512 ? -0.3 : value * 1e-4));
  row(4, (value, i) => (i < 256 ? value * 1e4 : value * 2 ** -(i >> 5)));
  return values;
}

/** Kernels, twins and reference quantisers, with and without importance. */
export function checkEncode(bed: KernelBed): Check {
  const check = new Check('encode_rows');
  const random = new Random(21);
  for (const type of types) {
    for (const weighted of [false, true]) {
      bed.reset();
      const values = edgeRows(random);
      const importance = weighted
        ? Float32Array.from({ length: columns }, (_, i) => 0.01 + (i % 7) ** 2)
        : undefined;
      encodeBoth(bed, check, type, values, importance);
    }
  }
  return check;
}

function encodeBoth(
  bed: KernelBed,
  check: Check,
  type: TensorType,
  values: Float32Array<ArrayBuffer>,
  importance: Float32Array | undefined,
): void {
  const label = `${type}${importance === undefined ? '' : ' weighted'}`;
  const length = rows * rowBytes(type, columns);
  const source = bed.putFloats(values);
  const weights = importance === undefined ? 0 : bed.putFloats(importance);
  const results = ['', '_scalar'].map((way) => {
    const out = bed.allocate(length);
    const sums = bed.allocate(16);
    new Float64Array(bed.memory.buffer, sums, 2).fill(0);
    const name = `encode_${type.toLowerCase()}_rows${way}`;
    bed.call(name, source, rows, columns, weights, out, sums);
    return {
      bytes: bed.u8(out, length).slice(),
      sums: new Float64Array(bed.memory.buffer, sums, 2).slice(),
    };
  });
  const [fast, slow] = results as [(typeof results)[0], (typeof results)[0]];
  check.same(`${label} bytes`, fast.bytes, slow.bytes);
  check.same(`${label} sums`, fast.sums, slow.sums);
  const expected = new Uint8Array(length);
  quantizer(type)(values, expected, importance);
  const zeros = new Uint8Array(length);
  const exact = type === 'Q8_0' || (type === 'Q4_0' && importance === undefined);
  if (exact) check.same(`${label} as the reference`, fast.bytes, expected);
  for (let row = 0; row < rows; row++) {
    const ours = rowError(type, values, fast.bytes, row, importance);
    const theirs = rowError(type, values, expected, row, importance);
    // The same candidates in single precision: no worse but for rounding, which one value that is a
    // thousand times the others makes as large as what the candidates differ in.
    const slack = row === outlierRow ? 1e-4 * rowError(type, values, zeros, row, importance) : 0;
    check.that(
      ours <= theirs * 1.01 + slack + 1e-12,
      () => `${label} row ${row}: error ${ours} against ${theirs}`,
    );
  }
  let total = 0;
  for (let row = 0; row < rows; row++) total += rowError(type, values, fast.bytes, row, importance);
  check.near(`${label} error`, [fast.sums[0] ?? NaN], [total], () => 1e-4 * total);
}

function rowError(
  type: TensorType,
  values: Float32Array,
  bytes: Uint8Array,
  row: number,
  importance: Float32Array | undefined,
): number {
  const size = rowBytes(type, columns);
  const decoded = new Float32Array(columns);
  quantType(type).dequantize(bytes.subarray(row * size, (row + 1) * size), decoded);
  return decoded.reduce((sum, value, i) => {
    const difference = value - (values[row * columns + i] as number);
    return sum + (importance?.[i] ?? 1) * difference * difference;
  }, 0);
}

/** Halves of every bit pattern, and bfloat16; what is not finite must not become an ordinary number. */
export function checkFloats(bed: KernelBed): Check {
  const check = new Check('floats_of');
  const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const bytes = new Uint8Array(patterns.buffer);
  const source = bed.putBytes(bytes);
  const out = bed.allocate(4 * patterns.length);
  for (const type of ['F16', 'BF16'] as const) {
    bed.call(`floats_of_${type.toLowerCase()}`, source, patterns.length, out);
    const expected = new Float32Array(patterns.length);
    quantType(type).dequantize(bytes, expected);
    const actual = bed.f32(out, patterns.length);
    const finite = patterns.filter((i) => Number.isFinite(expected[i]));
    check.same(
      `${type} finite`,
      Array.from(finite, (i) => actual[i] as number),
      Array.from(finite, (i) => expected[i] as number),
    );
    check.that(
      patterns.every((i) => Number.isFinite(expected[i]) || !Number.isFinite(actual[i])),
      () => `${type}: a value that is not finite became one that is`,
    );
  }
  return check;
}
