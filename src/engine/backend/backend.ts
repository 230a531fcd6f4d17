/**
 * The seam between a graph of operators and the machine that computes it.
 *
 * A backend owns the memory of weights, activations and caches; it knows nothing of files,
 * tokenizers or architectures. Methods are called from one thread, one at a time; promises settle
 * in the order of the calls. Three implementations: `reference` (TypeScript, double accumulation,
 * the truth for tests), `wasm` (C kernels on nibble planes) and `webgpu`, whose machine may vanish:
 * every call then fails with `engine/device-lost`, and what the backend held is gone.
 */
import type { Graph, Op } from '../graph/ops.ts';
import type { KvPositions, KvType } from './kv-data.ts';
import type { TensorType } from '../graph/dtype.ts';

export type { KvType };

export type BackendKind = 'reference' | 'wasm' | 'webgpu';

/**
 * Bits read of each plane-packed weight in a step. 8 reads both nibble planes, 4 only the high one,
 * `mixed` both of those weights that are marked as `sensitive`. Weights that have only one plane, and
 * dense ones, are the same in all modes.
 */
export type Precision = 8 | 4 | 'mixed';

/**
 * How a weight is kept at run time.
 * `planes`: unsigned 4-bit digits, one or two planes, a scale (and minimum) per block of 32 columns.
 * `dense`: float32, for vectors and for matrices whose transcoding would cost accuracy and save nothing.
 */
export type WeightStorage = 'planes' | 'dense';

export interface WeightSpec {
  readonly name: string;
  readonly type: TensorType;
  /** Rows of the matrix; 1 for a vector. */
  readonly rows: number;
  /** Contiguous elements a row; a multiple of 32 when storage is `planes`. */
  readonly columns: number;
  readonly storage: WeightStorage;
  /**
   * Matrices of `rows / experts` rows that lie one below the other and are used one by one; 1 unless
   * given. As `planes` each has a multiple of 8 rows.
   */
  readonly experts?: number;
}

/** A weight inside a backend's memory. */
export interface WeightHandle {
  readonly spec: WeightSpec;
  /** Bytes the weight occupies in the backend, all planes and scales. */
  readonly bytes: number;
  /** Those of them that only steps with 8 bits read: the low plane, 0 where there is none. */
  readonly lowBytes: number;
  /**
   * What is lost of it without the low plane: root mean square relative to its values, measured on a
   * sample while it was written; 0 where there is no such plane.
   */
  readonly lowError: number;
  /** Whether `mixed` steps read its low plane; false unless set. */
  sensitive: boolean;
}

/** Bits that a step reads of a weight. */
export function bitsRead(
  { lowBytes, sensitive }: Pick<WeightHandle, 'lowBytes' | 'sensitive'>,
  precision: Precision,
): 8 | 4 {
  if (precision === 'mixed') return sensitive && lowBytes > 0 ? 8 : 4;
  return lowBytes > 0 ? precision : 4;
}

/**
 * Receives the rows of one weight in file order and in the file's own encoding and transcodes them
 * on the way. Give whole rows; every piece but the last a multiple of `rowsPerPiece`.
 */
export interface WeightWriter {
  /** Rows to give at a time: a multiple of this, small enough for the backend's staging buffer. */
  readonly rowsPerPiece: number;
  write(rows: Uint8Array): void;
  /** @throws AppError `model-file/truncated` when rows are missing, `model-file/invalid-numbers` for NaN or infinite scales */
  finish(): WeightHandle;
  /** Gives the weight up (the load failed or was stopped) and frees what it occupies so far. */
  abandon(): void;
}

/** Shape of the keys and values of a layer. */
export interface KvLayerSpec {
  readonly kvHeads: number;
  /** Components of a key. */
  readonly headDim: number;
  /** Components of a value. */
  readonly valueDim: number;
}

/**
 * What a model remembers of a conversation: keys and values of every position, and blocks of float32
 * numbers of layers that keep no positions apart (`recurrent`), which can be read, kept and put back
 * only whole.
 */
export interface KvCacheSpec {
  /** In the order of `AttentionOp.layer`; layers without attention have no entry. */
  readonly layers: readonly KvLayerSpec[];
  /** Numbers of each block, in the order of `slot`; none unless given. */
  readonly recurrent?: readonly number[];
  /** Positions the cache can hold. */
  readonly capacity: number;
  readonly type: KvType;
}

/** `count` layers of one shape, values as large as keys. */
export function equalLayers(count: number, kvHeads: number, headDim: number): KvLayerSpec[] {
  return Array.from({ length: count }, () => ({ kvHeads, headDim, valueDim: headDim }));
}

/** A copy of all recurrent blocks of a cache at one moment. */
export interface RecurrentSnapshot {
  readonly bytes: number;
}

