/**
 * The dispatches of one way through a graph in the making: their buffers, which share memory by
 * lifetimes, and the places that become bindings once all lifetimes are known.
 *
 * An operator that writes an activation writes a new version of it, so that no kernel works in place.
 */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import { planMemory, type PlannedBuffer } from '../../graph/memory-planner.ts';
import type { ActivationId, ActivationSpec, RowExtent } from '../../graph/ops.ts';
import { bitsRead, type KvType, type Precision } from '../backend.ts';
import { inconsistent } from '../../graph/inconsistent.ts';
import type { Program } from './compiled-graph.ts';
import type { CompilerDevice, GraphMemory } from './graph-memory.ts';
import type { Dispatch, StepNumbers } from './dispatch.ts';
import type { GpuCache } from './gpu-cache.ts';
import { BINDING_ALIGNMENT, bufferUsage, type Slice } from './gpu-memory.ts';
import type { GpuWeight } from './gpu-weight.ts';
import type { KernelName } from './kernel-sources.ts';

const WORD = 4;
/** Bytes of the parameters of one dispatch. */
const PARAMETER_BYTES = 256;

/** A range of a buffer whose place in memory is known after planning. */
export interface View {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Where a resource of a dispatch lies, before planning. */
export type Place = View | Slice | ((cache: GpuCache) => Slice);

export interface Step {
  readonly label: string;
  readonly kernel: KernelName;
  /** For one type of cache only; any unless given. */
  readonly only?: KvType;
  /** The weights on planes that the kernel reads, all with a low plane or all without; none unless given. */
  readonly planes?: readonly GpuWeight[];
  readonly parameters: readonly number[];
  /** After the step's numbers and the parameters, in the order of the bindings. */
  readonly places: readonly Place[];
  readonly grid: Dispatch['grid'];
  readonly cost: Dispatch['cost'];
  readonly leastBytes?: Dispatch['leastBytes'];
}

/** Rows that activations have at most. */
export interface RowCounts {
  readonly tokens: number;
  readonly outputs: number;
}

export interface Quantized {
  readonly digits: View;
  readonly scales: View;
}

export class StepList {
  readonly counts: RowCounts;
  readonly memory: GraphMemory;
  /** Quantised copies by what they are copies of. */
  readonly quantized = new Map<View, Quantized>();
  readonly #activations: ActivationSpec[];
  readonly #steps: Step[] = [];
  readonly #bufferBytes: number[] = [];
  /** Each activation's present value. */
  readonly #versions = new Map<ActivationId, View>();

  constructor(memory: GraphMemory, activations: readonly ActivationSpec[], counts: RowCounts) {
    this.memory = memory;
    this.counts = counts;
    this.#activations = [...activations];
  }

  get on(): CompilerDevice {
    return this.memory.on;
  }

  add(step: Step): void {
    this.#steps.push(step);
  }

  activation(id: ActivationId): ActivationSpec {
    return this.#activations[id] as ActivationSpec;
  }

  /** An activation that the graph does not name. */
  temporary(spec: ActivationSpec): ActivationId {
    return this.#activations.push(spec) - 1;
  }

