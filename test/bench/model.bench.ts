/**
 * Times whole models in a worker: prefill and decode in tokens a second, for several numbers of
 * threads, interleaved round by round. Before that it compares the logits of a short model of the same
 * widths with the reference backend: speed of wrong results is worth nothing.
 *
 * Models are made here, of true shapes and random weights: speed does not depend on what they say.
 * Knows nothing of Node; `run-model.mjs` bundles it and starts the browser.
 */
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import type { Backend } from '../../src/engine/backend/backend.ts';
import {
  createWasmBackend,
  type FetchKernels,
} from '../../src/engine/backend/wasm/create-wasm-backend.ts';
import type { SpawnShardThread } from '../../src/engine/backend/wasm/shards/shard-thread.ts';
import type { SpawnKernelThread } from '../../src/engine/backend/wasm/threads/kernel-thread.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import type { KvCache } from '../../src/engine/models/kv-cache.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { KernelBed } from '../../wasm/test/kernel-bed.ts';
import { syntheticLlama, type SyntheticMix } from '../fixtures/synthetic-llama.ts';
import { makeModelFile, modelShapes, type ModelName } from './model-shapes.ts';

export interface ModelBenchOptions {
  readonly model: ModelName;
  readonly type: SyntheticMix;
  /** Numbers of threads to compare; the first is what others are compared with. */
  readonly threads: readonly number[];
  /** Plain SIMD even where relaxed SIMD works. */
  readonly plain: boolean;
  /** Whether the page is, so that threads share a memory; else they have one each. */
  readonly isolated: boolean;
}

export interface ModelBenchRow {
  readonly model: ModelName;
  readonly type: string;
  readonly backend: string;
  readonly threads: number;
  readonly measure: string;
  readonly tokensPerSecond: number;
  readonly lowest: number;
  readonly highest: number;
  /** Median of the rounds' ratios to the first number of threads. */
  readonly timesFirst: number;
  /** Weights read, decode only. */
  readonly gigabytesPerSecond: number | null;
  /** Share of the speed at which one thread of this machine streams memory. */
  readonly ceilingShare: number | null;
}

export interface BenchHost {
  readonly fetchKernels: FetchKernels;
  readonly spawn: SpawnKernelThread;
  readonly spawnShard: SpawnShardThread;
  /** Bytes of the module that reads memory as fast as it can. */
  readonly stream: Uint8Array<ArrayBuffer>;
}

const PREFILL_TOKENS = 128;
const DECODE_TOKENS = 12;
const CONTEXT = 1200;
const NMSE_LIMIT = 5e-3;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

async function openModel(bytes: Uint8Array<ArrayBuffer>, backend: Backend): Promise<LanguageModel> {
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  return loadModel({ source, file, backend, precision: 8, kvType: 'f16', contextLength: CONTEXT });
}

async function makeBackend(host: BenchHost, options: ModelBenchOptions): Promise<Backend> {
  const fetchKernels: FetchKernels = options.plain
    ? (_, memory) => host.fetchKernels('plain', memory)
    : host.fetchKernels;
  const most = Math.max(...options.threads);
  const isolated = most > 1 && options.isolated;
  const shards = { spawn: host.spawnShard };
  return createWasmBackend(fetchKernels, { isolated, most, spawn: host.spawn, shards });
}

/** Relative squared error of the logits after a prompt and one token more. */
async function referenceError(host: BenchHost, options: ModelBenchOptions): Promise<number> {
  const shape = { ...modelShapes[options.model], layers: 2, vocabularySize: 1024 };
  const bytes = syntheticLlama({ ...shape, contextLength: 64, type: options.type });
  const tokens = Int32Array.from({ length: 6 }, (_, i) => 10 + 7 * i);
  const results: Float32Array[] = [];
  for (const backend of [new ReferenceBackend(), await makeBackend(host, options)]) {
    const model = await openModel(bytes, backend);
    const state = model.createState({ capacity: 64, kvType: 'f16' });
    const run = { want: 'last', precision: 8 } as const;
    const prompt = (await model.forward(tokens, state, run)).slice();
    const next = await model.forward(Int32Array.of(99), state, run);
    results.push(Float32Array.from([...prompt, ...next]));
    backend.dispose();
  }
  const [expected, actual] = results as [Float32Array, Float32Array];
  let [error, power] = [0, 0];
  expected.forEach((value, i) => {
    error += ((actual[i] as number) - value) ** 2;
    power += value ** 2;
  });
  return error / power;
}

