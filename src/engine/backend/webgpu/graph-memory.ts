/** What all ways through a graph share: its weights, the step's numbers, rotary tables, its needs. */
import { graphNeeds, type GraphNeeds } from '../../graph/graph-needs.ts';
import type { Graph, WeightId } from '../../graph/ops.ts';
import type { CompileOptions } from '../backend.ts';
import { inconsistent } from '../../graph/inconsistent.ts';
import { isSameRotation, rotaryTableSize, type Rotation } from '../rotary-table.ts';
import { findWeights } from './check-graph.ts';
import type { GpuFeatures } from './gpu-device.ts';
import type { RopeTable } from './compiled-graph.ts';
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
  readonly needs: GraphNeeds;
  readonly #maxTokens: number;
  bytes = 0;

  /** @throws AppError `invalid-argument`, `not-supported`, `model-file/missing-tensor`, `internal` */
  constructor(graph: Graph, options: CompileOptions, on: CompilerDevice) {
    this.on = on;
    this.weights = findWeights(graph, options, on.memory);
    this.needs = graphNeeds(
      graph,
      this.weights.map(({ spec }) => spec),
    );
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
  ropeTable(rotation: Rotation): Slice {
    const known = this.ropeTables.find((table) => isSameRotation(table, rotation));
    if (known !== undefined) return known.slice;
    const { inverseFrequencies, magnitude } = rotation;
    const bytes = rotaryTableSize(rotation, this.#maxTokens) * WORD;
    const slice = this.whole('rope', bytes, bufferUsage.storage | bufferUsage.copyTarget);
    this.ropeTables.push({ inverseFrequencies, magnitude, slice });
    return slice;
  }

  free(): void {
    for (const buffer of this.buffers) this.on.memory.free(buffer);
  }
}
