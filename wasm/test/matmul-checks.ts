/** Checks of transcoding, activation quantisation, matrix products and embedding lookup. */
import { float16ToNumber } from '../../src/common/float16.ts';
import { Check, Random, type KernelBed } from './kernel-bed.ts';
import {
  blockColumns,
  decodeBlocks,
  GAIN,
  isFloatType,
  lowStepOf,
  planeTypes,
  randomBlocks,
  type PlaneType,
} from './plane-sources.ts';

export const BYTES = 0;
export const SCALED_PAIRS = 1;
export const PAIRS = 2;
const TWO_112 = 2 ** 112;

export interface PlaneMatrix {
  readonly type: PlaneType;
  readonly rows: number;
  readonly columns: number;
  /** Address of the C struct. */
  readonly address: number;
  readonly hi: number;
  readonly hiBytes: number;
  readonly lo: number;
  readonly loBytes: number;
  readonly source: Uint8Array<ArrayBuffer>;
}

export function makeMatrix(
  bed: KernelBed,
  type: PlaneType,
  rows: number,
  columns: number,
  random: Random,
): PlaneMatrix {
  const blocks = columns / 32;
  const groups = Math.ceil(rows / 8);
  const source = randomBlocks(type, (rows * columns) / blockColumns(type), random);
  const hiBytes = groups * blocks * (type.hasMinimum ? 160 : 144);
  const loBytes = type.planes === 2 ? groups * blocks * 128 : 0;
  const from = bed.putBytes(source);
  const hi = bed.allocate(hiBytes);
  const lo = loBytes > 0 ? bed.allocate(loBytes) : 0;
  const address = bed.allocate(48);
  bed.call(`transcode_${type.kernel}_planes`, from, rows, columns, hi, lo, GAIN);
  bed.u32(address, 12).set([rows, columns, hi, lo, 0, type.hasMinimum ? 1 : 0]);
  bed.i32(address, 12).set([type.zero, type.zero256], 6);
  bed.f32(address, 12)[8] = type.factor / GAIN;
  bed.f32(address, 12)[10] = 1 / GAIN;
  bed.u32(address, 12)[9] = type.planes;
  bed.u32(address, 12)[11] = lowStepOf(type);
  return { type, rows, columns, address, hi, hiBytes, lo, loBytes, source };
}

/** Transcoders equal their twin to the byte; bad scales are noticed in every position. */
export function checkTranscode(bed: KernelBed): Check {
  const check = new Check('transcode');
  const random = new Random(1);
  for (const type of planeTypes) {
    for (const [rows, narrow] of [
      [1, 32],
      [7, 64],
      [8, 96],
      [9, 32],
      [17, 128],
      [33, 4096],
    ] as const) {
      const columns = Math.max(narrow, 2 * blockColumns(type) * (narrow === 32 ? 0.5 : 1));
      bed.reset();
      const label = `${type.kernel} ${rows}x${columns}`;
      const matrix = makeMatrix(bed, type, rows, columns, random);
      const from = bed.putBytes(matrix.source);
      const hi = bed.allocate(matrix.hiBytes);
      const lo = bed.allocate(matrix.loBytes);
      const flag = bed.call(
        'transcode_planes_scalar',
        type.typeId,
        from,
        rows,
        columns,
        hi,
        lo,
        GAIN,
      );
      check.same(`${label} hi`, bed.u8(matrix.hi, matrix.hiBytes), bed.u8(hi, matrix.hiBytes));
      check.same(`${label} lo`, bed.u8(matrix.lo, matrix.loBytes), bed.u8(lo, matrix.loBytes));
      const again = bed.call(`transcode_${type.kernel}_planes`, from, rows, columns, hi, lo, GAIN);
      check.same(`${label} flags`, [flag, again], [0, 0]);
    }
    checkBadNumbers(bed, check, type, random);
    checkOverflow(bed, check, type, random);
  }
  return check;
}

