/** What all ways through a graph share: its weights, the step's numbers, rotary tables, its needs. */
import type { Graph, RopeOp, WeightId } from '../../graph/ops.ts';
import type { CompileOptions } from '../backend.ts';
import { inconsistent } from '../graph-checks.ts';
import { findWeights } from './check-graph.ts';
import type { GpuFeatures } from './gpu-device.ts';
import type { CacheLayerNeeds, RopeTable } from './compiled-graph.ts';
import { bufferUsage, type GpuMemory, type Slice } from './gpu-memory.ts';
import type { GpuWeight } from './gpu-weight.ts';
import type { Pipelines } from './pipelines.ts';

const WORD = 4;
/** Bytes of the uniform with the step's numbers. */
const STEP_BYTES = 32;

export interface CompilerDevice {
  readonly device: GPUDevice;
  readonly features: GpuFeatures;
  readonly memory: GpuMemory;
  readonly pipelines: Pipelines;
}

export class GraphMemory {
  readonly on: CompilerDevice;
  readonly weights: readonly GpuWeight[];
  readonly ropeTables: RopeTable[] = [];
  readonly buffers: GPUBuffer[] = [];
  readonly step: Slice;
  readonly tokens: Slice;
  /** Stand in for a bias, a weight or routes that are absent. */
  readonly nothing: Slice;
  readonly nothingWritable: Slice;
  readonly cache = new Map<number, CacheLayerNeeds>();
  /** Numbers of recurrent blocks, by slot. */
  readonly recurrent = new Map<number, number>();
  readonly #maxTokens: number;
  bytes = 0;

  /** @throws AppError `invalid-argument`, `not-supported`, `model-file/missing-tensor`, `internal` */
  constructor(graph: Graph, options: CompileOptions, on: CompilerDevice) {
    this.on = on;
    this.weights = findWeights(graph, options, on.memory);
    this.#maxTokens = options.maxTokens;
    const { uniform, storage, copySource, copyTarget } = bufferUsage;
    this.step = this.whole('step', STEP_BYTES, uniform | copyTarget);
    const tokensUsage = storage | copySource | copyTarget;
    this.tokens = this.whole('tokens', options.maxTokens * WORD, tokensUsage);
    this.nothing = this.whole('nothing', 16, storage);
    this.nothingWritable = this.whole('nothing', 16, storage);
  }

  weight(id: WeightId): GpuWeight {
    return this.weights[id] as GpuWeight;
  }

  /** A weight that is a vector, or what stands in for one that is absent. */
  vector(id: WeightId | null): Slice {
    if (id === null) return this.nothing;
    const { spec, parts } = this.weight(id);
    const [part] = parts;
    if (spec.storage !== 'dense' || part === undefined || parts.length > 1) {
      throw inconsistent(`the vector "${spec.name}" was not stored dense`);
    }
    return part.slice;
  }

  whole(label: string, bytes: number, usage: number): Slice {
    const buffer = this.on.memory.buffer(label, bytes, usage);
    this.buffers.push(buffer);
    this.bytes += buffer.size;
    return { buffer, offset: 0, size: buffer.size };
  }

  /** Equal rotations share a table. */
  ropeTable({ inverseFrequencies, magnitude }: RopeOp): Slice {
    const known = this.ropeTables.find(
      (table) =>
        table.magnitude === magnitude &&
        table.inverseFrequencies.length === inverseFrequencies.length &&
        table.inverseFrequencies.every((value, i) => value === inverseFrequencies[i]),
    );
    if (known !== undefined) return known.slice;
    const bytes = this.#maxTokens * 2 * inverseFrequencies.length * WORD;
    const slice = this.whole('rope', bytes, bufferUsage.storage | bufferUsage.copyTarget);
    this.ropeTables.push({ inverseFrequencies, magnitude, slice });
    return slice;
  }

  /** What this operator says of a layer of the cache must be what the others say of it. */
  noteCache(layer: number, needs: CacheLayerNeeds): void {
    const before = this.cache.get(layer);
    const kvHeads = before?.kvHeads ?? needs.kvHeads;
    const consistent =
      Number.isSafeInteger(layer) &&
      layer >= 0 &&
      needs.keyWidth === (before?.keyWidth ?? needs.keyWidth) &&
      needs.valueWidth === (before?.valueWidth ?? needs.valueWidth) &&
      (needs.kvHeads ?? kvHeads) === kvHeads;
    if (!consistent) {
      throw inconsistent(`the operators of layer ${layer} differ in the shape of its keys`);
    }
    this.cache.set(layer, { ...needs, kvHeads });
  }

  free(): void {
    for (const buffer of this.buffers) this.on.memory.free(buffer);
  }
}
