/**
 * The GPU backend: WGSL kernels on planes of digits, one pass of dispatches for each step.
 *
 * Owns a device and all buffers in it. Weights are transcoded by the processor while they stream in;
 * a graph becomes pipelines, bind groups and parameters once, so that a step writes a few hundred bytes,
 * encodes dispatches and reads its result back. When the device is lost, or says that it was asked for
 * something impossible, every further call fails with `engine/device-lost`: make a new backend then.
 */
import { MEBIBYTE } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import type {
  Backend,
  BackendMemory,
  CompileOptions,
  Executable,
  KvCacheHandle,
  KvCacheSpec,
  RecurrentSnapshot,
  StepInput,
  StepProfiler,
  TopLogits,
  WeightHandle,
  WeightSpec,
  WeightWriter,
} from '../backend.ts';
import type { KvPositions } from '../kv-data.ts';
import type { Kernels } from '../wasm/kernel-module.ts';
import { checkStep, unsupportedReason } from './check-graph.ts';
import { compileGraph } from './compile-graph.ts';
import { splitPositions, type Dispatch } from './dispatch.ts';
import { GpuCache, GpuSnapshot } from './gpu-cache.ts';
import type { GpuDevice, GpuFeatures } from './gpu-device.ts';
import type { RopeTable } from './compiled-graph.ts';
import { GpuExecutable } from './gpu-executable.ts';
import { bufferUsage, GpuMemory, MAP_READ } from './gpu-memory.ts';
import { GpuProfile } from './gpu-profile.ts';
import { GpuWeight, GpuWeightWriter } from './gpu-weight.ts';
import { Pipelines } from './pipelines.ts';
import { LONGEST_DISPATCH_MS, SUBMIT_MS, SubmitPacer, unitsOf } from './submit-pacer.ts';
import { KEPT_CANDIDATES, TopCandidates } from './top-candidates.ts';
import { PlaneTranscoder } from './plane-transcoder.ts';

/** Bytes handed to the queue before an upload waits for the device to catch up. */
const MOST_UPLOADS_AHEAD = 64 * MEBIBYTE;
/** Fewer tokens than this waste most of a tile, whatever the time. */
const LEAST_SLICE = 16;

/** What is done with a step besides computing it. */
interface StepExtras {
  readonly top: TopCandidates | null;
  readonly profile: GpuProfile | null;
}

export class WebGpuBackend implements Backend {
  readonly kind = 'webgpu';
  readonly description: string;
  /** What its kernels use. */
  readonly features: GpuFeatures;
  readonly mostCandidates = KEPT_CANDIDATES;
  profiler: StepProfiler | null = null;
  readonly #gpu: GpuDevice;
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;
  readonly #transcoder: PlaneTranscoder;
  readonly #weights = new Set<GpuWeight>();
  readonly #caches = new Set<GpuCache>();
  readonly #executables = new Set<GpuExecutable>();
  readonly #pacer: SubmitPacer;
  readonly #stepWords = new Uint32Array(8);
  #ropeValues = new Float32Array(0);
  #uploadedBytes = 0;
  #failure: AppError | null = null;
  #disposed = false;

  /** @param transcoders the WASM kernels, whose transcoders prepare the weights */
  constructor(gpu: GpuDevice, transcoders: Kernels, pacer = new SubmitPacer()) {
    const { device, features, adapter, bindingBytes, bufferBytes } = gpu;
    this.#gpu = gpu;
    this.features = features;
    this.#pacer = pacer;
    this.#memory = new GpuMemory(device, bindingBytes, bufferBytes);
    this.#pipelines = new Pipelines(device, features);
    this.#transcoder = new PlaneTranscoder(transcoders);
    this.description = `WebGPU, ${adapter.name}`;
    void device.lost.then(({ reason, message }) => {
      this.#fail(`${reason}: ${message}`);
    });
    device.onuncapturederror = ({ error }) => {
      this.#fail(error.message);
    };
  }

  supports(op: Op): boolean {
    return unsupportedReason(op) === null;
  }

