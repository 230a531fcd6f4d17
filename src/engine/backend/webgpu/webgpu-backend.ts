/**
 * The GPU backend: WGSL kernels on planes of digits, one pass of dispatches for each step.
 *
 * Owns a device and all buffers in it. Weights are transcoded by the processor while they stream in;
 * a graph becomes pipelines, bind groups and parameters once, so that a step writes a few hundred bytes,
 * encodes dispatches and reads its result back. When the device is lost, or says that it was asked for
 * something impossible, every further call fails with `engine/device-lost`: make a new backend then.
 */
import { throwIfAborted } from '../../../common/abort.ts';
import { MEBIBYTE } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import type {
  Backend,
  BackendMemory,
  CompileOptions,
  Executable,
  ExpectedChoice,
  KernelReport,
  KvCacheHandle,
  KvCacheSpec,
  RecurrentSnapshot,
  StepInput,
  StepProfiler,
  TopLogits,
  TopRequest,
  WeightHandle,
  WeightSpec,
  WeightWriter,
} from '../backend.ts';
import type { KvPositions } from '../kv-data.ts';
import type { Kernels } from '../wasm/kernel-module.ts';
import { checkStep, unsupportedReason } from './check-graph.ts';
import { compileGraph } from './compile-graph.ts';
import type { Dispatch } from './dispatch.ts';
import { GpuCache, GpuSnapshot } from './gpu-cache.ts';
import type { GpuDevice, GpuFeatures } from './gpu-device.ts';
import { GpuExecutable } from './gpu-executable.ts';
import { bufferUsage, GpuMemory, MAP_READ } from './gpu-memory.ts';
import { GpuProfile } from './gpu-profile.ts';
import { GpuWeight, GpuWeightWriter } from './gpu-weight.ts';
import { Pipelines } from './pipelines.ts';
import { PlaneTranscoder } from './plane-transcoder.ts';
import { StepEncoder, type StepExtras } from './step-encoder.ts';
import { StepsAhead } from './steps-ahead.ts';
import { SUBMIT_MS, SubmitPacer } from './submit-pacer.ts';
import { KEPT_CANDIDATES, TopCandidates } from './top-candidates.ts';

/** Bytes handed to the queue before an upload waits for the device to catch up. */
const MOST_UPLOADS_AHEAD = 64 * MEBIBYTE;
export class WebGpuBackend implements Backend {
  readonly kind = 'webgpu';
  readonly boundsSteps = true;
  readonly description: string;
  /** What its kernels use. */
  readonly features: GpuFeatures;
  readonly mostCandidates = KEPT_CANDIDATES;
  profiler: StepProfiler | null = null;
  /** What trying the adapter found out; undefined where nobody tried. */
  kernels: KernelReport | undefined;
  readonly #gpu: GpuDevice;
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;
  readonly #transcoder: PlaneTranscoder;
  readonly #weights = new Set<GpuWeight>();
  readonly #caches = new Set<GpuCache>();
  readonly #executables = new Set<GpuExecutable>();
  readonly #pacer: SubmitPacer;
  readonly #encoder: StepEncoder;
  readonly #ahead: StepsAhead;
  #uploadedBytes = 0;
  #failure: AppError | null = null;
  #disposed = false;

