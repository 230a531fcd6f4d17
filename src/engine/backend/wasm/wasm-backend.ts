/**
 * The CPU backend: C kernels on nibble planes, one forward step per call into WASM.
 *
 * Owns one WASM memory with the weights, caches and activations of everything it holds; nothing else
 * writes there but its own threads, which share the memory where the page is isolated. All addresses
 * are checked when weights are created and graphs compiled; `run` checks what changes from step to
 * step.
 */
import { throwIfAborted } from '../../../common/abort.ts';
import { AppError, toAppError } from '../../../common/errors.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import type {
  BackendMemory,
  CacheSegments,
  CompileOptions,
  Executable,
  InputObserver,
  KernelReport,
  KvCacheHandle,
  KvCacheSpec,
  ObservableBackend,
  RecurrentSnapshot,
  StepInput,
  StepProfiler,
  ThreadChoice,
  WeightHandle,
  WeightSpec,
  WeightWriter,
} from '../backend.ts';
import type { KvPositions } from '../kv-data.ts';
import { fillRotaryTable, rotaryTableSize } from '../rotary-table.ts';
import { checkStepInput } from '../step-checks.ts';
import { COMMAND_WORDS, MOST_SHARED_KV_HEADS, STEP_WORDS } from './command-layout.ts';
import { compileGraph } from './compile-graph.ts';
import type { CommandList, CompiledGraph } from './compiled-graph.ts';
import { chooseDotMethods, useDotMethods, type DotMethods } from './dot-method.ts';
import { unsupportedReason } from './graph-inputs.ts';
import { compileKernels, instantiateKernels, type Kernels } from './kernel-module.ts';
import { agreeingDotMethods } from './relaxed-probe.ts';
import { ShardTeam, type ShardOptions } from './shards/shard-team.ts';
import { ShardedRunner } from './shards/sharded-runner.ts';
import { StepRunner, type StepOptions } from './step-runner.ts';
import { stepKind } from './threads/thread-governor.ts';
import type { SpawnKernelThread } from './threads/kernel-thread.ts';
import { ThreadTeam, type TeamWork } from './threads/thread-team.ts';
import { LARGEST_MEMORY_BYTES } from './wasm-heap.ts';
import { WasmCache, WasmSnapshot } from './wasm-cache.ts';
import { StagingBuffer, WasmWeight, WasmWeightWriter } from './wasm-weight.ts';

export interface WasmBackendOptions {
  /** Whether `bytes` is the relaxed SIMD build; its behaviour is then probed first. */
  readonly relaxed: boolean;
  /** Most memory to take; default 4 GiB, what 32-bit WASM can address. */
  readonly maximumBytes?: number;
  /** Ways to sum up products, known to be right here; measured when absent. */
  readonly dotMethods?: DotMethods;
  readonly report?: KernelReport;
  /** Threads beside the caller's. `bytes` must be the build for shared memory then. */
  readonly threads?: ThreadOptions;
  /** Threads with memories of their own, where memory cannot be shared. */
  readonly shards?: ShardOptions;
}

export interface ThreadOptions {
  readonly spawn: SpawnKernelThread;
  /** Most threads to compute with, the caller's included. */
  readonly most: number;
}

/** The shards that compute one executable along. */
interface Sharding {
  readonly executable: WasmExecutable;
  readonly team: ShardTeam;
  readonly runner: ShardedRunner;
}

class WasmExecutable implements Executable {
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly compiled: CompiledGraph;
  readonly owner: Kernels;

  constructor(owner: Kernels, compiled: CompiledGraph, options: CompileOptions) {
    this.owner = owner;
    this.compiled = compiled;
    this.maxTokens = options.maxTokens;
    this.maxOutputs = options.maxOutputs;
  }

  get bytes(): number {
    return this.compiled.bytes;
  }
}

