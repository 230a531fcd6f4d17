/** What the graph compiler leaves in WASM memory, and what `run` must know about it. */
import type { GraphNeeds } from '../../graph/graph-needs.ts';
import type { RowExtent } from '../../graph/ops.ts';
import type { Rotation } from '../rotary-table.ts';
import type { WasmWeight } from './wasm-weight.ts';

/** A table of cosines and sines, filled at every step, shared by equal rotations. */
export interface RopeTable extends Rotation {
  readonly address: number;
}

/** Where the inputs of matrices lie, before the command of this number runs. */
export interface ObservableInput {
  readonly command: number;
  readonly address: number;
  readonly rows: RowExtent;
  /** Of a row of the activation, which may be several rows of the matrices. */
  readonly elements: number;
  readonly columns: number;
  readonly weights: readonly string[];
}

/** Commands that run side by side. */
export interface CommandGroup {
  readonly label: string;
  /** Number of the first. */
  readonly command: number;
  readonly count: number;
}

/** Commands with the memory they work in; all numbers are addresses, bytes or counts. */
export interface CommandList {
  readonly commands: number;
  readonly commandCount: number;
  /** Between these threads wait for each other. */
  readonly groups: readonly CommandGroup[];
  readonly step: number;
  readonly tokens: number;
  /** Memory of thread 0, followed by that of the others, `scratchBytes` each. */
  readonly scratch: number;
  readonly scratchBytes: number;
  /** Most threads that there is scratch memory for. */
  readonly threads: number;
  readonly result: number;
  readonly resultColumns: number;
  readonly ropeTables: readonly RopeTable[];
  /** In the order of the commands. */
  readonly inputs: readonly ObservableInput[];
  /** Query heads whose attention threads share by positions; 0 where there is none. */
  readonly sharedHeads: number;
  /** Most components of a head of theirs. */
  readonly sharedHeadDim: number;
  readonly bytes: number;
}

export interface CompiledGraph {
  /** For steps of several tokens. */
  readonly prefill: CommandList;
  /** For steps of one token; the same bits. */
  readonly decode: CommandList;
  readonly needs: GraphNeeds;
  readonly weights: readonly WasmWeight[];
  /** All memory of the executable. */
  readonly blocks: readonly number[];
  readonly bytes: number;
}