function checkBadNumbers(bed: KernelBed, check: Check, type: PlaneType, random: Random): void {
  const rows = 9;
  const columns = 2 * blockColumns(type);
  const patterns: Record<string, number[]> = {
    f32: [0x7f800000, 0x7fc00000, 0xff800000, 0x7f7fffff],
  };
  const bits =
    patterns[type.kernel] ?? (type.kernel === 'bf16' ? [0x7f80, 0x7fc0] : [0x7c00, 0xfc00, 0x7e01]);
  for (const pattern of bits) {
    for (const block of [0, 1, 17]) {
      bed.reset();
      const source = randomBlocks(type, rows * 2, random);
      const view = new DataView(source.buffer);
      const inBlock = isFloatType(type) ? type.blockBytes / 2 : (type.scaleAt ?? 0);
      const at = block * type.blockBytes + inBlock;
      if (type.kernel === 'f32') view.setUint32(at, pattern, true);
      else view.setUint16(at, pattern, true);
      const from = bed.putBytes(source);
      const hi = bed.allocate((columns / 32) * 2 * 160);
      const lo = bed.allocate((columns / 32) * 2 * 128);
      const flag = bed.call(`transcode_${type.kernel}_planes`, from, rows, columns, hi, lo, GAIN);
      const twin = bed.call(
        'transcode_planes_scalar',
        type.typeId,
        from,
        rows,
        columns,
        hi,
        lo,
        GAIN,
      );
      check.same(
        `${type.kernel} ${pattern.toString(16)} in block ${block}`,
        [flag & 1, twin],
        [1, flag],
      );
    }
  }
}

/** A scale of 64 times the gain does not fit; what was written can be rescaled, and a gain of 1 fits. */
function checkOverflow(bed: KernelBed, check: Check, type: PlaneType, random: Random): void {
  bed.reset();
  const rows = 8;
  const columns = 2 * blockColumns(type);
  const blocks = columns / 32;
  const source = randomBlocks(type, rows * 2, random);
  const from = bed.putBytes(source);
  const hiBytes = blocks * (type.hasMinimum ? 160 : 144);
  const [gained, plain, lo] = [hiBytes, hiBytes, blocks * 128].map((size) =>
    bed.allocate(size),
  ) as [number, number, number];
  const transcode = (to: number, gain: number): number =>
    bed.call(`transcode_${type.kernel}_planes`, from, rows, columns, to, lo, gain);
  check.same(`${type.kernel} gains`, [transcode(gained, GAIN), transcode(plain, 1)], [0, 0]);
  bed.call('rescale_planes', gained, blocks, type.hasMinimum ? 1 : 0, 1 / GAIN);
  check.same(`${type.kernel} rescaled`, bed.u8(gained, hiBytes), bed.u8(plain, hiBytes));
  if (isFloatType(type)) return;
  // Sub-blocks multiply the scale: 1/16 stays small, 256 passes 64 somewhere.
  const scales = [
    [0x53ff, 0],
    [0x5400, 2],
    [0xd400, 2],
  ] as const;
  const superScales = [
    [0x2c00, 0],
    [0x5c00, 2],
    [0xdc00, 2],
  ] as const;
  // ternary types have one scale for all sub-blocks
  const isPlain = type.blockColumns === undefined || type.kernel.startsWith('tq');
  for (const [bits, flag] of isPlain ? scales : superScales) {
    bed.u16(from + (type.scaleAt ?? 0), 1)[0] = bits;
    const twin = bed.call(
      'transcode_planes_scalar',
      type.typeId,
      from,
      rows,
      columns,
      plain,
      lo,
      GAIN,
    );
    check.same(`${type.kernel} scale ${bits}`, [transcode(gained, GAIN), twin], [flag, flag]);
    check.same(`${type.kernel} scale ${bits} gain 1`, [transcode(gained, 1)], [0]);
  }
}

export interface Activations {
  readonly address: number;
  readonly digits: number;
  readonly scales: number;
  readonly sums: number;
}

export function quantize(
  bed: KernelBed,
  x: number,
  tokens: number,
  columns: number,
  layout: number,
  suffix = '',
): Activations {
  const blocks = (tokens * columns) / 32;
  const digits = bed.allocate(tokens * columns * 2);
  const scales = bed.allocate(blocks * 4);
  const sums = bed.allocate(blocks * 4);
  bed.call(`quantize_f32_i8x32${suffix}`, x, columns, 0, tokens, layout, digits, scales, sums);
  const address = bed.allocate(12);
  bed.u32(address, 3).set([digits, scales, sums]);
  return { address, digits, scales, sums };
}

