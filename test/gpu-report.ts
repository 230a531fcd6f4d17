/**
 * What one token asks of a graphics card, kernel by kernel, from the parameters of the dispatches alone:
 * evidence of efficiency that needs no graphics card. The graph of a model of a given shape is compiled
 * for a device on paper, whose buffers have a size and no memory.
 */
import type { Precision, WeightHandle } from '../src/engine/backend/backend.ts';
import type { Dispatch, StepNumbers } from '../src/engine/backend/webgpu/dispatch.ts';
import { splitPositions } from '../src/engine/backend/webgpu/dispatch.ts';
import { compileGraph } from '../src/engine/backend/webgpu/compile-graph.ts';
import type { GpuFeatures } from '../src/engine/backend/webgpu/gpu-device.ts';
import { GpuMemory } from '../src/engine/backend/webgpu/gpu-memory.ts';
import { GpuWeight } from '../src/engine/backend/webgpu/gpu-weight.ts';
import type { KernelName } from '../src/engine/backend/webgpu/kernel-sources.ts';
import { Pipelines } from '../src/engine/backend/webgpu/pipelines.ts';
import { readGguf } from '../src/engine/formats/gguf/reader.ts';
import { encodeGgufHeader } from '../src/engine/formats/gguf/writer.ts';
import { defineLanguageModel } from '../src/engine/models/registry.ts';
import { chooseStorage } from '../src/engine/weights/storage-policy.ts';
import { syntheticLlamaPlan, type SyntheticLlamaOptions } from './fixtures/synthetic-llama.ts';

export interface KernelReport {
  readonly kernel: KernelName;
  readonly dispatches: number;
  readonly workgroups: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export interface TokenReport {
  readonly dispatches: number;
  readonly bytes: number;
  /** Weights once, keys and values seen and new ones, the result: what no way of computing avoids. */
  readonly leastBytes: number;
  readonly kernels: readonly KernelReport[];
}

export interface ReportOptions {
  readonly shape: Omit<SyntheticLlamaOptions, 'contextLength'>;
  readonly features: GpuFeatures;
  /** Positions before the token. */
  readonly position: number;
  readonly precision: Precision;
}

const BINDING_BYTES = 1024 * 1024 * 1024;

/** Everything a device is asked for while a graph is compiled. */
const paperDevice = {
  limits: { maxStorageBufferBindingSize: BINDING_BYTES },
  pushErrorScope: () => undefined,
  popErrorScope: () => Promise.resolve(null),
  createBuffer: ({ size }: GPUBufferDescriptor) => ({ size, destroy: () => undefined }),
  createShaderModule: () => ({}),
  createBindGroupLayout: () => ({}),
  createPipelineLayout: () => ({}),
  createComputePipelineAsync: () => Promise.resolve({}),
  queue: { writeBuffer: () => undefined },
};

/** A step of one token after `position` others. */
export async function reportToken(options: ReportOptions): Promise<TokenReport> {
  const { shape, features, position, precision } = options;
  const { header, sizeBytes } = encodeGgufHeader(
    syntheticLlamaPlan({ ...shape, contextLength: position + 1 }),
  );
  const file = await readGguf({
    size: sizeBytes,
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(header.subarray(offset, offset + length));
      return Promise.resolve(bytes);
    },
  });
  const definition = defineLanguageModel(file);
  // The device of a browser is an interface of hundreds of names, of which compiling needs these.
  const device = paperDevice as unknown as GPUDevice;
  const memory = new GpuMemory(device, BINDING_BYTES, BINDING_BYTES);
  const storage = chooseStorage(definition.weights, 8);
  const weights = new Map<string, WeightHandle>();
  for (const { tensor, rows, columns, experts } of definition.weights) {
    const { name, type } = tensor;
    const spec = { name, type, rows, columns, storage: storage.get(name) ?? 'dense', experts };
    weights.set(name, new GpuWeight(memory, spec, BINDING_BYTES));
  }
  const compiled = compileGraph(
    definition.buildGraph(new Map()),
    { weights, maxTokens: 64, maxOutputs: 1 },
    { device, features, memory, pipelines: new Pipelines(device, features) },
  );
  const step = { tokens: 1, outputs: 1, position, ...splitPositions(1, position) };
  return addUp(compiled.one.dispatches('f16'), step, precision, 4 * compiled.resultColumns);
}

function addUp(
  dispatches: readonly Dispatch[],
  step: StepNumbers,
  precision: Precision,
  resultBytes: number,
): TokenReport {
  const kernels = new Map<KernelName, KernelReport>();
  let least = resultBytes;
  for (const { pipelines, grid, cost, leastBytes, bits } of dispatches) {
    const workgroups = grid(step);
    if (workgroups === null) continue;
    const read = bits(precision);
    const { kernel } = pipelines[read];
    const { bytesRead, bytesWritten } = cost(step, read);
    least += leastBytes?.(step, read) ?? 0;
    const before = kernels.get(kernel);
    kernels.set(kernel, {
      kernel,
      dispatches: (before?.dispatches ?? 0) + 1,
      workgroups: (before?.workgroups ?? 0) + workgroups.reduce((a, b) => a * b),
      bytesRead: (before?.bytesRead ?? 0) + bytesRead,
      bytesWritten: (before?.bytesWritten ?? 0) + bytesWritten,
    });
  }
  const all = [...kernels.values()];
  const sum = (pick: (report: KernelReport) => number): number =>
    all.reduce((total, report) => total + pick(report), 0);
  return {
    dispatches: sum((report) => report.dispatches),
    bytes: sum((report) => report.bytesRead + report.bytesWritten),
    leastBytes: least,
    kernels: all.sort((a, b) => b.bytesRead + b.bytesWritten - a.bytesRead - a.bytesWritten),
  };
}
