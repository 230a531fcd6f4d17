/**
 * Tries the kernels of a build on this device against their scalar twins, before any model runs on
 * them: an engine may compile an instruction and compute something else (`relaxed-probe.ts`). Takes
 * some 20 milliseconds. Sizes are small and odd, so that whole vectors and their rests are reached.
 */
import { CACHE_LAYER_WORDS, CACHE_WORDS, kvTypeCodes } from './command-layout.ts';
import type { Kernels } from './kernel-module.ts';
import { agreeingDotMethods } from './relaxed-probe.ts';

export interface KernelCheck {
  readonly kernel: string;
  readonly right: boolean;
}

export interface SelfTest {
  readonly checks: readonly KernelCheck[];
  /** Ways to sum up products that gave the right sums, by number. */
  readonly dotMethods: readonly number[];
}

/** The twin of attention adds up in another order. */
const ATTENTION_TOLERANCE = 1e-4;

/** Memory that is given back when a check is over. */
class Bench {
  readonly kernels: Kernels;
  readonly #blocks: number[] = [];

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  allocate(bytes: number): number {
    const address = this.kernels.heap.allocate(bytes);
    this.kernels.heap.bytes().fill(0, address, address + bytes);
    this.#blocks.push(address);
    return address;
  }

  /** Numbers between -3 and 3 without a pattern that sums could hide behind. */
  floats(count: number, seed: number): number {
    const address = this.allocate(count * 4);
    const values = this.kernels.heap.f32(address, count);
    values.forEach((_, i) => (values[i] = 3 * Math.sin(seed + 1.7 * i + 0.01 * i * i)));
    return address;
  }

  same(a: number, b: number, bytes: number): boolean {
    const { heap } = this.kernels;
    const expected = heap.bytes().slice(b, b + bytes);
    return heap
      .bytes()
      .subarray(a, a + bytes)
      .every((value, i) => value === expected[i]);
  }

