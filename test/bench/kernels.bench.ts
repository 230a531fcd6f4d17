/**
 * Times the kernels inside a page, on one thread.
 *
 * All candidates of a group run interleaved, round by round, so that a change of clock or a busy
 * neighbour hits them alike; each number is the median of the rounds and each ratio the median of the
 * rounds' ratios. Knows nothing of Node; `run.mjs` bundles it, starts the browser and prints.
 */
import { KernelBed, Random } from '../../wasm/test/kernel-bed.ts';
import {
  blockColumns,
  lowStepOf,
  GAIN,
  planeTypes,
  randomBlocks,
  type PlaneType,
} from '../../wasm/test/plane-sources.ts';

export interface BenchModules {
  readonly relaxed: BufferSource;
  readonly simd: BufferSource;
  readonly scalar: BufferSource;
  readonly stream: BufferSource;
}

export interface BenchRow {
  readonly operator: string;
  readonly build: string;
  /** Where the weights lie: they fit the last-level cache, or only main memory. */
  readonly data: string;
  readonly gigabytesPerSecond: number;
  /** Share of the streaming-read speed measured in the same rounds. */
  readonly ceilingShare: number | null;
  readonly gigamacsPerSecond: number | null;
  /** Times the speed of the scalar build of the same operator. */
  readonly timesScalar: number | null;
}

export const ROWS = 4096;
export const COLUMNS = 4096;
const MACS = ROWS * COLUMNS;
export const PREFILL_TOKENS = 64;
const ROUNDS = 9;
/** Long enough for the page's coarse clock. */
const ROUND_MILLISECONDS = 25;
/** Far above any last-level cache of a client machine. */
const MEMORY_COPIES = { 4: 14, 8: 7 } as const;

interface Candidate {
  readonly name: string;
  /** Bytes of weights that one call reads. */
  readonly bytes: number;
  run(index: number): void;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

/** Milliseconds a call, per candidate and round. */
function timeInterleaved(candidates: readonly Candidate[], rounds = ROUNDS): number[][] {
  const repeats = candidates.map((candidate) => {
    candidate.run(0); // lets the engine compile
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < ROUND_MILLISECONDS) candidate.run(count++);
    return count;
  });
  const times: number[][] = candidates.map(() => []);
  for (let round = 0; round < rounds; round++) {
    candidates.forEach((candidate, i) => {
      const count = repeats[i] as number;
      const start = performance.now();
      for (let k = 0; k < count; k++) candidate.run(k);
      times[i]?.push((performance.now() - start) / count);
    });
  }
  return times;
}

export function typeOf(kernel: string): PlaneType {
  const type = planeTypes.find((candidate) => candidate.kernel === kernel);
  if (type === undefined) throw new Error(`no type ${kernel}`);
  return type;
}

/** A matrix in planes, several copies of it, and one quantised vector, in a module's own memory. */
export class Workload {
  readonly bed: KernelBed;
  readonly bytes: number;
  readonly #matrices: readonly number[];
  readonly #vector: number;
  readonly #vectors: number;
  readonly #out: number;
  readonly #scratch: number;
  /** One of the methods of `hermit_choose_dot`. */
  dot: number;