/** `count` of the list's commands, from number `first` on. */
function pieceOf(list: CommandList, first: number, count: number): TeamWork {
  return {
    ...list,
    commands: list.commands + first * COMMAND_WORDS * 4,
    commandCount: count,
  };
}

/** @throws AppError `engine/backend-unavailable` where no way gives the right sums */
function chooseMethods(kernels: Kernels): DotMethods {
  const methods = agreeingDotMethods(kernels);
  if (methods.length === 0) {
    throw new AppError(
      'engine/backend-unavailable',
      'The kernels give wrong results in this browser. Update the browser.',
    );
  }
  return chooseDotMethods(kernels, methods);
}

export class WasmBackend implements ObservableBackend {
  readonly kind = 'wasm';
  observer: InputObserver | null = null;
  readonly segments: CacheSegments = {
    read: (cache, ...place) => this.#ownCache(cache).readSegment(...place),
    write: (cache, ...place) => {
      this.#ownCache(cache).writeSegment(...place);
    },
  };
  /** Gets what each group of commands took; a step is run group by group while there is one. */
  profiler: StepProfiler | null = null;
  readonly kernels: KernelReport | undefined;
  readonly #kernels: Kernels;
  readonly #team: ThreadTeam;
  readonly #runner: StepRunner;
  readonly #relaxed: boolean;
  readonly #staging: StagingBuffer;
  readonly #weights = new Set<WasmWeight>();
  readonly #caches = new Set<WasmCache>();
  readonly #executables = new Set<WasmExecutable>();
  readonly #shardOptions: ShardOptions | undefined;
  readonly #dotMethods: DotMethods;
  #sharding: Sharding | null = null;
  #lostShards = 0;
  #threads: ThreadChoice = 'auto';
  #threadsUsed = 0;
  #parts = { address: 0, bytes: 0 };
  #disposed = false;

  private constructor(
    kernels: Kernels,
    team: ThreadTeam,
    dotMethods: DotMethods,
    options: WasmBackendOptions,
  ) {
    this.#kernels = kernels;
    this.#dotMethods = dotMethods;
    this.#shardOptions = options.shards;
    this.#team = team;
    this.#runner = new StepRunner(team);
    this.#relaxed = options.relaxed;
    this.kernels = options.report;
    this.#staging = new StagingBuffer(kernels);
  }