  /** @param transcoders the WASM kernels, whose transcoders prepare the weights */
  constructor(gpu: GpuDevice, transcoders: Kernels, pacer = new SubmitPacer()) {
    const { device, features, adapter, bindingBytes, bufferBytes } = gpu;
    this.#gpu = gpu;
    this.features = features;
    this.#pacer = pacer;
    this.#encoder = new StepEncoder(device, pacer);
    this.#ahead = new StepsAhead(this.#encoder, pacer);
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

  setSubmitMs(milliseconds: 'auto' | number): void {
    this.#pacer.submitMs = milliseconds === 'auto' ? SUBMIT_MS : milliseconds;
  }

  /** Names of the kernels asked for so far. */
  get compiledKernels(): readonly string[] {
    return this.#pipelines.names;
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
    // Pipelines for its type are compiled while the model is still being loaded, not at the first step.
    for (const executable of this.#executables) executable.prepare(cache);
    return cache;
  }

  releaseCache(cache: KvCacheHandle): void {
    if (!(cache instanceof GpuCache) || !this.#caches.delete(cache)) return;
    this.#ahead.clear();
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
    this.#ahead.clear();
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

  async runTop(
    executable: Executable,
    input: StepInput,
    { count, choice }: TopRequest,
  ): Promise<TopLogits> {
    const own = this.#ownExecutable(executable);
    if (input.outputs !== 1 || !(count >= 1 && count <= this.mostCandidates)) {
      throw new AppError('internal', 'Candidates are those of one result, and not too many.');
    }
    own.top ??= new TopCandidates(this.#gpu.device, this.#memory, this.#pipelines, own.compiled);
    const { top } = own;
    if (choice !== undefined && this.#mayGoAhead(own, input)) {
      return this.#runAhead(own, top, input, { count, choice });
    }
    let candidates: TopLogits = { ids: new Int32Array(0), logits: new Float32Array(0) };
    const result = top.takeBuffer();
    await this.#compute(
      own,
      input,
      async (step) => {
        if (step.outputs === 0) await this.#gpu.device.queue.onSubmittedWorkDone();
        else candidates = await this.#reading(() => top.read(result, count, top.map(result)));
      },
      top.search(result, null),
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
    this.#ahead.clear();
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

  /** Steps that change a state beside positions could not be taken back; those watched are alone. */
  #mayGoAhead({ compiled }: GpuExecutable, { tokens }: StepInput): boolean {
    return tokens.length === 1 && compiled.needs.recurrent.size === 0 && this.profiler === null;
  }

  async #runAhead(
    executable: GpuExecutable,
    top: TopCandidates,
    input: StepInput,
    request: Required<TopRequest> & { readonly choice: ExpectedChoice },
  ): Promise<TopLogits> {
    const cache = await this.#prepare(executable, input);
    const { precision, position } = input;
    const end = Math.min(cache.spec.capacity, executable.compiled.needs.positions);
    const course = { executable, top, cache, precision };
    const found = await this.#reading(() =>
      this.#ahead.next(course, input, request, end - position),
    );
    this.#checkAlive();
    return found;
  }

  /** The step's cache, once everything is ready that the step needs. */
  async #prepare(executable: GpuExecutable, input: StepInput): Promise<GpuCache> {
    const cache = checkStep(executable, this.#memory, input);
    executable.prepare(cache);
    await this.ready();
    return cache;
  }

  /** Computes a step in slices; `read` is awaited after each. */
  async #compute(
    executable: GpuExecutable,
    input: StepInput,
    read: (slice: StepInput) => Promise<void>,
    top?: StepExtras['top'],
  ): Promise<void> {
    const cache = await this.#prepare(executable, input);
    this.#ahead.clear();
    for (const slice of this.#encoder.slices(executable, cache, input)) {
      throwIfAborted(input.signal);
      const profile = this.#profile(
        executable.dispatches(executable.program(slice.tokens.length), cache),
      );
      const before = performance.now();
      const units = this.#encoder.submit(executable, cache, slice, { top, profile });
      await read(slice);
      this.#checkAlive();
      const milliseconds = performance.now() - before;
      this.#pacer.learn(units, milliseconds);
      if (profile !== null) await this.#reading(() => profile.report(before, milliseconds));
    }
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

  #own(cache: KvCacheHandle): GpuCache {
    if (cache instanceof GpuCache && this.#caches.has(cache)) return cache;
    throw new AppError(
      'invalid-argument',
      'The conversation memory belongs to another backend or was closed.',
    );
  }

  #forget(weight: GpuWeight): void {
    if (!this.#weights.delete(weight)) return;
    this.#ahead.clear();
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