  beginWeight(spec: WeightSpec): WeightWriter {
    this.#checkAlive();
    const weight = new GpuWeight(this.#memory, spec, this.#gpu.bindingBytes);
    this.#weights.add(weight);
    return new GpuWeightWriter(weight, {
      queue: this.#gpu.device.queue,
      transcoder: this.#transcoder,
      uploaded: (bytes) => {
        this.#uploadedBytes += bytes;
      },
      giveUp: (abandoned) => {
        this.#forget(abandoned);
      },
    });
  }

  releaseWeight(weight: WeightHandle): void {
    if (weight instanceof GpuWeight && weight.owner === this.#memory) this.#forget(weight);
  }

  createCache(spec: KvCacheSpec): KvCacheHandle {
    this.#checkAlive();
    const { device } = this.#gpu;
    const { maxStorageBufferBindingSize } = device.limits;
    const cache = new GpuCache(this.#memory, device, spec, maxStorageBufferBindingSize);
    this.#caches.add(cache);
    return cache;
  }

  releaseCache(cache: KvCacheHandle): void {
    if (!(cache instanceof GpuCache) || !this.#caches.delete(cache)) return;
    for (const executable of this.#executables) executable.forget(cache);
    cache.release();
  }

  async readCache(
    cache: KvCacheHandle,
    layer: number,
    first: number,
    count: number,
  ): Promise<KvPositions> {
    this.#checkAlive();
    return this.#reading(() => this.#own(cache).read(layer, first, count));
  }

  writeCache(cache: KvCacheHandle, layer: number, first: number, positions: KvPositions): void {
    this.#checkAlive();
    this.#own(cache).write(layer, first, positions);
  }

  saveRecurrent(cache: KvCacheHandle): RecurrentSnapshot {
    this.#checkAlive();
    return this.#own(cache).save();
  }

  restoreRecurrent(cache: KvCacheHandle, snapshot: RecurrentSnapshot | null): void {
    this.#checkAlive();
    if (snapshot !== null && !(snapshot instanceof GpuSnapshot)) {
      throw new AppError('internal', 'The copy was made by another backend.');
    }
    this.#own(cache).restore(snapshot);
  }

  releaseRecurrent(cache: KvCacheHandle, snapshot: RecurrentSnapshot): void {
    if (cache instanceof GpuCache && snapshot instanceof GpuSnapshot) {
      cache.releaseSnapshot(snapshot);
    }
  }

  async ready(): Promise<void> {
    await this.#pipelines.ready();
    await this.#memory.settle();
    if (this.#uploadedBytes > MOST_UPLOADS_AHEAD) {
      this.#uploadedBytes = 0;
      await this.#gpu.device.queue.onSubmittedWorkDone();
    }
    this.#checkAlive();
  }

  compile(graph: Graph, options: CompileOptions): Executable {
    this.#checkAlive();
    const { device, features } = this.#gpu;
    const [memory, pipelines] = [this.#memory, this.#pipelines];
    const compiled = compileGraph(graph, options, { device, features, memory, pipelines });
    const resultBytes = options.maxOutputs * compiled.resultColumns * 4;
    const { mapRead, copyTarget } = bufferUsage;
    const readback = memory.buffer('readback', resultBytes, mapRead | copyTarget);
    const executable = new GpuExecutable(device, compiled, readback, options);
    this.#executables.add(executable);
    return executable;
  }

  async run(executable: Executable, input: StepInput): Promise<Float32Array> {
    const own = this.#ownExecutable(executable);
    await this.#compute(own, input, (step) => this.#readBack(own, step));
    const { resultColumns } = own.compiled;
    return own.result.subarray(0, input.outputs * resultColumns);
  }

  async runTop(executable: Executable, input: StepInput, count: number): Promise<TopLogits> {
    const own = this.#ownExecutable(executable);
    if (input.outputs !== 1 || !(count >= 1 && count <= this.mostCandidates)) {
      throw new AppError('internal', 'Candidates are those of one result, and not too many.');
    }
    own.top ??= new TopCandidates(this.#gpu.device, this.#memory, this.#pipelines, own.compiled);
    const { top } = own;
    let candidates: TopLogits = { ids: new Int32Array(0), logits: new Float32Array(0) };
    await this.#compute(
      own,
      input,
      async (step) => {
        if (step.outputs === 0) await this.#gpu.device.queue.onSubmittedWorkDone();
        else candidates = await this.#reading(() => top.read(count));
      },
      top,
    );
    return candidates;
  }

  memory(): BackendMemory {
    return {
      weightBytes: totalBytes(this.#weights),
      cacheBytes: totalBytes(this.#caches),
      activationBytes: totalBytes(this.#executables),
      totalBytes: this.#memory.totalBytes,
      freeBytes: this.#memory.freeBytes,
    };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#weights.clear();
    this.#caches.clear();
    this.#executables.clear();
    this.#memory.dispose();
    this.#gpu.device.destroy();
  }

  #profile(dispatches: readonly Dispatch[]): GpuProfile | null {
    if (this.profiler === null) return null;
    const { device } = this.#gpu;
    const { timestamps } = this.features;
    return new GpuProfile(device, this.#memory, timestamps, dispatches.length, this.profiler);
  }

  #ownExecutable(executable: Executable): GpuExecutable {
    this.#checkAlive();
    if (executable instanceof GpuExecutable && this.#executables.has(executable)) return executable;
    throw new AppError('invalid-argument', 'The step was compiled for another backend.');
  }

  /** Computes a step in slices; `read` is awaited after each. */
  async #compute(
    executable: GpuExecutable,
    input: StepInput,
    read: (slice: StepInput) => Promise<void>,
    top: TopCandidates | null = null,
  ): Promise<void> {
    const cache = checkStep(executable, this.#memory, input);
    // A slice may be a single token, whatever the step has.
    const { any, one } = executable.compiled;
    for (const program of [any, one]) executable.dispatches(program, cache);
    await this.ready();
    for (const slice of this.#slices(executable, cache, input)) {
      const profile = this.#profile(
        executable.dispatches(executable.program(slice.tokens.length), cache),
      );
      const before = performance.now();
      const units = this.#encode(executable, cache, slice, { top, profile });
      await read(slice);
      this.#checkAlive();
      const milliseconds = performance.now() - before;
      this.#pacer.learn(units, milliseconds);
      if (profile !== null) await this.#reading(() => profile.report(before, milliseconds));
    }
  }

  /** The step in parts so small that none of their dispatches is estimated to take too long. */
  *#slices(executable: GpuExecutable, cache: GpuCache, input: StepInput): Generator<StepInput> {
    const { tokens, position, outputs, precision } = input;
    let done = 0;
    // Only tokens whose results are not wanted are computed apart from the others.
    while (executable.compiled.sliceable && tokens.length - outputs > done) {
      const count = tokens.length - done;
      const step = { tokens: count, outputs, position, splits: 1, splitPositions: 1 };
      const longest = executable
        .dispatches(executable.compiled.any, cache)
        .reduce((most, { cost, bits }) => Math.max(most, unitsOf(cost(step, bits(precision)))), 0);
      const milliseconds = this.#pacer.estimate(longest);
      if (milliseconds <= LONGEST_DISPATCH_MS) break;
      const share = Math.floor((count * LONGEST_DISPATCH_MS) / milliseconds);
      const size = Math.min(Math.max(share, LEAST_SLICE), count - outputs);
      const part = tokens.subarray(done, done + size);
      yield { ...input, tokens: part, position: position + done, outputs: 0 };
      done += size;
    }
    if (done === tokens.length) return;
    yield { ...input, tokens: tokens.subarray(done), position: position + done };
  }

  /** Submits a step in pieces of bounded time; how much work it is. */
  #encode(
    executable: GpuExecutable,
    cache: GpuCache,
    input: StepInput,
    { top, profile }: StepExtras,
  ): number {
    const { device } = this.#gpu;
    const { compiled } = executable;
    const { tokens, position, outputs, precision } = input;
    const split = splitPositions(tokens.length, position);
    const step = { tokens: tokens.length, outputs, position, ...split };
    device.queue.writeBuffer(compiled.tokens.buffer, 0, tokens);
    for (const table of compiled.ropeTables) this.#fillRopeTable(table, position, tokens.length);
    this.#stepWords.set([step.tokens, outputs, position, step.splitPositions, step.splits]);
    device.queue.writeBuffer(compiled.step.buffer, 0, this.#stepWords);
    const program = executable.program(tokens.length);
    const bindGroups = executable.bindGroups(program, cache);
    let encoder = device.createCommandEncoder();
    let pass = encoder.beginComputePass();
    let [units, submitted] = [0, 0];
    executable
      .dispatches(program, cache)
      .forEach(({ label, pipelines, grid, cost, bits }, index) => {
        const workgroups = grid(step);
        const pipeline = pipelines[bits(precision)].compiled;
        if (workgroups === null || pipeline === undefined) return;
        const own = unitsOf(cost(step, bits(precision)));
        if (units > submitted && this.#pacer.estimate(units + own - submitted) > SUBMIT_MS) {
          pass.end();
          device.queue.submit([encoder.finish()]);
          encoder = device.createCommandEncoder();
          pass = encoder.beginComputePass();
          submitted = units;
        }
        units += own;
        const timed = profile?.begin(label, own) ?? null;
        if (timed !== null) {
          pass.end();
          pass = encoder.beginComputePass(timed);
        }
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroups[index]);
        pass.dispatchWorkgroups(...workgroups);
      });
    if (outputs > 0) top?.encode(pass, program);
    pass.end();
    profile?.resolve(encoder);
    if (outputs > 0 && top !== null) top.copyOut(encoder);
    else if (outputs > 0) {
      const { buffer, offset } = program.result;
      const bytes = outputs * compiled.resultColumns * 4;
      encoder.copyBufferToBuffer(buffer, offset, executable.readback, 0, bytes);
    }
    device.queue.submit([encoder.finish()]);
    return units;
  }

  async #readBack(executable: GpuExecutable, { outputs }: StepInput): Promise<void> {
    const { readback, result, compiled } = executable;
    await this.#reading(async () => {
      if (outputs === 0) {
        await this.#gpu.device.queue.onSubmittedWorkDone();
        return;
      }
      const bytes = outputs * compiled.resultColumns * 4;
      await readback.mapAsync(MAP_READ, 0, bytes);
      result.set(new Float32Array(readback.getMappedRange(0, bytes)));
      readback.unmap();
    });
  }

  /** What fails here is the device. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      this.#fail(cause instanceof Error ? cause.message : String(cause));
      throw this.#failure ?? cause;
    }
  }

  /** Angles in double precision: at position 100,000 a float32 angle is off by 0.004. */
  #fillRopeTable(table: RopeTable, position: number, tokens: number): void {
    const { inverseFrequencies, magnitude, slice } = table;
    const pairs = inverseFrequencies.length;
    const count = tokens * 2 * pairs;
    if (this.#ropeValues.length < count) this.#ropeValues = new Float32Array(count);
    const values = this.#ropeValues;
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < pairs; i++) {
        const angle = (position + t) * (inverseFrequencies[i] as number);
        values[t * 2 * pairs + i] = Math.cos(angle) * magnitude;
        values[t * 2 * pairs + pairs + i] = Math.sin(angle) * magnitude;
      }
    }
    this.#gpu.device.queue.writeBuffer(slice.buffer, 0, values, 0, count);
  }

  #own(cache: KvCacheHandle): GpuCache {
    if (cache instanceof GpuCache && this.#caches.has(cache)) return cache;
    throw new AppError(
      'invalid-argument',
      'The conversation memory belongs to another backend or was closed.',
    );
  }

  #forget(weight: GpuWeight): void {
    if (!this.#weights.delete(weight)) return;
    weight.release();
    // A graph cannot run without its weights, so its memory goes with the first of them.
    for (const executable of this.#executables) {
      if (!executable.compiled.weights.includes(weight)) continue;
      this.#executables.delete(executable);
      const buffers = [...executable.compiled.buffers, ...(executable.top?.buffers ?? [])];
      for (const buffer of buffers) this.#memory.free(buffer);
      this.#memory.free(executable.readback);
    }
  }

  /** The first reason counts: others follow from it. */
  #fail(reason: string): void {
    if (this.#disposed) return;
    this.#failure ??= new AppError(
      'engine/device-lost',
      'The graphics card stopped working for this page. Try again, or compute on the processor.',
      { details: { reason: reason.slice(0, 500), adapter: this.#gpu.adapter.name } },
    );
  }

  #checkAlive(): void {
    if (this.#disposed) {
      throw new AppError('engine/not-loaded', 'The model was closed. Load it again.');
    }
    if (this.#failure !== null) throw this.#failure;
  }
}

function totalBytes(things: Iterable<{ readonly bytes: number }>): number {
  let sum = 0;
  for (const { bytes } of things) sum += bytes;
  return sum;
}