  get description(): string {
    const { runner } = this.#sharding ?? { runner: this.#runner };
    const threads = runner.threads('decode');
    const simd = this.#relaxed ? 'relaxed SIMD' : 'SIMD';
    return `WASM ${simd}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  }

  /**
   * @throws AppError `engine/backend-unavailable` (no SIMD, or relaxed SIMD that miscomputes),
   * `engine/asset-mismatch`, `engine/out-of-memory`
   */
  static async create(
    source: Uint8Array<ArrayBuffer> | WebAssembly.Module,
    options: WasmBackendOptions,
  ): Promise<WasmBackend> {
    const module = await compileKernels(source);
    const { threads, maximumBytes = LARGEST_MEMORY_BYTES } = options;
    const kernels = instantiateKernels(module, maximumBytes, threads !== undefined);
    const dotMethods = options.dotMethods ?? chooseMethods(kernels);
    useDotMethods(kernels, dotMethods);
    const team = new ThreadTeam(kernels);
    if (threads !== undefined) await team.grow(threads.most, threads.spawn);
    return new WasmBackend(kernels, team, dotMethods, options);
  }

  setThreads(threads: ThreadChoice): void {
    this.#runner.setThreads(threads);
    this.#threads = threads;
    this.#sharding?.runner.setThreads(threads);
  }

  get mostThreads(): number {
    return (this.#sharding?.team ?? this.#team).size;
  }

  get threadsUsed(): number {
    return this.#threadsUsed;
  }

  /** Threads that died and were done without. */
  get lostThreads(): number {
    return this.#team.lost + this.#lostShards + (this.#sharding?.team.lost ?? 0);
  }

  async spread(executable: Executable, spareBytes: number): Promise<void> {
    this.#checkAlive();
    if (this.#shardOptions === undefined || !(executable instanceof WasmExecutable)) return;
    this.#endSharding();
    const { compiled } = executable;
    const [kernels, options] = [this.#kernels, this.#shardOptions];
    const team = await ShardTeam.start(
      { compiled, kernels, mostRows: executable, dotMethods: this.#dotMethods },
      options,
      spareBytes,
    );
    if (team === null) return;
    if (this.#disposed || !this.#executables.has(executable)) {
      team.end();
      return;
    }
    const runner = new ShardedRunner(kernels, this.#team, team);
    runner.setThreads(this.#threads);
    this.#sharding = { executable, team, runner };
  }

  #endSharding(): void {
    this.#lostShards += this.#sharding?.team.lost ?? 0;
    this.#sharding?.team.end();
    this.#sharding = null;
  }

  supports(op: Op): boolean {
    return unsupportedReason(op) === null;
  }

  beginWeight(spec: WeightSpec): WeightWriter {
    this.#checkAlive();
    const weight = new WasmWeight(this.#kernels, spec);
    this.#weights.add(weight);
    return new WasmWeightWriter(weight, this.#kernels, this.#staging, weight.loAddress, {
      giveUp: () => {
        this.#forget(weight);
      },
    });
  }

  dropLow(weight: WeightHandle): void {
    if (!(weight instanceof WasmWeight) || !this.#weights.has(weight)) return;
    weight.dropLow();
    // Who gives up planes needs memory: that of shards goes back to the system at once.
    if (this.#sharding?.team.shares(weight) === true) this.#endSharding();
  }

  /** The high plane is written over with what it holds: the same rows, the same gain. */
  restoreLow(weight: WeightHandle): WeightWriter {
    this.#checkAlive();
    if (!(weight instanceof WasmWeight) || !this.#weights.has(weight) || weight.lowBytes > 0) {
      throw new AppError('invalid-argument', 'This weight has no low plane to be restored.');
    }
    const lo = weight.allocateLow();
    return new WasmWeightWriter(weight, this.#kernels, this.#staging, lo, {
      done: () => {
        weight.adoptLow(lo);
      },
      giveUp: () => {
        this.#kernels.heap.free(lo);
      },
    });
  }

  releaseWeight(weight: WeightHandle): void {
    if (weight instanceof WasmWeight && weight.owner === this.#kernels) this.#forget(weight);
  }

  createCache(spec: KvCacheSpec): KvCacheHandle {
    this.#checkAlive();
    const cache = new WasmCache(this.#kernels, spec);
    this.#caches.add(cache);
    return cache;
  }

  releaseCache(cache: KvCacheHandle): void {
    if (!(cache instanceof WasmCache) || !this.#caches.delete(cache)) return;
    cache.release();
  }

  readCache(
    cache: KvCacheHandle,
    layer: number,
    first: number,
    count: number,
  ): Promise<KvPositions> {
    try {
      return Promise.resolve(this.#ownCache(cache).read(layer, first, count));
    } catch (error) {
      return Promise.reject(toAppError(error));
    }
  }

  writeCache(cache: KvCacheHandle, layer: number, first: number, positions: KvPositions): void {
    this.#ownCache(cache).write(layer, first, positions);
  }

  /** Everything here is done when its call returns. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  saveRecurrent(cache: KvCacheHandle): RecurrentSnapshot {
    return this.#ownCache(cache).save();
  }

  restoreRecurrent(cache: KvCacheHandle, snapshot: RecurrentSnapshot | null): void {
    this.#ownCache(cache).restore(snapshot instanceof WasmSnapshot ? snapshot : null);
  }

  compile(graph: Graph, options: CompileOptions): Executable {
    this.#checkAlive();
    this.#staging.release(); // loading is over; it comes back when more weights arrive
    const compiled = compileGraph(graph, options, this.#kernels, this.#team.size);
    const executable = new WasmExecutable(this.#kernels, compiled, options);
    this.#executables.add(executable);
    return executable;
  }

  async run(executable: Executable, input: StepInput): Promise<Float32Array> {
    this.#checkAlive();
    const { compiled, cache } = this.#checkStep(executable, input);
    const { heap } = this.#kernels;
    const { tokens, position, outputs, precision, signal } = input;
    throwIfAborted(signal);
    const { observer } = this;
    // a fused list has no place to look between
    const kind = observer === null ? stepKind(tokens.length) : 'prefill';
    const list = kind === 'decode' ? compiled.decode : compiled.prefill;
    const parts = this.#attendParts(list, cache.spec.capacity);
    const mixed = precision === 'mixed';
    for (const weight of compiled.weights) weight.lowHidden = mixed && !weight.sensitive;
    heap.i32(list.tokens, tokens.length).set(tokens);
    for (const table of list.ropeTables) {
      const values = heap.f32(table.address, rotaryTableSize(table, tokens.length));
      fillRotaryTable(values, table, position, tokens.length);
    }
    heap
      .u32(list.step, STEP_WORDS)
      .set([
        list.tokens,
        tokens.length,
        position,
        outputs,
        mixed ? 8 : precision,
        cache.address,
        list.scratch,
        list.scratchBytes,
        parts,
      ]);
    const save = (): WasmSnapshot | null => (this.#team.size > 1 ? cache.save() : null);
    let before = save();
    const options: StepOptions = {
      kind,
      mostThreads: list.threads,
      prepare: () => {
        // Counters of a step that was stopped or in which a thread died.
        if (parts !== 0) heap.u32(parts, MOST_SHARED_KV_HEADS).fill(0);
      },
      signal,
      restart: () => {
        if (before !== null) cache.restore(before);
      },
      check: () => {
        this.#checkAlive();
        this.#checkStep(executable, input); // nothing it needs was released meanwhile
      },
    };
    const { profiler } = this;
    if (observer === null && profiler !== null) {
      await this.#runProfiled(list, options, profiler, () => {
        before = save();
      });
    } else if (observer === null) {
      await this.#runList(executable, list, input, options);
      return heap.f32(list.result, outputs * list.resultColumns);
    } else {
      await this.#runObserved(list, input, options, observer, () => {
        before = save();
      });
    }
    this.#threadsUsed = this.#runner.threadsUsed;
    return heap.f32(list.result, outputs * list.resultColumns);
  }

  /** The whole list, with shards where there are some for it. */
  async #runList(
    executable: Executable,
    list: CommandList,
    { tokens, outputs, position, precision, signal }: StepInput,
    options: StepOptions,
  ): Promise<void> {
    const sharding = this.#sharding;
    if (sharding?.executable !== executable) {
      await this.#runner.run(list, options);
      this.#threadsUsed = this.#runner.threadsUsed;
      return;
    }
    await sharding.runner.run(list, {
      kind: options.kind,
      tokens: tokens.length,
      outputs,
      position,
      precision: precision === 'mixed' ? 8 : precision,
      signal,
      check: options.check,
      runHere: (first, count) => this.#runner.run(pieceOf(list, first, count), options),
    });
    this.#threadsUsed = sharding.runner.threadsUsed;
  }

  /** The same commands in pieces, with a look at the inputs of matrices between them. */
  async #runObserved(
    list: CommandList,
    input: StepInput,
    options: StepOptions,
    observer: InputObserver,
    pieceDone: () => void,
  ): Promise<void> {
    let done = 0;
    const runTo = async (end: number): Promise<void> => {
      if (end > done) await this.#runner.run(pieceOf(list, done, end - done), options);
      done = end;
      pieceDone();
    };
    for (const { command, address, rows, elements, columns, weights } of list.inputs) {
      await runTo(command);
      const count = (rows === 'outputs' ? input.outputs : input.tokens.length) * elements;
      if (count > 0) observer(weights, this.#kernels.heap.f32(address, count), columns);
    }
    await runTo(list.commandCount);
  }

  async #runProfiled(
    list: CommandList,
    options: StepOptions,
    profiler: StepProfiler,
    pieceDone: () => void,
  ): Promise<void> {
    for (const { label, command, count } of list.groups) {
      const startedAt = performance.now();
      await this.#runner.run(pieceOf(list, command, count), options);
      profiler(label, performance.now() - startedAt);
      pieceDone();
    }
  }

  /**
   * Where threads that share one token's attention leave what they found, large enough for the whole
   * context, so that memory runs out at the first token and not in the middle of an answer.
   */
  #attendParts({ sharedHeads, sharedHeadDim }: CommandList, capacity: number): number {
    if (sharedHeads === 0) return 0;
    const { heap, call } = this.#kernels;
    const bytes = call('attend_parts_bytes', sharedHeads, sharedHeadDim, capacity);
    if (bytes > this.#parts.bytes) {
      if (this.#parts.bytes > 0) heap.free(this.#parts.address);
      this.#parts = { address: 0, bytes: 0 };
      this.#parts = { address: heap.allocate(bytes), bytes };
    }
    return this.#parts.address;
  }

  memory(): BackendMemory {
    let cacheBytes = 0;
    for (const cache of this.#caches) cacheBytes += cache.bytes;
    let activationBytes = 0;
    for (const executable of this.#executables) activationBytes += executable.bytes;
    let weightBytes = 0;
    for (const weight of this.#weights) weightBytes += weight.bytes;
    const { totalBytes, usedBytes } = this.#kernels.heap;
    const shardBytes = this.#sharding?.team.bytes ?? 0;
    weightBytes += shardBytes;
    return {
      weightBytes,
      cacheBytes,
      activationBytes,
      totalBytes: this.#disposed ? 0 : totalBytes + shardBytes,
      freeBytes: this.#disposed ? 0 : totalBytes - usedBytes,
    };
  }

  /** Drops all references; the memory itself goes with the last reference to this object. */
  dispose(): void {
    this.#disposed = true;
    this.#endSharding();
    void this.#team.end();
    this.#weights.clear();
    this.#caches.clear();
    this.#executables.clear();
  }

  #forget(weight: WasmWeight): void {
    if (!this.#weights.delete(weight)) return;
    weight.release();
    // A graph cannot run without its weights, so its memory goes with the first of them.
    for (const executable of this.#executables) {
      if (!executable.compiled.weights.includes(weight)) continue;
      this.#executables.delete(executable);
      if (this.#sharding?.executable === executable) this.#endSharding();
      for (const block of executable.compiled.blocks) this.#kernels.heap.free(block);
    }
  }

  #checkAlive(): void {
    if (this.#disposed)
      throw new AppError('engine/not-loaded', 'The model was closed. Load it again.');
  }

  #checkStep(
    executable: Executable,
    input: StepInput,
  ): { readonly compiled: CompiledGraph; readonly cache: WasmCache } {
    if (!(executable instanceof WasmExecutable) || executable.owner !== this.#kernels) {
      throw new AppError('invalid-argument', 'The step was compiled for another backend.');
    }
    const { compiled, maxTokens, maxOutputs } = executable;
    if (compiled.weights.some((weight) => weight.released)) {
      throw new AppError('engine/not-loaded', 'The model was closed. Load it again.');
    }
    const cache = this.#ownCache(input.cache);
    checkStepInput(input, { maxTokens, maxOutputs, needs: compiled.needs });
    return { compiled, cache };
  }

  #ownCache(cache: KvCacheHandle): WasmCache {
    if (cache instanceof WasmCache && cache.owner === this.#kernels && !cache.released) {
      return cache;
    }
    throw new AppError(
      'invalid-argument',
      'The conversation memory belongs to another backend or was closed.',
    );
  }
}