  constructor(bed: KernelBed, type: PlaneType, source: Uint8Array, copies: number, dot = 0) {
    this.bed = bed;
    this.dot = dot;
    bed.reset();
    const blocks = (ROWS / 8) * (COLUMNS / 32);
    const sizes = [
      blocks * (type.hasMinimum ? 160 : 144),
      type.planes === 2 ? blocks * 128 : 0,
    ] as const;
    this.bytes = sizes[0] + sizes[1];
    const from = bed.putBytes(source);
    this.#matrices = Array.from({ length: copies }, () => {
      const [hi, lo] = sizes.map((size) => bed.allocate(size)) as [number, number];
      bed.call(`transcode_${type.kernel}_planes`, from, ROWS, COLUMNS, hi, lo, GAIN);
      const matrix = bed.allocate(48);
      bed
        .u32(matrix, 12)
        .set([ROWS, COLUMNS, hi, type.planes === 2 ? lo : 0, 0, type.hasMinimum ? 1 : 0]);
      bed.i32(matrix, 12).set([type.zero, type.zero256], 6);
      bed.f32(matrix, 12)[8] = type.factor / GAIN;
      bed.f32(matrix, 12)[10] = 1 / GAIN;
      bed.u32(matrix, 12)[9] = type.planes;
      bed.u32(matrix, 12)[11] = lowStepOf(type);
      return matrix;
    });
    const relaxed = bed.call('hermit_activation_bytes') === 1;
    this.#vector = this.#quantize(1, relaxed ? 0 : 1);
    this.#vectors = this.#quantize(PREFILL_TOKENS, relaxed ? 0 : 2);
    this.#out = bed.allocate(PREFILL_TOKENS * ROWS * 4);
    this.#scratch = bed.allocate(bed.call('scratch_matmul_bytes', PREFILL_TOKENS, COLUMNS));
  }

  #quantize(tokens: number, layout: number): number {
    const { bed } = this;
    const x = bed.putFloats(new Random(1).floats(tokens * COLUMNS));
    const digits = bed.allocate(tokens * COLUMNS * 2);
    const scales = bed.allocate((tokens * COLUMNS) / 8);
    const sums = bed.allocate((tokens * COLUMNS) / 8);
    bed.call('quantize_f32_i8x32', x, COLUMNS, 0, tokens, layout, digits, scales, sums);
    const address = bed.allocate(12);
    bed.u32(address, 3).set([digits, scales, sums]);
    return address;
  }

  matvec(index: number): void {
    const matrix = this.#matrices[index % this.#matrices.length] as number;
    this.bed.call('hermit_choose_dot', this.dot);
    this.bed.call(
      'matvec_planes_8x32',
      matrix,
      this.#vector,
      0,
      8,
      0,
      this.#out,
      0,
      ROWS / 8,
      this.#scratch,
    );
  }

  matmat(): void {
    const matrix = this.#matrices[0] as number;
    this.bed.call('hermit_choose_dot', this.dot);
    this.bed.call(
      'matmat_planes_8x4',
      matrix,
      this.#vectors,
      PREFILL_TOKENS,
      8,
      0,
      this.#out,
      0,
      ROWS / 8,
      this.#scratch,
    );
  }
}

interface Beds {
  readonly relaxed: KernelBed;
  /** The relaxed build again, to be run with its other way to sum up. */
  readonly pairs: KernelBed;
  readonly simd: KernelBed;
  readonly scalar: KernelBed;
  readonly stream: KernelBed;
}

/** The scalar operator on the file's own blocks, with the same int8 activations. */
function scalarCandidate(bed: KernelBed, kernel: string, source: Uint8Array): Candidate {
  bed.reset();
  const weights = bed.putBytes(source);
  const x = bed.putBytes(new Random(2).bytes(COLUMNS));
  const scales = bed.putFloats(new Float32Array(COLUMNS / 32).fill(0.01));
  const out = bed.allocate(ROWS * 4);
  const run = (): void => {
    bed.call(`matvec_${kernel}_scalar`, weights, x, scales, out, ROWS, COLUMNS);
  };
  return { name: 'scalar', bytes: source.length, run };
}

function streamCandidate(bed: KernelBed, bytes: number, copies: number): Candidate {
  bed.reset();
  const addresses = Array.from({ length: copies }, () => bed.allocate(bytes));
  const run = (index: number): void => {
    bed.call('stream_read', addresses[index % copies] as number, bytes);
  };
  return { name: 'streaming read', bytes, run };
}

function matvecRows(beds: Beds, bits: 4 | 8, inMemory: boolean): BenchRow[] {
  const type = typeOf(bits === 4 ? 'q4_0' : 'q8_0');
  const source = randomBlocks(type, (ROWS * COLUMNS) / 32, new Random(3));
  const copies = inMemory ? MEMORY_COPIES[bits] : 1;
  const scalar = scalarCandidate(beds.scalar, type.kernel, source);
  const workloads = [
    ['relaxed SIMD, sums of four', new Workload(beds.relaxed, type, source, copies)],
    ['relaxed SIMD, sums of two', new Workload(beds.pairs, type, source, copies, 1)],
    ['plain SIMD', new Workload(beds.simd, type, source, copies)],
  ] as const;
  const bytes = workloads[0][1].bytes;
  const candidates: Candidate[] = [
    streamCandidate(beds.stream, bytes, copies),
    scalar,
    ...workloads.map(([name, work]) => ({
      name,
      bytes,
      run: (index: number) => {
        work.matvec(index);
      },
    })),
  ];
  const times = timeInterleaved(candidates);
  const [ceiling, baseline] = times as [number[], number[]];
  return candidates.map((candidate, i) => {
    const own = times[i] as number[];
    const isStream = i === 0;
    return {
      operator: isStream ? `streaming read` : `matvec 4096x4096, ${bits}-bit`,
      build: isStream ? 'plain SIMD' : candidate.name,
      data: inMemory
        ? `DRAM, ${Math.round((bytes * copies) / 1e6)} MB`
        : `cache, ${Math.round(bytes / 1e6)} MB`,
      gigabytesPerSecond: candidate.bytes / median(own) / 1e6,
      ceilingShare:
        i < 2 ? null : median(own.map((time, round) => (ceiling[round] as number) / time)),
      gigamacsPerSecond: isStream ? null : MACS / median(own) / 1e6,
      timesScalar:
        i < 2 ? null : median(own.map((time, round) => (baseline[round] as number) / time)),
    };
  });
}

