/**
 * Turns steps into work for the device's queue: the numbers of the step, its dispatches, and what brings
 * its result, in submissions of bounded time.
 */
import type { StepInput } from '../backend.ts';
import { fillRotaryTable, rotaryTableSize } from '../rotary-table.ts';
import type { RopeTable } from './compiled-graph.ts';
import { splitPositions } from './dispatch.ts';
import type { GpuCache } from './gpu-cache.ts';
import type { GpuExecutable } from './gpu-executable.ts';
import type { GpuProfile } from './gpu-profile.ts';
import { LONGEST_DISPATCH_MS, SLICE_MS, unitsOf, type SubmitPacer } from './submit-pacer.ts';
import type { TopSearch } from './top-candidates.ts';

/** Fewer tokens than this waste most of a tile, whatever the time. */
const LEAST_SLICE = 16;

/** `chosen`: one token, which the step before left in the place of the tokens. */
export type StepTokens = Int32Array | 'chosen';

export interface EncodedStep extends Pick<StepInput, 'position' | 'outputs' | 'precision'> {
  readonly tokens: StepTokens;
}

/** What is done with a step besides computing it. */
export interface StepExtras {
  /** Finds candidates instead of bringing all of the result. */
  readonly top?: TopSearch | undefined;
  readonly profile?: GpuProfile | null;
}

export class StepEncoder {
  readonly #device: GPUDevice;
  readonly #pacer: SubmitPacer;
  readonly #stepWords = new Uint32Array(8);
  #ropeValues = new Float32Array(0);

  constructor(device: GPUDevice, pacer: SubmitPacer) {
    this.#device = device;
    this.#pacer = pacer;
  }

  /** The step in parts so small that neither they nor one of their dispatches are estimated to take too long. */
  *slices(executable: GpuExecutable, cache: GpuCache, input: StepInput): Generator<StepInput> {
    const { tokens, position, outputs, precision } = input;
    let done = 0;
    // Only tokens whose results are not wanted are computed apart from the others.
    while (executable.compiled.needs.causal && tokens.length - outputs > done) {
      const count = tokens.length - done;
      const step = { tokens: count, outputs, position, splits: 1, splitPositions: 1 };
      let [longest, all] = [0, 0];
      for (const { cost, bits, grid } of executable.dispatches(executable.compiled.any, cache)) {
        if (grid(step) === null) continue;
        const milliseconds = this.#pacer.estimate(unitsOf(cost(step, bits(precision))));
        longest = Math.max(longest, milliseconds);
        all += milliseconds;
      }
      const share = Math.min(LONGEST_DISPATCH_MS / longest, SLICE_MS / all);
      if (share >= 1) break;
      const size = Math.min(Math.max(Math.floor(count * share), LEAST_SLICE), count - outputs);
      const part = tokens.subarray(done, done + size);
      yield { ...input, tokens: part, position: position + done, outputs: 0 };
      done += size;
    }
    if (done === tokens.length) return;
    yield { ...input, tokens: tokens.subarray(done), position: position + done };
  }

  /** Submits a step in pieces of bounded time; how much work it is. */
  submit(
    executable: GpuExecutable,
    cache: GpuCache,
    input: EncodedStep,
    { top, profile = null }: StepExtras,
  ): number {
    const { compiled } = executable;
    const { position, outputs, precision } = input;
    const count = this.#writeNumbers(executable, input);
    const step = { tokens: count, outputs, position, ...splitPositions(count, position) };
    const program = executable.program(count);
    const bindGroups = executable.bindGroups(program, cache);
    const work = new BoundedWork(this.#device, this.#pacer);
    executable
      .dispatches(program, cache)
      .forEach(({ label, pipelines, grid, cost, bits }, index) => {
        const workgroups = grid(step);
        const pipeline = pipelines[bits(precision)].compiled;
        if (workgroups === null || pipeline === undefined) return;
        const units = unitsOf(cost(step, bits(precision)));
        const pass = work.passFor(units, profile?.begin(label, units) ?? null);
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroups[index]);
        pass.dispatchWorkgroups(...workgroups);
      });
    if (outputs > 0) top?.encode(work.pass, program);
    work.end((encoder) => {
      profile?.resolve(encoder);
      if (outputs > 0 && top !== undefined) top.copyOut(encoder);
      else if (outputs > 0) {
        const { buffer, offset } = program.result;
        const bytes = outputs * compiled.resultColumns * 4;
        encoder.copyBufferToBuffer(buffer, offset, executable.readback, 0, bytes);
      }
    });
    return work.units;
  }

  /** What changes from step to step, besides a token that is there already; how many tokens it has. */
  #writeNumbers({ compiled }: GpuExecutable, { tokens, position, outputs }: EncodedStep): number {
    const { queue } = this.#device;
    const count = tokens === 'chosen' ? 1 : tokens.length;
    const { splits, splitPositions: positions } = splitPositions(count, position);
    if (tokens !== 'chosen') queue.writeBuffer(compiled.tokens.buffer, 0, tokens);
    for (const table of compiled.ropeTables) this.#fillRopeTable(table, position, count);
    this.#stepWords.set([count, outputs, position, positions, splits]);
    queue.writeBuffer(compiled.step.buffer, 0, this.#stepWords);
    return count;
  }

  #fillRopeTable(table: RopeTable, position: number, tokens: number): void {
    const count = rotaryTableSize(table, tokens);
    if (this.#ropeValues.length < count) this.#ropeValues = new Float32Array(count);
    fillRotaryTable(this.#ropeValues, table, position, tokens);
    this.#device.queue.writeBuffer(table.slice.buffer, 0, this.#ropeValues, 0, count);
  }
}

/** Passes of a step, submitted before they are estimated to take too long. */
class BoundedWork {
  readonly #device: GPUDevice;
  readonly #pacer: SubmitPacer;
  #encoder: GPUCommandEncoder;
  /** That dispatches go to. */
  pass: GPUComputePassEncoder;
  /** Work so far, and how much of it was submitted. */
  units = 0;
  #submitted = 0;

  constructor(device: GPUDevice, pacer: SubmitPacer) {
    this.#device = device;
    this.#pacer = pacer;
    this.#encoder = device.createCommandEncoder();
    this.pass = this.#encoder.beginComputePass();
  }

  /** @param own how the dispatch's own pass is begun; null where it needs none */
  passFor(units: number, own: GPUComputePassDescriptor | null): GPUComputePassEncoder {
    const waiting = this.units - this.#submitted;
    const isFull = waiting > 0 && this.#pacer.estimate(waiting + units) > this.#pacer.submitMs;
    this.units += units;
    if (!isFull && own === null) return this.pass;
    this.pass.end();
    if (isFull) {
      this.#device.queue.submit([this.#encoder.finish()]);
      this.#encoder = this.#device.createCommandEncoder();
      this.#submitted = this.units - units;
    }
    this.pass = this.#encoder.beginComputePass(own ?? {});
    return this.pass;
  }

  /** Submits what is left, and what is to be encoded behind it. */
  end(encode: (encoder: GPUCommandEncoder) => void): void {
    this.pass.end();
    encode(this.#encoder);
    this.#device.queue.submit([this.#encoder.finish()]);
  }
}