/** Quantised activations equal their twin to the bit and stay within half a step of the input. */
export function checkQuantize(bed: KernelBed): Check {
  const check = new Check('quantize_f32_i8x32');
  const random = new Random(2);
  for (const [tokens, columns] of [
    [1, 32],
    [2, 96],
    [5, 4096],
  ] as const) {
    bed.reset();
    const values = random.floats(tokens * columns, 3);
    values.fill(0, 0, 4);
    if (tokens === 2) values.fill(0, 32, 64);
    if (tokens === 5) values.fill(1e-35, 32, 64);
    if (tokens === 5) values[70] = 20000;
    const x = bed.putFloats(values);
    for (const layout of [BYTES, SCALED_PAIRS, PAIRS]) {
      const fast = quantize(bed, x, tokens, columns, layout);
      const slow = quantize(bed, x, tokens, columns, layout, '_scalar');
      const label = `${tokens}x${columns} layout ${layout}`;
      const bytes = tokens * columns * (layout === BYTES ? 1 : 2);
      const blocks = (tokens * columns) / 32;
      check.same(`${label} digits`, bed.u8(fast.digits, bytes), bed.u8(slow.digits, bytes));
      check.same(`${label} scales`, bed.f32(fast.scales, blocks), bed.f32(slow.scales, blocks));
      check.same(`${label} sums`, bed.i32(fast.sums, blocks), bed.i32(slow.sums, blocks));
      if (layout !== BYTES) continue;
      const digits = bed.i8(fast.digits, bytes);
      const scales = Array.from(bed.f32(fast.scales, blocks), (scale) => scale / TWO_112);
      const restored = Array.from(digits, (digit, i) => digit * (scales[i >> 5] as number));
      check.near(
        `${label} values`,
        restored,
        values,
        (i) => (scales[i >> 5] as number) * 0.5001 + 1e-30,
      );
      const sums = Array.from({ length: blocks }, (_, b) =>
        digits.subarray(32 * b, 32 * b + 32).reduce((a, d) => a + d, 0),
      );
      check.same(`${label} sums of digits`, bed.i32(fast.sums, blocks), sums);
    }
  }
  return check;
}

/** A weight as the given precision reads it, in double precision, from the planes. */
function planeWeights(
  bed: KernelBed,
  matrix: PlaneMatrix,
  precision: number,
): { scaled: Float64Array; cell: Float64Array } {
  const { type, rows, columns } = matrix;
  const blocks = columns / 32;
  const blockBytes = type.hasMinimum ? 160 : 144;
  const scaled = new Float64Array(rows * columns);
  const cell = new Float64Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const index = Math.floor(row / 8) * blocks + b;
      const hi = bed.u8(matrix.hi + index * blockBytes, blockBytes);
      const lo = matrix.lo === 0 ? null : bed.u8(matrix.lo + index * 128, 128);
      const halves = new DataView(hi.buffer, hi.byteOffset);
      const lane = row % 8;
      const scale = float16ToNumber(halves.getUint16(2 * lane, true)) * (type.factor / GAIN);
      const minimum = type.hasMinimum
        ? float16ToNumber(halves.getUint16(16 + 2 * lane, true)) / GAIN
        : 0;
      cell[row * blocks + b] = 16 * scale;
      for (let c = 0; c < 32; c++) {
        const i = c % 16;
        const at = 32 * (i >> 2) + 4 * lane + (i & 3);
        const shift = c < 16 ? 0 : 4;
        const high = ((hi[blockBytes - 128 + at] as number) >> shift) & 15;
        const low = ((lo?.[at] ?? 0) >> shift) & 15;
        let digits = high - type.zero;
        if (type.planes === 2)
          digits = precision === 8 ? 16 * high + low - type.zero : 16 * high - type.zero256 / 16;
        scaled[row * columns + 32 * b + c] = scale * digits + minimum;
      }
    }
  }
  return { scaled, cell };
}

const matmulSizes: readonly (readonly [number, number])[] = [
  ...Array.from({ length: 17 }, (_, i) => [i + 1, 32] as const),
  [1, 4096],
  [33, 64],
  [33, 96],
  [130, 96],
  [40, 4096],
];
const tokenCounts = [1, 2, 4, 5, 7, 33];

/** matvec and matmat equal their twin to the bit; the twin is near exact arithmetic. */
export function checkMatmulPlanes(bed: KernelBed): Check {
  const check = new Check('matvec_planes_8x32, matmat_planes_8x4');
  const random = new Random(3);
  const methods = bed.call('hermit_choose_dot', 0);
  for (const type of planeTypes) {
    if (isFloatType(type) || type.typeId > 8) continue; // the planes of a type above
    for (const [rows, columns] of matmulSizes) {
      for (const precision of type.planes === 2 ? [8, 4] : [8]) {
        for (let method = 0; method < methods; method++) {
          bed.reset();
          bed.call('hermit_choose_dot', method);
          const matrix = makeMatrix(bed, type, rows, columns, random);
          checkProducts(bed, check, matrix, precision, random);
        }
      }
    }
  }
  bed.call('hermit_choose_dot', 0);
  return check;
}

