/** A graph made ready for a device: dispatches, bind groups, and the memory they use. */
import type { CompileOptions, Executable, KvType } from '../backend.ts';
import type { Dispatch } from './dispatch.ts';
import type { GpuCache } from './gpu-cache.ts';
import type { GpuWeight } from './gpu-weight.ts';
import type { Slice } from './gpu-memory.ts';

/** A table of cosines and sines, filled at every step, shared by equal rotations. */
export interface RopeTable {
  readonly inverseFrequencies: Float64Array;
  readonly magnitude: number;
  readonly slice: Slice;
}

/** What a layer of the cache handed to `run` must look like: `width` is kvHeads * headDim. */
export interface CacheLayerNeeds {
  readonly width: number;
  /** Null: not known from the operators. */
  readonly headDim: number | null;
}

export interface CompiledGraph {
  /** The dispatches for a type of cache: they differ where it is written and read. Asks for pipelines. */
  readonly dispatches: (type: KvType) => readonly Dispatch[];
  readonly step: Slice;
  readonly tokens: Slice;
  readonly result: Slice;
  readonly resultColumns: number;
  readonly ropeTables: readonly RopeTable[];
  /** By layer. */
  readonly cache: ReadonlyMap<number, CacheLayerNeeds>;
  /** Whether attention looks both ways, so that a step must not be cut into slices. */
  readonly sliceable: boolean;
  /** Token ids below this are valid; Infinity where no embedding reads them. */
  readonly vocabularySize: number;
  /** Positions below this have a learned vector; Infinity where none are needed. */
  readonly positions: number;
  readonly weights: readonly GpuWeight[];
  readonly buffers: readonly GPUBuffer[];
  readonly bytes: number;
}

export class GpuExecutable implements Executable {
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly compiled: CompiledGraph;
  /** Copied to after each step and mapped; one is enough, because steps do not overlap. */
  readonly readback: GPUBuffer;
  readonly result: Float32Array<ArrayBuffer>;
  readonly #device: GPUDevice;
  readonly #dispatches = new Map<KvType, readonly Dispatch[]>();
  readonly #bindGroups = new Map<GpuCache, readonly GPUBindGroup[]>();

  constructor(
    device: GPUDevice,
    compiled: CompiledGraph,
    readback: GPUBuffer,
    options: CompileOptions,
  ) {
    this.#device = device;
    this.compiled = compiled;
    this.readback = readback;
    this.maxTokens = options.maxTokens;
    this.maxOutputs = options.maxOutputs;
    this.result = new Float32Array(options.maxOutputs * compiled.resultColumns);
  }

  get bytes(): number {
    return this.compiled.bytes;
  }

  dispatches({ spec: { type } }: GpuCache): readonly Dispatch[] {
    const known = this.#dispatches.get(type);
    if (known !== undefined) return known;
    const dispatches = this.compiled.dispatches(type);
    this.#dispatches.set(type, dispatches);
    return dispatches;
  }

  /** Bind groups of all dispatches, made once for a cache. */
  bindGroups(cache: GpuCache): readonly GPUBindGroup[] {
    const known = this.#bindGroups.get(cache);
    if (known !== undefined) return known;
    const groups = this.dispatches(cache).map(({ pipelines, resources, label }) => {
      const { layout, bindings } = pipelines[8];
      const numbers = bindings.flatMap((kind, binding) => (kind === null ? [] : [binding]));
      const entries = resources.map((resource, index) => ({
        binding: numbers[index] as number,
        resource: typeof resource === 'function' ? resource(cache) : resource,
      }));
      return this.#device.createBindGroup({ label, layout, entries });
    });
    this.#bindGroups.set(cache, groups);
    return groups;
  }

  /** The cache was closed: its bind groups would keep its memory. */
  forget(cache: GpuCache): void {
    this.#bindGroups.delete(cache);
  }
}