  buffer(bytes: number): View {
    return { buffer: this.#bufferBytes.push(bytes) - 1, offset: 0, bytes };
  }

  read(id: ActivationId): View {
    const view = this.#versions.get(id);
    if (view === undefined) throw inconsistent(`activation ${id} is read before it is written`);
    return view;
  }

  write(id: ActivationId): View {
    const view = this.buffer(this.#bytesOf(id));
    this.#versions.set(id, view);
    return view;
  }

  /** Room for several activations in one buffer, which one kernel writes. */
  writeTogether(ids: readonly ActivationId[]): { readonly whole: View; readonly parts: View[] } {
    const offsets: number[] = [];
    let total = 0;
    for (const id of ids) {
      offsets.push(total);
      total = alignUp(total + this.#bytesOf(id), BINDING_ALIGNMENT);
    }
    const whole = this.buffer(total);
    const parts = ids.map((id, index) => {
      const view = { ...whole, offset: offsets[index] as number, bytes: this.#bytesOf(id) };
      this.#versions.set(id, view);
      return view;
    });
    return { whole, parts };
  }

  rowCount(rows: RowExtent): number {
    return this.counts[rows];
  }

  /** The list as dispatches. @throws AppError `engine/out-of-memory` */
  emit(result: ActivationId): Program {
    const { device, pipelines } = this.on;
    const { maxStorageBufferBindingSize: bindingBytes } = device.limits;
    const lifetimes = this.#lifetimes(this.read(result).buffer);
    const plan = planMemory(lifetimes, BINDING_ALIGNMENT);
    const largest = Math.max(0, ...lifetimes.map(({ bytes }) => bytes));
    if (largest > bindingBytes) throw tooManyTokens(largest, bindingBytes);
    const { storage, copySource, copyTarget, uniform } = bufferUsage;
    const arena = this.memory.whole('activations', plan.totalBytes, storage | copySource);
    const parameterBytes = this.#steps.length * PARAMETER_BYTES;
    const parameters = this.memory.whole('parameters', parameterBytes, uniform | copyTarget);
    const words = new Uint32Array(parameterBytes / WORD);
    this.#steps.forEach((step, index) => {
      words.set(step.parameters, (index * PARAMETER_BYTES) / WORD);
    });
    device.queue.writeBuffer(parameters.buffer, 0, words);
    const slice = ({ buffer, offset, bytes }: View): Slice => ({
      buffer: arena.buffer,
      offset: (plan.offsets[buffer] as number) + offset,
      size: Math.max(16, alignUp(bytes, 16)),
    });
    const dispatches = (type: KvType): Dispatch[] =>
      this.#steps.flatMap((step, index) => {
        if (step.only !== undefined && step.only !== type) return [];
        const offset = index * PARAMETER_BYTES;
        const own = { buffer: parameters.buffer, offset, size: PARAMETER_BYTES };
        const { label, kernel, planes = [], grid, cost, leastBytes } = step;
        const rest = step.places.map((place) => (isView(place) ? slice(place) : place));
        const resources = [this.memory.step, own, ...rest];
        const high = planes.length > 0 ? pipelines.get(kernel, false) : pipelines.get(kernel);
        const hasLow = planes.some(({ lowBytes }) => lowBytes > 0);
        const byBits = { 8: hasLow ? pipelines.get(kernel, true) : high, 4: high };
        // Weights that are read together are read with the bits of the one that needs most.
        const bits = (precision: Precision): 8 | 4 =>
          planes.some((weight) => bitsRead(weight, precision) === 8) ? 8 : 4;
        return [{ label, pipelines: byBits, bits, resources, grid, cost, leastBytes }];
      });
    return { dispatches, result: slice(this.read(result)) };
  }

  #bytesOf(id: ActivationId): number {
    const { rows, columns } = this.activation(id);
    return this.rowCount(rows) * columns * WORD;
  }

  /** Lifetimes in steps; the result lives to the end. */
  #lifetimes(result: number): PlannedBuffer[] {
    const first = new Array<number>(this.#bufferBytes.length).fill(0);
    const last = new Array<number>(this.#bufferBytes.length).fill(-1);
    this.#steps.forEach((step, index) => {
      for (const place of step.places) {
        if (!isView(place)) continue;
        const { buffer } = place;
        if (last[buffer] === -1) first[buffer] = index;
        last[buffer] = index;
      }
    });
    last[result] = this.#steps.length;
    return this.#bufferBytes.map((bytes, i) => ({
      bytes: last[i] === -1 ? 0 : alignUp(bytes, 16),
      firstStep: first[i] as number,
      lastStep: last[i] as number,
    }));
  }
}

function isView(place: Place): place is View {
  return typeof place === 'object' && typeof place.buffer === 'number';
}

export function areOutputs(rows: RowExtent): number {
  return rows === 'outputs' ? 1 : 0;
}

export function rowsOf(step: StepNumbers, rows: RowExtent): number {
  return rows === 'outputs' ? step.outputs : step.tokens;
}

function tooManyTokens(bytes: number, bindingBytes: number): AppError {
  return new AppError(
    'engine/out-of-memory',
    'The graphics card cannot address the intermediate results of this model. Compute on the processor.',
    { details: { bytes, bindingBytes } },
  );
}