/**
 * Keys and values of one conversation, for each layer (kvHead, position, headDim) and (kvHead,
 * position, valueDim), and its recurrent blocks.
 */
export interface KvCacheHandle {
  readonly spec: KvCacheSpec;
  readonly bytes: number;
}

/** Takes keys and values of positions [start, start + positions) out as segments (`kv-segment.ts`). */
export interface CacheSegments {
  read(cache: KvCacheHandle, start: number, positions: number): Uint8Array<ArrayBuffer>;
  /** Puts one that `isSegment` at its positions. */
  write(
    cache: KvCacheHandle,
    start: number,
    positions: number,
    segment: Uint8Array<ArrayBuffer>,
  ): void;
}

/** What changes from step to step. */
export interface StepInput {
  /** Token ids, one per row; 1 to `Executable.maxTokens`. */
  readonly tokens: Int32Array;
  /** Position of the first token: how many positions of the cache count as history. */
  readonly position: number;
  /** For how many of the last tokens the result is wanted, 0 for none. */
  readonly outputs: number;
  readonly precision: Precision;
  readonly cache: KvCacheHandle;
  /** Ends the step within some 50 ms with `aborted`; what it wrote into the cache is void then. */
  readonly signal?: AbortSignal | undefined;
}

/** The likeliest tokens of a result row, likeliest first, among equals the lower id. */
export interface TopLogits {
  readonly ids: Int32Array;
  /** Their logits; one that is no finite number stands first. */
  readonly logits: Float32Array;
}

/**
 * How tokens will be chosen of the candidates (`Sampler.sampleTop`). A device that chooses likewise can
 * begin the steps of the tokens that follow before anybody here knows them.
 */
export interface ExpectedChoice {
  /** 0: the likeliest token. */
  readonly temperature: number;
  readonly topP: number;
  readonly minP: number;
  /**
   * The random numbers, from 0 to 1, of this choice and of those after it: as many steps may be under
   * way at a time, this one included.
   */
  readonly randoms: readonly number[];
}

export interface TopRequest {
  /** How many of the likeliest tokens, 1 to `Backend.mostCandidates`. */
  readonly count: number;
  readonly choice?: ExpectedChoice | undefined;
}

/** A graph made ready for one backend: memory planned, commands or pipelines prepared. */
export interface Executable {
  /** Largest number of tokens of one step. */
  readonly maxTokens: number;
  /** Bytes of activation memory. */
  readonly bytes: number;
}

export interface BackendMemory {
  readonly weightBytes: number;
  readonly cacheBytes: number;
  readonly activationBytes: number;
  /** Everything the backend holds, slack included. */
  readonly totalBytes: number;
  /**
   * Of these what is free: memory that was given up and cannot be returned to the system (that of
   * WebAssembly never shrinks), but is used first when more is needed.
   */
  readonly freeBytes: number;
}

export interface CompileOptions {
  readonly weights: ReadonlyMap<string, WeightHandle>;
  readonly maxTokens: number;
  /** Largest number of result rows of one step (at most `maxTokens`). */
  readonly maxOutputs: number;
}

/** What a self-test found out about the kernels on this device, for a report. */
/** How fast one way to sum up products is here, with 8-bit weights: billions of products a second. */
export interface KernelSpeed {
  readonly method: string;
  readonly decode: number;
  readonly prefill: number;
}

export interface KernelReport {
  readonly variant: string;
  /** How products are summed up, which was the faster way; of prompts, if they have another. */
  readonly method: string;
  readonly prefillMethod?: string;
  /** What was timed to choose them; empty where there was no choice, absent on graphics cards. */
  readonly speeds?: readonly KernelSpeed[];
  /** Kernels that were compared with their reference and are right. */
  readonly kernels: readonly string[];
  /** What is not used because it was wrong or did not run. */
  readonly failures: readonly string[];
  readonly milliseconds: number;
  /** Whether this was found out at an earlier start. */
  readonly remembered: boolean;
}

export type ThreadChoice = 'auto' | number;

/**
 * Sees what matrices are multiplied with, while a step runs: `values` are whole rows of `columns`,
 * a view that is valid during the call; `weights` names the matrices that read them.
 */
export type InputObserver = (
  weights: readonly string[],
  values: Float32Array,
  columns: number,
) => void;

/** A backend that can be watched; without an observer it computes as if there was no such thing. */
export interface ObservableBackend extends Backend {
  observer: InputObserver | null;
}

/**
 * Told what parts of a step took. `label`: the operators and their weights, alike in all layers.
 * `isMeasured` false: estimated from the bytes and products of each, because the device has no clock;
 * measured unless said.
 */