function checkProducts(
  bed: KernelBed,
  check: Check,
  matrix: PlaneMatrix,
  precision: number,
  random: Random,
): void {
  const { type, rows, columns } = matrix;
  const most = rows * columns > 50_000 ? 5 : 33;
  // Large activations too: their sums times the folded powers of two must stay in float's range.
  const x = bed.putFloats(random.floats(most * columns, rows % 3 === 0 ? 3000 : 1));
  const bias = bed.putFloats(random.floats(rows));
  const out = bed.allocate(most * rows * 4);
  const slow = bed.allocate(most * rows * 4);
  const scratch = bed.allocate(bed.call('scratch_matmul_bytes', most, columns));
  const relaxed = bed.call('hermit_activation_bytes') === 1;
  const bytes = quantize(bed, x, most, columns, BYTES);
  bed.call('matmul_planes_scalar', matrix.address, bytes.address, most, precision, bias, slow);
  const twin = bed.f32(slow, most * rows).slice();
  const label = `${type.kernel} ${precision}-bit ${rows}x${columns}`;
  checkAgainstExact(bed, check, label, matrix, precision, bytes, bed.f32(bias, rows), twin);

  const groups = Math.ceil(rows / 8);
  const single = relaxed ? bytes : quantize(bed, x, most, columns, SCALED_PAIRS);
  for (let token = 0; token < Math.min(most, 3); token++) {
    bed.f32(out, rows).fill(NaN);
    const middle = groups >> 1; // two ranges: what one thread does must not depend on the other
    for (const [begin, end] of [
      [0, middle],
      [middle, groups],
    ] as const) {
      bed.call(
        'matvec_planes_8x32',
        matrix.address,
        single.address,
        token,
        precision,
        bias,
        out,
        begin,
        end,
        scratch,
      );
    }
    check.same(
      `matvec ${label} token ${token}`,
      bed.f32(out, rows),
      twin.subarray(token * rows, (token + 1) * rows),
    );
  }
  const several = relaxed ? bytes : quantize(bed, x, most, columns, PAIRS);
  for (const tokens of tokenCounts) {
    if (tokens > most) continue;
    bed.f32(out, tokens * rows).fill(NaN);
    bed.call(
      'matmat_planes_8x4',
      matrix.address,
      several.address,
      tokens,
      precision,
      bias,
      out,
      0,
      groups,
      scratch,
    );
    check.same(
      `matmat ${label} x${tokens}`,
      bed.f32(out, tokens * rows),
      twin.subarray(0, tokens * rows),
    );
  }
}

function checkAgainstExact(
  bed: KernelBed,
  check: Check,
  label: string,
  matrix: PlaneMatrix,
  precision: number,
  x: Activations,
  bias: Float32Array,
  twin: Float32Array,
): void {
  const { rows, columns, type } = matrix;
  const blocks = columns / 32;
  const { scaled, cell } = planeWeights(bed, matrix, precision);
  const digits = bed.i8(x.digits, columns);
  const scales = bed.f32(x.scales, blocks);
  // 4-bit mode rounds the zero correction of a block to an integer: half a step of the high digit.
  const rounding = type.planes === 2 && precision === 4 ? 0.5 : 0;
  const exact = new Float64Array(rows);
  const tolerance = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let size = Math.abs(bias[row] as number);
    let slack = 0;
    exact[row] = bias[row] as number;
    for (let c = 0; c < columns; c++) {
      const b = c >> 5;
      const product =
        (scaled[row * columns + c] as number) *
        (digits[c] as number) *
        ((scales[b] as number) / TWO_112);
      exact[row] = (exact[row] as number) + product;
      size += Math.abs(product);
      if (c % 32 === 0)
        slack +=
          rounding * Math.abs(cell[row * blocks + b] as number) * ((scales[b] as number) / TWO_112);
    }
    tolerance[row] = size * 4e-6 + slack;
  }
  check.near(`exact ${label}`, twin.subarray(0, rows), exact, (row) => tolerance[row] as number);
}