function prefillRows(beds: Beds, bits: 4 | 8): BenchRow[] {
  const type = typeOf(bits === 4 ? 'q4_0' : 'q8_0');
  const source = randomBlocks(type, (ROWS * COLUMNS) / 32, new Random(4));
  const scalar = scalarCandidate(beds.scalar, type.kernel, source);
  const works = [
    ['relaxed SIMD, sums of four', new Workload(beds.relaxed, type, source, 1)],
    ['relaxed SIMD, sums of two', new Workload(beds.pairs, type, source, 1, 1)],
    ['plain SIMD', new Workload(beds.simd, type, source, 1)],
  ] as const;
  const candidates: Candidate[] = [
    scalar,
    ...works.map(([name, work]) => ({
      name,
      bytes: work.bytes,
      run: () => {
        work.matmat();
      },
    })),
  ];
  const times = timeInterleaved(candidates);
  return candidates.slice(1).map((candidate, i) => {
    const own = times[i + 1] as number[];
    return {
      operator: `matmat 4096x4096 x ${PREFILL_TOKENS} tokens, ${bits}-bit`,
      build: candidate.name,
      data: `cache, ${Math.round(candidate.bytes / 1e6)} MB`,
      gigabytesPerSecond: candidate.bytes / median(own) / 1e6,
      ceilingShare: null,
      gigamacsPerSecond: (MACS * PREFILL_TOKENS) / median(own) / 1e6,
      timesScalar: median(
        own.map((time, round) => ((times[0]?.[round] as number) * PREFILL_TOKENS) / time),
      ),
    };
  });
}

function transcodeRows(bed: KernelBed): BenchRow[] {
  const rows = 1024;
  return planeTypes.map((type) => {
    bed.reset();
    const source = randomBlocks(type, (rows * COLUMNS) / blockColumns(type), new Random(5));
    const from = bed.putBytes(source);
    const hi = bed.allocate((rows * COLUMNS * 20) / 32);
    const lo = bed.allocate((rows * COLUMNS) / 2);
    const run = (): void => {
      bed.call(`transcode_${type.kernel}_planes`, from, rows, COLUMNS, hi, lo, GAIN);
    };
    const [own] = timeInterleaved([{ name: type.kernel, bytes: source.length, run }], 5) as [
      number[],
    ];
    return {
      operator: `transcode ${type.kernel.toUpperCase()} to planes`,
      build: 'plain SIMD',
      data: `${Math.round(source.length / 1e6)} MB of file`,
      gigabytesPerSecond: source.length / median(own) / 1e6,
      ceilingShare: null,
      gigamacsPerSecond: null,
      timesScalar: null,
    };
  });
}

/** Runs everything; takes about 20 seconds and 800 MB. */
export async function runKernelBench(modules: BenchModules): Promise<BenchRow[]> {
  const beds: Beds = {
    relaxed: await KernelBed.create(modules.relaxed),
    pairs: await KernelBed.create(modules.relaxed),
    simd: await KernelBed.create(modules.simd),
    scalar: await KernelBed.create(modules.scalar),
    stream: await KernelBed.create(modules.stream),
  };
  const rows: BenchRow[] = [];
  for (const inMemory of [false, true]) {
    for (const bits of [4, 8] as const) rows.push(...matvecRows(beds, bits, inMemory));
  }
  for (const bits of [4, 8] as const) rows.push(...prefillRows(beds, bits));
  rows.push(...transcodeRows(beds.simd));
  return rows;
}