/** Gigabytes a second that one thread can read from main memory. */
async function streamingCeiling(stream: Uint8Array<ArrayBuffer>): Promise<number> {
  const bed = await KernelBed.create(stream);
  const bytes = 160 * 1024 * 1024;
  const at = bed.allocate(bytes);
  const times = Array.from({ length: 7 }, () => {
    const start = performance.now();
    bed.call('stream_read', at, bytes);
    return performance.now() - start;
  });
  return bytes / Math.min(...times) / 1e6;
}

interface Measure {
  readonly name: string;
  readonly tokens: number;
  readonly decode: boolean;
  run(): Promise<void>;
}

function measures(model: LanguageModel): Measure[] {
  const state = model.createState({ capacity: CONTEXT, kvType: 'f16' }) as unknown as KvCache;
  const run = { want: 'last', precision: 8 } as const;
  const prompt = Int32Array.from({ length: PREFILL_TOKENS }, (_, i) => 3 + ((i * 37) % 200));
  const decodeAt = (context: number): Measure => ({
    name: `decode, context ${context}`,
    tokens: DECODE_TOKENS,
    decode: true,
    run: async () => {
      state.truncate(0);
      state.advance(context); // what the cache holds does not change how long it takes
      for (let i = 0; i < DECODE_TOKENS; i++) {
        await model.forward(Int32Array.of(5 + i), state, run);
      }
    },
  });
  const prefill = async (): Promise<void> => {
    state.truncate(0);
    await model.forward(prompt, state, run);
  };
  return [
    { name: `prefill ${PREFILL_TOKENS}`, tokens: PREFILL_TOKENS, decode: false, run: prefill },
    decodeAt(128),
    decodeAt(1024),
  ];
}

/** A model that is loaded and can be timed, round by round. */
export interface OpenBench {
  readonly error: number;
  readonly ceiling: number;
  /** Milliseconds a token: of each measure, with each number of threads. */
  round(): Promise<number[][]>;
  /** @param rounds what `round` gave */
  rows(rounds: readonly (readonly (readonly number[])[])[]): ModelBenchRow[];
}

/** @throws Error when the results are wrong */
export async function openModelBench(
  host: BenchHost,
  options: ModelBenchOptions,
): Promise<OpenBench> {
  const error = await referenceError(host, options);
  if (!(error < NMSE_LIMIT))
    throw new Error(`The logits are off by ${error}: nothing is measured.`);
  const ceiling = await streamingCeiling(host.stream);
  const bytes = makeModelFile(options.model, options.type, CONTEXT);
  const backend = await makeBackend(host, options);
  const model = await openModel(bytes, backend);
  const all = measures(model);
  const round = async (): Promise<number[][]> => {
    const times = all.map((): number[] => []);
    for (const [m, measure] of all.entries()) {
      for (const threads of options.threads) {
        backend.setThreads?.(threads);
        const start = performance.now();
        await measure.run();
        times[m]?.push((performance.now() - start) / measure.tokens);
      }
    }
    return times;
  };
  await round(); // lets the browser compile
  const weightBytes = model.weightBytesOfToken(8);
  const rows = (rounds: readonly (readonly (readonly number[])[])[]): ModelBenchRow[] =>
    all.flatMap((measure, m) =>
      options.threads.map((threads, t): ModelBenchRow => {
        const own = rounds.map((times) => times[m]?.[t] as number);
        const first = rounds.map((times) => times[m]?.[0] as number);
        const gigabytes = measure.decode ? weightBytes / median(own) / 1e6 : null;
        backend.setThreads?.(threads);
        return {
          model: options.model,
          type: options.type,
          backend: backend.description,
          threads,
          measure: measure.name,
          tokensPerSecond: 1000 / median(own),
          lowest: 1000 / Math.max(...own),
          highest: 1000 / Math.min(...own),
          timesFirst: median(own.map((time, i) => (first[i] as number) / time)),
          gigabytesPerSecond: gigabytes,
          ceilingShare: gigabytes === null ? null : gigabytes / ceiling,
        };
      }),
    );
  return { error, ceiling, round, rows };
}
