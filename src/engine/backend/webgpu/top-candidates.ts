/**
 * The likeliest tokens of the last result row, found on the GPU, so that some hundred bytes cross
 * instead of half a megabyte of logits; and the next token chosen of them.
 */
import type { TopLogits } from '../backend.ts';
import { floatWord } from '../operator-words.ts';
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
/** Bytes of values and numbers, one behind the other. */
const RESULT_BYTES = 2 * KEPT_CANDIDATES * WORD;

/** How one token is chosen of the `count` likeliest. */
export interface Choice {
  readonly count: number;
  readonly temperature: number;
  readonly topP: number;
  readonly minP: number;
  readonly random: number;
}

/** What a step does to find candidates. */
export interface TopSearch {
  /** Adds dispatches behind those of the step. */
  encode(pass: GPUComputePassEncoder, program: Program): void;
  copyOut(encoder: GPUCommandEncoder): void;
}

/** Candidates of a step, and the token that was chosen, or the step's own where none was. */
export interface FoundCandidates extends TopLogits {
  readonly chosen: number;
}

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
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;
  readonly #columns: number;
  readonly #rounds: readonly Round[];
  readonly #bindGroups = new Map<Program, readonly GPUBindGroup[]>();
  readonly #spare: Slice;
  readonly #tokens: Slice;
  readonly #choice: Slice;
  readonly #choiceGroup: GPUBindGroup;
  /** Buffers for results that no step uses. */
  readonly #free: GPUBuffer[] = [];
  readonly buffers: GPUBuffer[] = [];

  constructor(
    device: GPUDevice,
    memory: GpuMemory,
    pipelines: Pipelines,
    { resultColumns, tokens }: CompiledGraph,
  ) {
    this.#device = device;
    this.#memory = memory;
    this.#pipelines = pipelines;
    this.#columns = resultColumns;
    this.#tokens = tokens;
    const { storage, copySource, copyTarget, uniform } = bufferUsage;
    const counts = [resultColumns];
    while ((counts.at(-1) as number) > SORTED) {
      counts.push(Math.ceil((counts.at(-1) as number) / SORTED) * KEPT_CANDIDATES);
    }
    this.#rounds = counts.map((count, index) => {
      const workgroups = Math.ceil(count / SORTED);
      const size = workgroups * KEPT_CANDIDATES * WORD;
      const buffer = this.#make(2 * size, storage | copySource);
      const parameters = this.#make(BINDING_ALIGNMENT, uniform | copyTarget);
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
    this.#spare = { buffer: this.#make(16, storage), offset: 0, size: 16 };
    const choice = this.#make(32, uniform | copyTarget);
    this.#choice = { buffer: choice, offset: 0, size: 32 };
    const { values, numbers } = (this.#rounds.at(-1) as Round).target;
    this.#choiceGroup = this.#group('choose_f32', [this.#choice, values, numbers, tokens]);
    pipelines.get('top_f32');
  }

  /** Room for the result of a step, to be given back by `read` or `discard`. */
  takeBuffer(): GPUBuffer {
    const { mapRead, copyTarget } = bufferUsage;
    return this.#free.pop() ?? this.#make(RESULT_BYTES + WORD, mapRead | copyTarget);
  }

  /**
   * What a step does to leave its candidates in `result`; with a choice it also leaves a token for the
   * next step. To be asked for right before the step is submitted.
   */
  search(result: GPUBuffer, choice: Choice | null): TopSearch {
    if (choice !== null) this.#writeChoice(choice);
    return {
      encode: (pass, program) => {
        this.#encodeRounds(pass, program);
        if (choice === null) return;
        const { compiled } = this.#pipelines.get('choose_f32');
        if (compiled === undefined) return;
        pass.setPipeline(compiled);
        pass.setBindGroup(0, this.#choiceGroup);
        pass.dispatchWorkgroups(1);
      },
      copyOut: (encoder) => {
        const { values } = (this.#rounds.at(-1) as Round).target;
        encoder.copyBufferToBuffer(values.buffer, 0, result, 0, RESULT_BYTES);
        const { buffer, offset } = this.#tokens;
        encoder.copyBufferToBuffer(buffer, offset, result, RESULT_BYTES, WORD);
      },
    };
  }

  /** The first `count` candidates in a result, once the step is done. */
  async read(result: GPUBuffer, count: number, mapped: Promise<void>): Promise<FoundCandidates> {
    await mapped;
    const bytes = result.getMappedRange();
    const kept = Math.min(count, KEPT_CANDIDATES, this.#columns);
    const logits = new Float32Array(bytes, 0, kept).slice();
    const ids = new Int32Array(bytes, KEPT_CANDIDATES * WORD, kept).slice();
    const [chosen = -1] = new Int32Array(bytes, RESULT_BYTES, 1);
    this.discard(result);
    return { ids, logits, chosen };
  }

  /** Begins to wait for a result. */
  map(result: GPUBuffer): Promise<void> {
    return result.mapAsync(MAP_READ);
  }

  /** Gives up a result that may still be waited for: that fails then. */
  discard(result: GPUBuffer): void {
    result.unmap();
    this.#free.push(result);
  }

  #encodeRounds(pass: GPUComputePassEncoder, program: Program): void {
    const { compiled } = this.#pipelines.get('top_f32');
    if (compiled === undefined) return;
    pass.setPipeline(compiled);
    this.#groups(program).forEach((group, index) => {
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups((this.#rounds[index] as Round).workgroups);
    });
  }

  #writeChoice({ count, temperature, topP, minP, random }: Choice): void {
    const words = Uint32Array.of(
      Math.min(count, this.#columns),
      floatWord(temperature),
      floatWord(topP),
      // No logit lies so far below another.
      floatWord(minP > 0 ? Math.log(minP) : -3e38),
      floatWord(random),
    );
    this.#device.queue.writeBuffer(this.#choice.buffer, 0, words);
  }

  #make(bytes: number, usage: number): GPUBuffer {
    const buffer = this.#memory.buffer('candidates', bytes, usage);
    this.buffers.push(buffer);
    return buffer;
  }

  #groups(program: Program): readonly GPUBindGroup[] {
    const known = this.#bindGroups.get(program);
    if (known !== undefined) return known;
    // The first round numbers its values itself; what is bound for their numbers is not read.
    const first = { values: program.result, numbers: this.#spare };
    const groups = this.#rounds.map(({ parameters, target }, index) => {
      const source = this.#rounds[index - 1]?.target ?? first;
      const places = [parameters, source.values, source.numbers, target.values, target.numbers];
      return this.#group('top_f32', places);
    });
    this.#bindGroups.set(program, groups);
    return groups;
  }

  #group(kernel: 'top_f32' | 'choose_f32', places: readonly Slice[]): GPUBindGroup {
    const { layout } = this.#pipelines.get(kernel);
    const entries = places.map((resource, binding) => ({ binding, resource }));
    return this.#device.createBindGroup({ layout, entries });
  }
}