/** Dense float32 products. */
export function checkMatmulDense(bed: KernelBed): Check {
  const check = new Check('matmul_f32_4x2');
  const random = new Random(4);
  for (const [rows, columns] of [...matmulSizes, [5, 30], [3, 7], [9, 1]] as const) {
    for (const tokens of rows * columns > 50_000 ? [1, 5] : tokenCounts) {
      bed.reset();
      const w = random.floats(rows * columns);
      const x = random.floats(tokens * columns);
      const bias = random.floats(rows);
      const matrix = bed.allocate(48);
      bed.u32(matrix, 12).fill(0);
      bed.u32(matrix, 12).set([rows, columns, 0, 0, bed.putFloats(w)]);
      const xAt = bed.putFloats(x);
      const biasAt = bed.putFloats(bias);
      const fast = bed.allocate(tokens * rows * 4);
      const slow = bed.allocate(tokens * rows * 4);
      bed.call('matmul_f32_4x2', matrix, xAt, tokens, biasAt, fast, 0, Math.ceil(rows / 8));
      bed.call('matmul_f32_scalar', matrix, xAt, tokens, biasAt, slow);
      const label = `${rows}x${columns} x${tokens}`;
      const actual = bed.f32(fast, tokens * rows);
      check.same(label, actual, bed.f32(slow, tokens * rows));
      const exact = new Float64Array(tokens * rows);
      const size = new Float64Array(tokens * rows);
      for (let i = 0; i < exact.length; i++) {
        const row = i % rows;
        const t = Math.floor(i / rows);
        let sum = bias[row] as number;
        let magnitude = Math.abs(sum);
        for (let c = 0; c < columns; c++) {
          const product = (w[row * columns + c] as number) * (x[t * columns + c] as number);
          sum += product;
          magnitude += Math.abs(product);
        }
        exact[i] = sum;
        size[i] = magnitude;
      }
      check.near(`exact ${label}`, actual, exact, (i) => (size[i] as number) * 2e-6);
    }
  }
  return check;
}

/** Embedding rows equal the format's own values (integer types) or lie within half a step (floats). */
export function checkEmbed(bed: KernelBed): Check {
  const check = new Check('embed_rows');
  const random = new Random(5);
  for (const type of planeTypes) {
    for (const [rows, blocks] of [
      [13, 2],
      [130, 3],
    ] as const) {
      const columns = blocks * blockColumns(type);
      bed.reset();
      const matrix = makeMatrix(bed, type, rows, columns, random);
      const tokens = [0, rows - 1, 3, 3, 8];
      const ids = bed.putIntegers(tokens);
      const out = bed.allocate(tokens.length * columns * 4);
      const values = decodeBlocks(type, matrix.source);
      for (const precision of [8, 4]) {
        bed.call('embed_rows', matrix.address, ids, 0, 0, 1.5, precision, out, 0, tokens.length);
        const read = planeWeights(bed, matrix, precision).scaled;
        const exact = tokens.flatMap((token) =>
          Array.from(read.subarray(token * columns, (token + 1) * columns), (v) => v * 1.5),
        );
        const actual = bed.f32(out, exact.length);
        check.near(
          `${type.kernel} ${precision}-bit`,
          actual,
          exact,
          (i) => Math.abs(exact[i] as number) * 1e-6 + 1e-9,
        );
        if (precision === 4) continue;
        const source = tokens.flatMap((token) =>
          Array.from(values.subarray(token * columns, (token + 1) * columns)),
        );
        const largest = (i: number): number =>
          Math.max(...source.slice(i & ~31, (i & ~31) + 32).map(Math.abs));
        check.near(
          `${type.kernel} source`,
          actual,
          source.map((v) => v * 1.5),
          (i) =>
            type.error > 0
              ? 1.5 * largest(i) * type.error + 1e-7
              : Math.abs((source[i] as number) * 2e-6) + 1e-9,
        );
      }
    }
  }
  checkEmbedDense(bed, check, random);
  return check;
}

function checkEmbedDense(bed: KernelBed, check: Check, random: Random): void {
  bed.reset();
  const values = random.floats(5 * 12);
  const matrix = bed.allocate(48);
  bed.u32(matrix, 12).fill(0);
  bed.u32(matrix, 12).set([5, 12, 0, 0, bed.putFloats(values)]);
  const ids = bed.putIntegers([4, 0]);
  const out = bed.allocate(2 * 12 * 4);
  bed.call('embed_rows', matrix, ids, 0, 0, 2, 8, out, 0, 2);
  check.same(
    'dense',
    bed.f32(out, 24),
    [...values.slice(48), ...values.slice(0, 12)].map((v) => v * 2),
  );
  bed.call('embed_rows', matrix, 0, 3, 1, 2, 8, out, 0, 2);
  check.same(
    'rows from 3 on',
    bed.f32(out, 24),
    [...values.slice(36)].map((v) => v * 2),
  );
  bed.call('embed_rows', matrix, 0, 0, 0, 1, 8, out, 0, 2);
  const first = [...values.slice(0, 12)];
  check.same('always the first row', bed.f32(out, 24), [...first, ...first]);
}
