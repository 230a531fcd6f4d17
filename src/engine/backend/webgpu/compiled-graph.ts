/** What compiling a graph leaves: dispatches, the memory they use, what they need of a cache. */
import type { GraphNeeds } from '../../graph/graph-needs.ts';
import type { KvType } from '../backend.ts';
import type { Rotation } from '../rotary-table.ts';
import type { Dispatch } from './dispatch.ts';
import type { Slice } from './gpu-memory.ts';
import type { GpuWeight } from './gpu-weight.ts';

/** Dispatches ready to be bound, and where they leave the result. */
export interface Program {
  readonly dispatches: (type: KvType) => readonly Dispatch[];
  readonly result: Slice;
}

/** A table of cosines and sines, filled at every step, shared by equal rotations. */
export interface RopeTable extends Rotation {
  readonly slice: Slice;
}

export interface CompiledGraph {
  /** For any number of tokens, and for one. */
  readonly any: Program;
  readonly one: Program;
  readonly step: Slice;
  readonly tokens: Slice;
  readonly resultColumns: number;
  readonly ropeTables: readonly RopeTable[];
  readonly needs: GraphNeeds;
  readonly weights: readonly GpuWeight[];
  readonly buffers: readonly GPUBuffer[];
  readonly bytes: number;
}
