/**
 * Which way to sum up products is the faster one on this processor. Both give the same bits; see
 * DOT_PAIRS in wasm/include/matmul.h for why they differ in speed.
 */
import { MATRIX_WORDS, matrixWords } from './command-layout.ts';
import type { Kernels } from './kernel-module.ts';
import { planeBytes, planeFormats, SCALE_GAIN } from '../plane-formats.ts';

const ROWS = 256;
const COLUMNS = 1024;
/** First runs go into compiling. */
const WARM_UP_MS = 8;
const ROUND_MS = 2;
const ROUNDS = 3;

/** Products a millisecond with the method chosen last. */
function speed(run: () => void, milliseconds: number): number {
  const startedAt = performance.now();
  let count = 0;
  let took: number;
  do {
    for (let i = 0; i < 8; i++) run();
    count += 8;
    took = performance.now() - startedAt;
  } while (took < milliseconds);
  return count / took;
}

/**
 * Times methods on a matrix in the cache, and chooses one of them. Takes some 30 ms.
 * @param methods those that are right on this device, by number
 */
export function chooseDotMethod({ heap, call }: Kernels, methods: readonly number[]): number {
  const [only = 0] = methods;
  if (methods.length < 2) {
    call('hermit_choose_dot', only);
    return only;
  }
  const format = planeFormats.Q8_0;
  const { hi, lo } = planeBytes(format, ROWS, COLUMNS);
  const blocks = COLUMNS / 32;
  const sizes = [hi, lo, MATRIX_WORDS * 4, COLUMNS, blocks * 4, blocks * 4, 12, ROWS * 4];
  const at = sizes.map((bytes) => heap.allocate(bytes));
  const scratch = heap.allocate(call('scratch_matmul_bytes', 1, COLUMNS));
  const [high, low, matrix, digits, scales, sums, quantized, out] = at as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  // Zeros take as long as any other numbers, but not what lay in the memory before.
  at.forEach((address, i) => heap.bytes().fill(0, address, address + (sizes[i] as number)));
  const placement = { rows: ROWS, columns: COLUMNS, hi: high, lo: low, dense: 0 };
  heap.i32(matrix, MATRIX_WORDS).set(matrixWords(format, placement, SCALE_GAIN));
  heap.u32(quantized, 3).set([digits, scales, sums]);
  const run = (): void => {
    call('matvec_planes_8x32', matrix, quantized, 0, 8, 0, out, 0, ROWS / 8, scratch);
  };
  const best = new Map(methods.map((method) => [method, 0]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const method of methods) {
      call('hermit_choose_dot', method);
      const measured = speed(run, round < 0 ? WARM_UP_MS : ROUND_MS);
      if (round >= 0) best.set(method, Math.max(best.get(method) ?? 0, measured));
    }
  }
  for (const address of [...at, scratch]) heap.free(address);
  const [[chosen] = [only]] = [...best].sort(([, a], [, b]) => b - a);
  call('hermit_choose_dot', chosen);
  return chosen;
}
