/**
 * `npm run bench -- --gpu`: a model of random weights on the WebGPU backend of the adapter at hand.
 * Decode as a share of the measured memory bandwidth, prefill in multiply-adds, and what one token asks
 * of the memory, kernel by kernel.
 */
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Precision } from '../../src/engine/backend/backend.ts';
import { createWebGpuBackend } from '../../src/engine/backend/webgpu/create-webgpu-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { reportToken, type TokenReport } from '../gpu-report.ts';

export interface GpuBenchOptions {
  readonly width: number;
  readonly layers: number;
  readonly feedForward: number;
  readonly vocabularySize: number;
  /** Tokens of the prompt, and of the answer. */
  readonly prompt: number;
  readonly answer: number;
}

export interface GpuBenchRow {
  readonly precision: Precision;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** GB of weights, caches and activations a second at decode. */
  readonly decodeGigabytesPerSecond: number;
  readonly report: TokenReport;
}

export interface GpuBenchResult {
  readonly adapter: string;
  readonly parameters: number;
  /** GB/s of copying a buffer on the device, both ways counted. */
  readonly copyGigabytesPerSecond: number;
  readonly rows: readonly GpuBenchRow[];
}

export async function runGpuBench(
  gpu: GPU,
  kernels: Uint8Array<ArrayBuffer>,
  options: GpuBenchOptions,
): Promise<GpuBenchResult> {
  const copyGigabytesPerSecond = await measureCopy(gpu);
  const backend = await createWebGpuBackend(gpu, () => Promise.resolve(kernels));
  const { prompt, answer, ...shape } = options;
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
    const speeds = await measureModel(model, prompt, answer, precision);
    const gigabytes = report.bytes / 1e9;
    rows.push({
      precision,
      ...speeds,
      decodeGigabytesPerSecond: gigabytes * speeds.decodeTokensPerSecond,
      report,
    });
  }
  const { parameters } = model.info;
  model.dispose();
  backend.dispose();
  return { adapter: backend.description, parameters, copyGigabytesPerSecond, rows };
}

async function measureModel(
  model: LanguageModel,
  prompt: number,
  answer: number,
  precision: Precision,
): Promise<Pick<GpuBenchRow, 'prefillTokensPerSecond' | 'decodeTokensPerSecond'>> {
  const state = model.createState({ capacity: prompt + answer + 4, kvType: 'f16' });
  const step = (count: number) =>
    model.forward(
      Int32Array.from({ length: count }, (_, i) => 3 + i),
      state,
      {
        want: 'last',
        precision,
      },
    );
  const read = async (): Promise<void> => {
    state.truncate(0);
    while (state.length < prompt) await step(Math.min(model.maxTokens, prompt - state.length));
  };
  await read(); // compiles, and warms the estimate of submissions
  const start = performance.now();
  await read();
  const prefillSeconds = (performance.now() - start) / 1000;
  await step(1);
  const written = performance.now();
  for (let i = 0; i < answer; i++) await step(1);
  const decodeSeconds = (performance.now() - written) / 1000;
  state.dispose();
  return {
    prefillTokensPerSecond: prompt / prefillSeconds,
    decodeTokensPerSecond: answer / decodeSeconds,
  };
}

/** `GPUBufferUsage.COPY_SRC | COPY_DST` */
const COPY = 4 | 8;
const COPIED_BYTES = 64 * 1024 * 1024;

async function measureCopy(gpu: GPU): Promise<number> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new Error('There is no adapter.');
  const device = await adapter.requestDevice();
  const [from, to] = [0, 1].map(() => device.createBuffer({ size: COPIED_BYTES, usage: COPY }));
  if (from === undefined || to === undefined) throw new Error('There is no memory.');
  let best = 0;
  for (let round = 0; round < 4; round++) {
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < 8; i++) encoder.copyBufferToBuffer(from, 0, to, 0, COPIED_BYTES);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const seconds = (performance.now() - start) / 1000;
    best = Math.max(best, (8 * 2 * COPIED_BYTES) / 1e9 / seconds);
  }
  device.destroy();
  return best;
}
