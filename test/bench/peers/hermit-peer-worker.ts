/** Hermit's engine in a worker, as the side-by-side benchmark drives it. */
import { expose } from 'comlink';
import { BufferByteSource, checkRange, type ByteSource } from '../../../src/common/byte-source.ts';
import { ReferenceBackend } from '../../../src/engine/backend/reference/reference-backend.ts';
import type { Backend } from '../../../src/engine/backend/backend.ts';
import { createWasmBackend } from '../../../src/engine/backend/wasm/create-wasm-backend.ts';
import type { WasmBackend } from '../../../src/engine/backend/wasm/wasm-backend.ts';
import { readGguf } from '../../../src/engine/formats/gguf/reader.ts';
import type { KvCache } from '../../../src/engine/models/kv-cache.ts';
import type { LanguageModel } from '../../../src/engine/models/language-model.ts';
import { loadModel } from '../../../src/engine/weights/weight-loader.ts';
import { KernelBed } from '../../../wasm/test/kernel-bed.ts';
import { fetchBytes, fetchKernels, spawnByPath } from '../page-host.ts';
import type { LoadOptions } from './peer.ts';

const run = { want: 'last', precision: 8 } as const;

class BlobSource implements ByteSource {
  readonly size: number;
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
    this.size = blob.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    return new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
  }
}

async function open(
  source: ByteSource,
  backend: Backend,
  contextLength: number,
): Promise<LanguageModel> {
  const file = await readGguf(source);
  return loadModel({ source, file, backend, precision: 8, kvType: 'f16', contextLength });
}

function makeBackend(threads: number): Promise<WasmBackend> {
  return createWasmBackend(fetchKernels, {
    isolated: threads > 1,
    most: threads,
    spawn: spawnByPath(),
  });
}

function mostLikely(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) {
    if ((logits[token] as number) > (logits[best] as number)) best = token;
  }
  return best;
}

/** Squared error of logits relative to their power, a prompt and one token more. */
async function errorAgainstReference(
  source: ByteSource,
  tokens: readonly number[],
  threads: number,
): Promise<number> {
  const results: Float32Array[] = [];
  for (const backend of [new ReferenceBackend(), await makeBackend(threads)]) {
    const model = await open(source, backend, 64);
    const state = model.createState({ capacity: 64, kvType: 'f16' });
    const prompt = (await model.forward(Int32Array.from(tokens), state, run)).slice();
    const next = await model.forward(Int32Array.of(tokens[0] as number), state, run);
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

/** Reads tokens in the longest steps that the model takes, the way of a session. */
async function read(
  model: LanguageModel,
  state: KvCache,
  tokens: readonly number[],
): Promise<Float32Array> {
  let logits: Float32Array = new Float32Array(0);
  for (let at = 0; at < tokens.length; at += model.maxTokens) {
    const slice = Int32Array.from(tokens.slice(at, at + model.maxTokens));
    const isLast = at + slice.length === tokens.length;
    logits = await model.forward(slice, state, { ...run, want: isLast ? 'last' : 'none' });
  }
  return logits;
}

const worker = {
  backend: null as WasmBackend | null,
  model: null as LanguageModel | null,
  state: null as KvCache | null,

  async load(file: Blob, { threads, contextLength }: LoadOptions): Promise<void> {
    this.backend = await makeBackend(threads);
    this.backend.setThreads(threads);
    this.model = await open(new BlobSource(file), this.backend, contextLength);
    const state = this.model.createState({ capacity: contextLength, kvType: 'f16' });
    this.state = state as unknown as KvCache;
  },

  /** @returns milliseconds of the prompt alone */
  async prefill(tokens: readonly number[]): Promise<number> {
    this.state?.truncate(0);
    const startedAt = performance.now();
    const logits = await read(this.model as LanguageModel, this.state as KvCache, tokens);
    const took = performance.now() - startedAt;
    mostLikely(logits);
    return took;
  },

  async decode(context: number, count: number): Promise<number> {
    this.state?.truncate(context);
    let token = 300;
    const startedAt = performance.now();
    for (let i = 0; i < count; i++) {
      const logits = await this.model?.forward(Int32Array.of(token), this.state as KvCache, run);
      token = mostLikely(logits as Float32Array);
    }
    return (performance.now() - startedAt) / count;
  },

  weightBytes(): number {
    return this.backend?.memory().weightBytes ?? 0;
  },

  /** Milliseconds of each group of commands while these tokens are read at this context. */
  async profile(
    context: number,
    tokens: readonly number[],
  ): Promise<readonly (readonly [string, number])[]> {
    const sums = new Map<string, number>();
    const backend = this.backend as WasmBackend;
    const steps = 8;
    for (let step = -2; step < steps; step++) {
      this.state?.truncate(context);
      backend.profiler =
        step < 0
          ? () => undefined
          : (label, ms) => sums.set(label, (sums.get(label) ?? 0) + ms / steps);
      await read(this.model as LanguageModel, this.state as KvCache, tokens);
    }
    backend.profiler = null;
    return [...sums];
  },

  /** @param small a file of the same widths that the reference backend can compute */
  check(
    small: Uint8Array<ArrayBuffer>,
    tokens: readonly number[],
    threads: number,
  ): Promise<number> {
    return errorAgainstReference(new BufferByteSource(small), tokens, threads);
  },

  /** Gigabytes a second at which one thread can read main memory. */
  async readingSpeed(): Promise<number> {
    const bed = await KernelBed.create(await fetchBytes('/stream.wasm'));
    const bytes = 160 * 1024 * 1024;
    const at = bed.allocate(bytes);
    const times = Array.from({ length: 5 }, () => {
      const startedAt = performance.now();
      bed.call('stream_read', at, bytes);
      return performance.now() - startedAt;
    });
    return bytes / Math.min(...times) / 1e6;
  },
};

export type HermitPeerWorker = typeof worker;

expose(worker);