  free(): void {
    for (const block of this.#blocks.splice(0)) this.kernels.heap.free(block);
  }
}

function checkQuantize(bench: Bench): boolean {
  const { call, activationBytes } = bench.kernels;
  const [columns, tokens] = [96, 3];
  const x = bench.floats(columns * tokens, 1);
  const layouts = activationBytes === 1 ? [0] : [0, 1, 2];
  return layouts.every((layout) => {
    const parts = [columns * tokens * (layout === 0 ? 1 : 2), 36, 36];
    const fast = parts.map((bytes) => bench.allocate(bytes));
    const slow = parts.map((bytes) => bench.allocate(bytes));
    call('quantize_f32_i8x32', x, columns, 0, tokens, layout, ...fast);
    call('quantize_f32_i8x32_scalar', x, columns, 0, tokens, layout, ...slow);
    return parts.every((bytes, i) => bench.same(fast[i] as number, slow[i] as number, bytes));
  });
}

function checkNorm(bench: Bench): boolean {
  const { call } = bench.kernels;
  const [columns, rows] = [67, 2];
  const x = bench.floats(columns * rows, 2);
  const weight = bench.floats(columns, 3);
  return [0, 1].every((layer) => {
    const [fast, slow] = [bench.allocate(columns * rows * 4), bench.allocate(columns * rows * 4)];
    for (const [kernel, out] of [
      ['norm_f32_x4', fast],
      ['norm_f32_scalar', slow],
    ] as const) {
      call(kernel, layer, x, weight, 0, 1, 1e-5, columns, out, 0, rows);
    }
    return bench.same(fast, slow, columns * rows * 4);
  });
}

function checkGate(bench: Bench): boolean {
  const { call } = bench.kernels;
  const count = 61;
  const [gate, up] = [bench.floats(count, 4), bench.floats(count, 5)];
  return [0, 1, 2, 4].every((kind) => {
    const [fast, slow] = [bench.allocate(count * 4), bench.allocate(count * 4)];
    call('gate_f32_x4', kind, gate, up, fast, 0, count);
    call('gate_f32_scalar', kind, gate, up, slow, 0, count);
    return bench.same(fast, slow, count * 4);
  });
}

function checkRope(bench: Bench): boolean {
  const { call } = bench.kernels;
  const [heads, headDim, pairs] = [3, 16, 8];
  const table = bench.floats(2 * pairs, 6);
  return [0, 1].every((interleaved) => {
    const [fast, slow] = [bench.floats(heads * headDim, 7), bench.floats(heads * headDim, 7)];
    call('rope_f32_x4', fast, table, heads, headDim, pairs, interleaved, 0, 1);
    call('rope_f32_scalar', slow, table, heads, headDim, pairs, interleaved, 0, 1);
    return bench.same(fast, slow, heads * headDim * 4);
  });
}

/** Cache write and attention together, for halves and for 8-bit integers. */
function checkAttention(bench: Bench): boolean {
  const { heap, call } = bench.kernels;
  const [heads, kvHeads, headDim, tokens] = [4, 2, 16, 41];
  const width = heads * headDim;
  return (['f16', 'q8'] as const).every((type) => {
    const vectors = kvHeads * tokens;
    const part = (): number[] => [
      headDim,
      bench.allocate(vectors * headDim * 2),
      bench.allocate(vectors * 4),
    ];
    const layer = bench.allocate(CACHE_LAYER_WORDS * 4);
    heap.u32(layer, CACHE_LAYER_WORDS).set([kvHeads, ...part(), ...part()]);
    const cache = bench.allocate(CACHE_WORDS * 4);
    heap.u32(cache, CACHE_WORDS).set([tokens, kvTypeCodes[type], layer, 0]);
    const [k, v] = [bench.floats(vectors * headDim, 8), bench.floats(vectors * headDim, 9)];
    call('cache_write_vectors', cache, 0, k, v, 0, 0, tokens);
    const q = bench.floats(tokens * width, 10);
    const [fast, slow] = [bench.allocate(tokens * width * 4), bench.allocate(tokens * width * 4)];
    const scratch = bench.allocate(
      call('scratch_attention_bytes', heads, kvHeads, headDim, headDim),
    );
    const weights = bench.allocate(tokens * 4);
    const units = kvHeads * Math.ceil(tokens / 8);
    const argument = (out: number): number => {
      const at = bench.allocate(48);
      heap.u32(at, 12).set([q, out, 0, heads, kvHeads, headDim, 0, 0, 0, 0, headDim, 0]);
      heap.f32(at, 9)[7] = 0.25;
      return at;
    };
    call('attention_cache_tile32', argument(fast), cache, tokens, 0, scratch, 0, units);
    call('attention_cache_scalar', argument(slow), cache, tokens, 0, weights);
    const expected = heap.f32(slow, tokens * width);
    return heap
      .f32(fast, tokens * width)
      .every((value, i) => Math.abs(value - (expected[i] as number)) <= ATTENTION_TOLERANCE);
  });
}

const kernelChecks = {
  quantize_f32_i8x32: checkQuantize,
  norm_f32_x4: checkNorm,
  gate_f32_x4: checkGate,
  rope_f32_x4: checkRope,
  attention_cache_tile32: checkAttention,
} as const satisfies Record<string, (bench: Bench) => boolean>;

/** Never throws: a kernel that cannot be tried is not right. */
export function testKernels(kernels: Kernels): SelfTest {
  const checks = Object.entries(kernelChecks).map(([kernel, check]): KernelCheck => {
    const bench = new Bench(kernels);
    try {
      return { kernel, right: check(bench) };
    } catch {
      return { kernel, right: false };
    } finally {
      bench.free();
    }
  });
  const dotMethods = agreeingDotMethods(kernels);
  const products = {
    kernel: 'matmat_planes_8x4, matvec_planes_8x32',
    right: dotMethods.length > 0,
  };
  return { checks: [products, ...checks], dotMethods };
}
