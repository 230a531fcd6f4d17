/**
 * `npm run bench -- --gpu`: a model of random weights on the WebGPU backend of the adapter at hand.
 * Decode as a share of the bandwidth, and prefill of the multiply-adds, that are measured on it first;
 * the longest submission; and what one token asks of the memory, kernel by kernel.
 */
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Precision } from '../../src/engine/backend/backend.ts';
import { createWebGpuBackend } from '../../src/engine/backend/webgpu/create-webgpu-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import type { GpuFeatures } from '../../src/engine/backend/webgpu/gpu-device.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { reportToken, type TokenReport } from '../gpu-report.ts';
import { measurePeaks, type GpuPeaks } from './gpu-peaks.ts';

export interface GpuBenchOptions {
  readonly width: number;
  readonly layers: number;
  readonly feedForward: number;
  readonly vocabularySize: number;
  /** Bytes of the memory that is read to measure its bandwidth. */
  readonly peakBytes: number;
  /** Tokens of the prompt, and of the answer. */
  readonly prompt: number;
  readonly answer: number;
}

export interface GpuBenchRow {
  readonly precision: Precision;
  readonly prefillTokensPerSecond: number;
  /** As answers are written: the next steps are under way while candidates are read. */
  readonly decodeTokensPerSecond: number;
  /** Of steps that wait for each other and bring all logits. */
  readonly lonelyTokensPerSecond: number;
  /** Milliseconds of the longest submission. */
  readonly longestSubmitMs: number;
  /** GB of weights, caches and activations a second at decode. */
  readonly decodeGigabytesPerSecond: number;
  readonly report: TokenReport;
}

export interface GpuBenchResult {
  readonly adapter: string;
  readonly features: GpuFeatures;
  readonly parameters: number;
  /** Those of matrices that every token of a prompt is multiplied with. */
  readonly multiplyAdds: number;
  readonly peaks: GpuPeaks;
  readonly rows: readonly GpuBenchRow[];
}

export async function runGpuBench(
  gpu: GPU,
  kernels: Uint8Array<ArrayBuffer>,
  options: GpuBenchOptions,
): Promise<GpuBenchResult> {
  const { prompt, answer, peakBytes, ...shape } = options;
  const peaks = await measurePeaks(gpu, peakBytes);
  const submits = new SubmitTimes();
  submits.watch(gpu);
  const backend = await createWebGpuBackend(gpu, () => Promise.resolve(kernels));
  const llama = {
    ...shape,
    heads: shape.width / 64,
    kvHeads: Math.max(1, shape.width / 256),
    type: 'Q8_0',
  } as const;
  const bytes = syntheticLlama({ ...llama, contextLength: prompt + answer + 8 });
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
  const rows: GpuBenchRow[] = [];
  for (const precision of [8, 4] as const) {
    const { features } = backend;
    const report = await reportToken({ shape: llama, features, position: prompt, precision });
    const speeds = await measureModel(model, options, precision, submits);
    const gigabytes = report.bytes / 1e9;
    rows.push({
      precision,
      ...speeds,
      decodeGigabytesPerSecond: gigabytes * speeds.decodeTokensPerSecond,
      report,
    });
  }
  const { parameters } = model.info;
  const { features, description: adapter } = backend;
  model.dispose();
  backend.dispose();
  // The embedding is looked up; the output matrix is multiplied with the last token alone.
  const multiplyAdds = parameters - 2 * shape.vocabularySize * shape.width;
  return { adapter, features, parameters, multiplyAdds, peaks, rows };
}

type Speeds = Pick<
  GpuBenchRow,
  'prefillTokensPerSecond' | 'decodeTokensPerSecond' | 'lonelyTokensPerSecond' | 'longestSubmitMs'
>;

async function measureModel(
  model: LanguageModel,
  { prompt, answer }: GpuBenchOptions,
  precision: Precision,
  submits: SubmitTimes,
): Promise<Speeds> {
  const state = model.createState({ capacity: prompt + answer + 4, kvType: 'f16' });
  const step = (tokens: readonly number[], want: 'none' | 'last') =>
    model.forward(Int32Array.from(tokens), state, { want, precision });
  const read = async (): Promise<void> => {
    state.truncate(0);
    while (state.length < prompt) {
      const count = Math.min(model.maxTokens, prompt - state.length);
      const isLast = state.length + count === prompt;
      await step(
        Array.from({ length: count }, (_, i) => 3 + i),
        isLast ? 'last' : 'none',
      );
    }
  };
  await read(); // compiles, and warms the estimate of submissions
  await submits.takeLongest();
  const prefillSeconds = await secondsOf(read);
  const write = async (): Promise<void> => {
    let token = 3;
    for (let i = 0; i < answer; i++) {
      const choice = { temperature: 0, topP: 1, minP: 0, randoms: [0, 0, 0].slice(0, answer - i) };
      const request = { count: 1, choice };
      const top = await model.forwardTop?.(Int32Array.of(token), state, { precision }, request);
      token = top?.ids[0] ?? 3;
    }
  };
  const writeAlone = async (): Promise<void> => {
    for (let i = 0; i < answer; i++) await step([3], 'last');
  };
  const decode: number[] = [];
  for (const way of [write, writeAlone]) {
    await step([3], 'last');
    decode.push(answer / (await secondsOf(way)));
    state.truncate(prompt);
  }
  const [decodeTokensPerSecond = 0, lonelyTokensPerSecond = 0] = decode;
  state.dispose();
  return {
    prefillTokensPerSecond: prompt / prefillSeconds,
    decodeTokensPerSecond,
    lonelyTokensPerSecond,
    longestSubmitMs: await submits.takeLongest(),
  };
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Watches what the queue of a device is given, and how long each submission takes. */
class SubmitTimes {
  #longestMs = 0;
  #doneAt = 0;
  #pending: Promise<void> = Promise.resolve();

  /** Of the devices that this entry gives from now on. */
  watch(gpu: GPU): void {
    const requestAdapter = gpu.requestAdapter.bind(gpu);
    gpu.requestAdapter = async (options) => {
      const adapter = await requestAdapter(options);
      const requestDevice = adapter?.requestDevice.bind(adapter);
      if (adapter === null || requestDevice === undefined) return null;
      adapter.requestDevice = async (descriptor) => {
        const device = await requestDevice(descriptor);
        this.#watch(device.queue);
        return device;
      };
      return adapter;
    };
  }

  /** Of the submissions since the last call, once all are done. */
  async takeLongest(): Promise<number> {
    await this.#pending;
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  #watch(queue: GPUQueue): void {
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      submit(buffers);
      const submittedAt = performance.now();
      this.#pending = queue.onSubmittedWorkDone().then(() => {
        const now = performance.now();
        this.#longestMs = Math.max(this.#longestMs, now - Math.max(submittedAt, this.#doneAt));
        this.#doneAt = now;
      });
    };
  }
}
