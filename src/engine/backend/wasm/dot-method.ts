/**
 * Which way to sum up products is the faster one on this processor, for one token and for a prompt.
 * All give the same bits; see DOT_PAIRS in wasm/include/matmul.h for why they differ in speed.
 */
import type { KernelSpeed } from '../backend.ts';
import { MATRIX_WORDS, matrixWords } from './command-layout.ts';
import type { Kernels } from './kernel-module.ts';
import { planeBytes, planeFormats, SCALE_GAIN } from '../plane-formats.ts';

/** Ways to sum up products, by number, as the kernels know them. */
export interface DotMethods {
  readonly decode: number;
  readonly prefill: number;
}

export interface DotChoice extends DotMethods {
  /** What was measured; nothing where there was nothing to choose. */
  readonly speeds: readonly KernelSpeed[];
}

export const dotMethodNames = ['sums of four', 'sums of two'] as const;

const ROWS = 256;
const COLUMNS = 1024;
/** Whole tiles, and few enough for many runs in a round. */
const PROMPT_TOKENS = 8;
/** First runs go into compiling. */
const WARM_UP_MS = 8;
const ROUND_MS = 2;
const ROUNDS = 3;

/** Runs a millisecond. */
function speed(run: () => void, milliseconds: number): number {
  const startedAt = performance.now();
  let count = 0;
  let took: number;
  do {
    for (let i = 0; i < 4; i++) run();
    count += 4;
    took = performance.now() - startedAt;
  } while (took < milliseconds);
  return count / took;
}

/** What is multiplied with a matrix in the cache, by each of the two kernels. */
interface Workload {
  readonly decode: () => void;
  readonly prefill: () => void;
  readonly free: () => void;
}

function makeWorkload({ heap, call }: Kernels): Workload {
  const format = planeFormats.Q8_0;
  const { hi, lo } = planeBytes(format, ROWS, COLUMNS);
  const blocks = (PROMPT_TOKENS * COLUMNS) / 32;
  const place = (bytes: number): number => {
    const address = heap.allocate(bytes);
    // Zeros take as long as any other numbers, but not what lay in the memory before.
    heap.bytes().fill(0, address, address + bytes);
    return address;
  };
  const [high, low, matrix] = [place(hi), place(lo), place(MATRIX_WORDS * 4)];
  const operands = [place(PROMPT_TOKENS * COLUMNS * 2), place(blocks * 4), place(blocks * 4)];
  const quantized = place(12);
  const out = place(PROMPT_TOKENS * ROWS * 4);
  const scratch = place(call('scratch_matmul_bytes', PROMPT_TOKENS, COLUMNS));
  const placement = { rows: ROWS, columns: COLUMNS, hi: high, lo: low, dense: 0 };
  heap.i32(matrix, MATRIX_WORDS).set(matrixWords(format, placement, SCALE_GAIN));
  heap.u32(quantized, 3).set(operands);
  const run = (kernel: string, tokenOrTokens: number): void => {
    call(kernel, matrix, quantized, tokenOrTokens, 8, 0, out, 0, ROWS / 8, scratch);
  };
  const all = [high, low, matrix, ...operands, quantized, out, scratch];
  return {
    decode: () => {
      run('matvec_planes_8x32', 0);
    },
    prefill: () => {
      run('matmat_planes_8x4', PROMPT_TOKENS);
    },
    free: () => {
      for (const address of all) heap.free(address);
    },
  };
}

function fastest(speeds: readonly KernelSpeed[], phase: 'decode' | 'prefill'): string {
  return speeds.reduce((best, next) => (next[phase] > best[phase] ? next : best)).method;
}

/** Has the kernels sum up products so from now on. */
export function useDotMethods({ call }: Kernels, { decode, prefill }: DotMethods): void {
  call('hermit_choose_dot', decode);
  call('hermit_choose_tile_dot', prefill);
}

/**
 * Times methods on a matrix in the cache, and chooses one of them for each of the two kernels. Takes
 * some 50 ms.
 * @param methods those that are right on this device, by number
 */
export function chooseDotMethods(kernels: Kernels, methods: readonly number[]): DotChoice {
  const [only = 0] = methods;
  if (methods.length < 2) {
    const choice = { decode: only, prefill: only, speeds: [] };
    useDotMethods(kernels, choice);
    return choice;
  }
  const workload = makeWorkload(kernels);
  const best = methods.map(() => ({ decode: 0, prefill: 0 }));
  for (let round = -1; round < ROUNDS; round++) {
    methods.forEach((method, i) => {
      kernels.call('hermit_choose_dot', method);
      for (const phase of ['decode', 'prefill'] as const) {
        const measured = speed(workload[phase], round < 0 ? WARM_UP_MS : ROUND_MS);
        const known = best[i];
        if (round >= 0 && known !== undefined) known[phase] = Math.max(known[phase], measured);
      }
    });
  }
  workload.free();
  const gigaPerRun = (ROWS * COLUMNS) / 1e6;
  const speeds = methods.map((method, i): KernelSpeed => {
    const { decode = 0, prefill = 0 } = best[i] ?? {};
    return {
      method: dotMethodNames[method] ?? String(method),
      decode: decode * gigaPerRun,
      prefill: prefill * gigaPerRun * PROMPT_TOKENS,
    };
  });
  const numberOf = (phase: 'decode' | 'prefill'): number =>
    methods[speeds.findIndex(({ method }) => method === fastest(speeds, phase))] ?? only;
  const choice = { decode: numberOf('decode'), prefill: numberOf('prefill'), speeds };
  useDotMethods(kernels, choice);
  return choice;
}
