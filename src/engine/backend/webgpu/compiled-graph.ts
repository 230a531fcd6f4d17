/** What compiling a graph leaves: dispatches, the memory they use, what they need of a cache. */
import type { KvType } from '../backend.ts';
import type { Dispatch } from './dispatch.ts';
import type { Slice } from './gpu-memory.ts';
import type { GpuWeight } from './gpu-weight.ts';

/** Dispatches ready to be bound, and where they leave the result. */
export interface Program {
  readonly dispatches: (type: KvType) => readonly Dispatch[];
  readonly result: Slice;
}

/** A table of cosines and sines, filled at every step, shared by equal rotations. */
export interface RopeTable {
  readonly inverseFrequencies: Float64Array;
  readonly magnitude: number;
  readonly slice: Slice;
}

/** What a layer of the cache handed to `run` must look like. */
export interface CacheLayerNeeds {
  /** kvHeads * headDim. */
  readonly keyWidth: number;
  /** kvHeads * valueDim. */
  readonly valueWidth: number;
  /** Null: not known from the operators. */
  readonly kvHeads: number | null;
}

export interface CompiledGraph {
  /** For any number of tokens, and for one. */
  readonly any: Program;
  readonly one: Program;
  readonly step: Slice;
  readonly tokens: Slice;
  readonly resultColumns: number;
  readonly ropeTables: readonly RopeTable[];
  /** By layer. */
  readonly cache: ReadonlyMap<number, CacheLayerNeeds>;
  /** Numbers of recurrent blocks, by slot. */
  readonly recurrent: ReadonlyMap<number, number>;
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