export type StepProfiler = (label: string, milliseconds: number, isMeasured?: boolean) => void;

export interface Backend {
  readonly kind: BackendKind;
  /** One line for people and reports, for example "WASM relaxed SIMD, 1 thread". */
  readonly description: string;
  /**
   * Whether a step of many tokens is cut into parts by what this device is measured to do, between which
   * a stop is heard; unless given, whoever hands out steps keeps them short.
   */
  readonly boundsSteps?: boolean;
  /** What was found out about its kernels, where there is something. */
  readonly kernels?: KernelReport | undefined;
  /** Whether this backend can compute the operator; `compile` throws where this is false. */
  supports(op: Op): boolean;
  /** @throws AppError `engine/out-of-memory` */
  beginWeight(spec: WeightSpec): WeightWriter;
  /** Frees the weight's memory. */
  releaseWeight(weight: WeightHandle): void;
  /**
   * Gives up the low plane of a weight: from the next step on 4 bits are read of it, and `lowBytes` is
   * 0. What it occupied is free for whatever this backend needs next. Nothing where there is none.
   */
  dropLow?(weight: WeightHandle): void;
  /**
   * Takes the rows of a weight whose low plane was given up once more, as `beginWeight` did; with
   * `finish` 8 bits can be read again. Steps may run meanwhile.
   * @throws AppError `engine/out-of-memory`
   */
  restoreLow?(weight: WeightHandle): WeightWriter;
  /** @throws AppError `engine/out-of-memory` */
  createCache(spec: KvCacheSpec): KvCacheHandle;
  releaseCache(cache: KvCacheHandle): void;
  /** Copies keys and values of `count` positions of a layer from `first` on, as they are kept. */
  readCache(
    cache: KvCacheHandle,
    layer: number,
    first: number,
    count: number,
  ): Promise<KvPositions>;
  /** Puts keys and values, of any type, into the positions of a layer from `first` on. */
  writeCache(cache: KvCacheHandle, layer: number, first: number, positions: KvPositions): void;
  /**
   * Settles when what was begun is done: uploads are taken over, pipelines compiled. To be awaited
   * now and then while weights are written, so that no queue grows without bound, and after
   * `compile`; `run` waits by itself.
   * @throws AppError `engine/out-of-memory`, `engine/device-lost`: what went wrong since the last call
   */
  ready(): Promise<void>;
  /** Copies the recurrent blocks as the last step left them. */
  saveRecurrent(cache: KvCacheHandle): RecurrentSnapshot;
  /** Puts a copy back; null: zeros, as at the start of a text. */
  restoreRecurrent(cache: KvCacheHandle, snapshot: RecurrentSnapshot | null): void;
  /** Absent where caches cannot be read. */
  readonly segments?: CacheSegments;
  /** Frees a copy, where its memory is not the garbage collector's. The cache's end frees all. */
  releaseRecurrent?(cache: KvCacheHandle, snapshot: RecurrentSnapshot): void;
  /** @throws AppError `not-supported`, `engine/out-of-memory`, `model-file/missing-tensor` */
  compile(graph: Graph, options: CompileOptions): Executable;
  /**
   * Copies shares of the executable's weights to threads that share no memory with this one, where there
   * are such threads and it pays: its steps run on all of them then.
   * @param spareBytes what they may take
   */
  spread?(executable: Executable, spareBytes: number): Promise<void>;
  /**
   * One forward step. The result (outputs * columns of `Graph.result`, row-major) is a view that is
   * valid until the next call of the backend: copy it to keep it.
   */
  run(executable: Executable, input: StepInput): Promise<Float32Array>;
  /** How many `runTop` can find; absent where logits lie in this thread's reach anyway. */
  readonly mostCandidates?: number;
  /**
   * As `run` with one result row, of which only the likeliest are brought here. With an expected choice
   * steps may be computed ahead; what is not asked for next, as it was expected, is void.
   */
  runTop?(executable: Executable, input: StepInput, request: TopRequest): Promise<TopLogits>;
  memory(): BackendMemory;
  /** Gets what the parts of every step took; computing is somewhat slower while there is one. */
  profiler?: StepProfiler | null;
  /** Most threads of the processor that can compute a step now; absent where it computes none. */
  readonly mostThreads?: number;
  /** Threads of the processor that computed the last step; 0 before the first, and unless given. */
  readonly threadsUsed?: number;
  /**
   * How many threads the next steps run on, where there are several: `auto` is what measuring finds
   * best. Results do not depend on it.
   */
  setThreads?(threads: ThreadChoice): void;
  /** How long one submission to a graphics card is to take at most; `auto`: what is usual. */
  setSubmitMs?(milliseconds: 'auto' | number): void;
  dispose(): void;
}
