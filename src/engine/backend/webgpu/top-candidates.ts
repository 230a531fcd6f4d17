/**
 * The likeliest tokens of the last result row, found on the GPU, so that some hundred bytes cross
 * instead of half a megabyte of logits.
 */
import type { TopLogits } from '../backend.ts';
import type { CompiledGraph, Program } from './compiled-graph.ts';
import {
  BINDING_ALIGNMENT,
  bufferUsage,
  MAP_READ,
  type GpuMemory,
  type Slice,
} from './gpu-memory.ts';
import type { Pipelines } from './pipelines.ts';

/** What `top_f32` leaves of so many values. */
export const KEPT_CANDIDATES = 64;
const SORTED = 1024;
const WORD = 4;

interface Round {
  readonly workgroups: number;
  readonly parameters: Slice;
  readonly target: Slices;
}

interface Slices {
  readonly values: Slice;
  readonly numbers: Slice;
}

export class TopCandidates {
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #columns: number;
  readonly #rounds: readonly Round[];
  readonly #bindGroups = new Map<Program, readonly GPUBindGroup[]>();
  readonly #spare: Slice;
  readonly #readback: GPUBuffer;
  readonly buffers: readonly GPUBuffer[];

  constructor(
    device: GPUDevice,
    memory: GpuMemory,
    pipelines: Pipelines,
    { resultColumns }: CompiledGraph,
  ) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#columns = resultColumns;
    const { storage, copySource, copyTarget, uniform, mapRead } = bufferUsage;
    const counts = [resultColumns];
    while ((counts.at(-1) as number) > SORTED) {
      counts.push(Math.ceil((counts.at(-1) as number) / SORTED) * KEPT_CANDIDATES);
    }
    const buffers: GPUBuffer[] = [];
    const make = (bytes: number, usage: number): GPUBuffer => {
      const buffer = memory.buffer('candidates', bytes, usage);
      buffers.push(buffer);
      return buffer;
    };
    this.#rounds = counts.map((count, index) => {
      const workgroups = Math.ceil(count / SORTED);
      const size = workgroups * KEPT_CANDIDATES * WORD;
      const buffer = make(2 * size, storage | copySource);
      const parameters = make(BINDING_ALIGNMENT, uniform | copyTarget);
      device.queue.writeBuffer(parameters, 0, Uint32Array.of(count, index === 0 ? 1 : 0));
      return {
        workgroups,
        parameters: { buffer: parameters, offset: 0, size: 16 },
        // 64 words are the alignment of a binding.
        target: {
          values: { buffer, offset: 0, size },
          numbers: { buffer, offset: size, size },
        },
      };
    });
    this.#spare = { buffer: make(16, storage), offset: 0, size: 16 };
    this.#readback = make(2 * KEPT_CANDIDATES * WORD, mapRead | copyTarget);
    this.buffers = buffers;
    pipelines.get('top_f32');
  }

  /** Finds the candidates of the program's first result row. */
  encode(pass: GPUComputePassEncoder, program: Program): void {
    const { compiled } = this.#pipelines.get('top_f32');
    if (compiled === undefined) return;
    pass.setPipeline(compiled);
    this.#groups(program).forEach((group, index) => {
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups((this.#rounds[index] as Round).workgroups);
    });
  }

  copyOut(encoder: GPUCommandEncoder): void {
    const { values } = (this.#rounds.at(-1) as Round).target;
    encoder.copyBufferToBuffer(values.buffer, 0, this.#readback, 0, 2 * KEPT_CANDIDATES * WORD);
  }

  /** The first `count` of them, once the step is done. */
  async read(count: number): Promise<TopLogits> {
    await this.#readback.mapAsync(MAP_READ);
    const mapped = this.#readback.getMappedRange();
    const kept = Math.min(count, KEPT_CANDIDATES, this.#columns);
    const logits = new Float32Array(mapped, 0, kept).slice();
    const ids = new Int32Array(mapped, KEPT_CANDIDATES * WORD, kept).slice();
    this.#readback.unmap();
    return { ids, logits };
  }

  #groups(program: Program): readonly GPUBindGroup[] {
    const known = this.#bindGroups.get(program);
    if (known !== undefined) return known;
    const { layout } = this.#pipelines.get('top_f32');
    // The first round numbers its values itself; what is bound for their numbers is not read.
    const first = { values: program.result, numbers: this.#spare };
    const groups = this.#rounds.map(({ parameters, target }, index) => {
      const source = this.#rounds[index - 1]?.target ?? first;
      const places = [parameters, source.values, source.numbers, target.values, target.numbers];
      const entries = places.map((resource, binding) => ({ binding, resource }));
      return this.#device.createBindGroup({ layout, entries });
    });
    this.#bindGroups.set(program, groups);
    return groups;
  }
}
