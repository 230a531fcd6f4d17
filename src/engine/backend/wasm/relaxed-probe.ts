/**
 * Whether relaxed SIMD does here what the kernels need, found by running it. An engine may compile
 * the instructions and still compute something else: Node 20's baseline compiler doubles the sums of
 * `i32x4.relaxed_dot_i8x16_i7x16_add`.
 */
import { quantType, rowBytes } from '../../formats/quants/registry.ts';
import { MATRIX_WORDS, matrixWords } from './command-layout.ts';
import type { Kernels } from './kernel-module.ts';
import { planeBytes, planeFormats, SCALE_GAIN } from '../plane-formats.ts';

const ROWS = 40;
const COLUMNS = 96;
const TOKENS = 5;

/** Two products, one product, and two planes unpacked to one digit. */
const probedTypes = ['Q8_0', 'Q4_0', 'Q5_0'] as const;
type ProbedType = (typeof probedTypes)[number];

/** Loud on purpose: extreme digits and activations, where saturating variants would differ. */
function fillOperands(kernels: Kernels, type: ProbedType, source: number, x: number): void {
  const { blockBytes } = quantType(type);
  const bytes = kernels.heap.bytes();
  for (let i = 0; i < (ROWS * COLUMNS) / 32; i++) {
    const block = bytes.subarray(source + i * blockBytes, source + (i + 1) * blockBytes);
    block.fill(i % 3 === 0 ? 0x7f : 0x81);
    if (i % 3 === 2) block.forEach((_, j) => (block[j] = (j * 37 + i * 11) & 255));
    block.set([i & 255, 0x2c], 0);
  }
  const values = kernels.heap.f32(x, TOKENS * COLUMNS);
  values.forEach((_, i) => (values[i] = i % 5 === 0 ? -1 : Math.cos(i) > 0 ? 1 : -0.37));
}

/**
 * Runs the build's products and their scalar twin on fixed operands, once for every way to sum up
 * products. Returns the numbers of those that agree to the bit.
 */
export function agreeingDotMethods(kernels: Kernels): number[] {
  const agreeing = probedTypes.map((type) => agreeingFor(kernels, type));
  const [first = []] = agreeing;
  const all = first.filter((method) => agreeing.every((methods) => methods.includes(method)));
  kernels.call('hermit_choose_dot', all[0] ?? 0);
  return all;
}

function agreeingFor(kernels: Kernels, type: ProbedType): number[] {
  const { heap, call } = kernels;
  const format = planeFormats[type];
  const { hi, lo } = planeBytes(format, ROWS, COLUMNS);
  const blocks = (TOKENS * COLUMNS) / 32;
  const sizes = [
    ROWS * rowBytes(type, COLUMNS),
    hi,
    lo,
    MATRIX_WORDS * 4,
    TOKENS * COLUMNS * 4,
    TOKENS * COLUMNS * 2,
    blocks * 4,
    blocks * 4,
    12,
    TOKENS * ROWS * 4,
    TOKENS * ROWS * 4,
    call('scratch_matmul_bytes', TOKENS, COLUMNS),
  ];
  const at = sizes.map((bytes) => heap.allocate(Math.max(bytes, 16)));
  const [source, high, low, matrix, x, digits, scales, sums, quantized, fast, slow, scratch] =
    at as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  fillOperands(kernels, type, source, x);
  call(format.transcoder, source, ROWS, COLUMNS, high, low, SCALE_GAIN);
  const placement = { rows: ROWS, columns: COLUMNS, hi: high, lo: lo === 0 ? 0 : low, dense: 0 };
  heap.i32(matrix, MATRIX_WORDS).set(matrixWords(format, placement, SCALE_GAIN));
  heap.u32(quantized, 3).set([digits, scales, sums]);
  const groups = ROWS / 8;
  /** The whole product token by token and at once, compared with the twin. */
  const agrees = (precision: 8 | 4): boolean => {
    const quantize = (layout: number): void => {
      call('quantize_f32_i8x32', x, COLUMNS, 0, TOKENS, layout, digits, scales, sums);
    };
    const plain = kernels.activationBytes !== 1;
    quantize(0);
    call('matmul_planes_scalar', matrix, quantized, TOKENS, precision, 0, slow);
    const expected = heap.f32(slow, TOKENS * ROWS);
    const actual = heap.f32(fast, TOKENS * ROWS);
    const same = (length: number): boolean =>
      actual.subarray(0, length).every((value, i) => value === expected[i]);
    if (plain) quantize(2);
    call('matmat_planes_8x4', matrix, quantized, TOKENS, precision, 0, fast, 0, groups, scratch);
    if (!same(TOKENS * ROWS)) return false;
    if (plain) quantize(1);
    call('matvec_planes_8x32', matrix, quantized, 0, precision, 0, fast, 0, groups, scratch);
    return same(ROWS);
  };
  const methods = Array.from({ length: call('hermit_choose_dot', 0) }, (_, index) => index);
  const agreeing = methods.filter((method) => {
    call('hermit_choose_dot', method);
    return agrees(8) && (format.planes === 1 || agrees(4));
  });
  for (const address of at) heap.free(address);
  return agreeing;
}
