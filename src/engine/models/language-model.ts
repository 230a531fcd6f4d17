/**
 * The seam between tokens and logits: our GGUF graphs on a `Backend`, or a runtime that executes a
 * whole model itself. Generation sees nothing else.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import type { BackendKind, KvType, Precision, TopLogits, TopRequest } from '../backend/backend.ts';

export interface LanguageModelInfo {
  /** GGUF `general.architecture`, for example `llama`. */
  readonly architecture: string;
  readonly name: string;
  readonly vocabularySize: number;
  /** Positions the model was trained for. */
  readonly trainedContext: number;
  readonly layers: number;
  readonly parameters: number;
  /** Those that one token passes through: fewer where only some of many experts are chosen. */
  readonly activeParameters: number;
  /** Share of the weights' size that 4-bit mode loses (`weights/four-bit-loss.ts`); 0 where 4 bits are all there is. */
  readonly fourBitLoss: number;
}

/** Takes what a state remembers of some positions out as bytes, and puts it in again. */
export interface SegmentAccess {
  /** Of the bytes: only segments of the same format fit. */
  readonly format: string;
  read(start: number, positions: number): Uint8Array<ArrayBuffer>;
  /** Appends the tokens that a segment was read of; false, and nothing done, when it is none. */
  append(tokens: readonly number[], segment: Uint8Array<ArrayBuffer>): boolean;
}

/** The memory of one conversation inside the model. */
export interface ModelState {
  /** Positions the state can hold. */
  readonly capacity: number;
  /** Positions it holds now. */
  readonly length: number;
  readonly bytes: number;
  /**
   * Whether it can be cut anywhere. Where layers keep no positions apart it can only go back to where
   * `remember` was called, or to the start.
   */
  readonly cuttable: boolean;
  /** Null where what is remembered cannot be taken out. */
  readonly segments: SegmentAccess | null;
  /** Forgets everything from position `length` on, and as much before it as it must; what is left. */
  truncate(length: number): number;
  /** Makes the present length one that `truncate` can go back to. */
  remember(): void;
  /**
   * Takes over what another state of the same model's holds: everything behind what both have. The
   * other may be kept in another form, or computed by another backend.
   * @throws AppError `not-supported` for what cannot be copied, `engine/context-overflow`, and what the
   * backends throw: it holds the positions it had then
   */
  copyFrom(other: ModelState): Promise<void>;
  dispose(): void;
}

export interface StateOptions {
  readonly capacity: number;
  readonly kvType: KvType;
}

/** What a step did. */
export interface StepReport {
  readonly backend: BackendKind;
  /** Threads of the processor that computed; 0 where another device did. */
  readonly threads: number;
  readonly precision: Precision;
  readonly kvType: KvType;
  readonly tokens: number;
  /** Bytes of weights read (`backend/weight-traffic.ts`). */
  readonly weightBytes: number;
}

export interface ForwardOptions {
  /** Rows of logits wanted: none, of the last token, of all tokens of the call. */
  readonly want: 'none' | 'last' | 'all';
  readonly precision: Precision;
  readonly signal?: AbortSignal | undefined;
  /** Told of every step that was done: one, or more where a call takes several. */
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

/** Low planes of a model's weights, as `weights/low-planes.ts` keeps them. */
export interface GivenPlanes {
  /** Whether the backend can give them up; a graphics card keeps them. */
  readonly droppable: boolean;
  readonly bytes: number;
  readonly droppedBytes: number;
  has(precision: Precision): boolean;
  drop(precision: Precision): void;
  restore(precision: Precision, source: ByteSource, signal: AbortSignal): Promise<void>;
}

export interface LanguageModel {
  readonly info: LanguageModelInfo;
  /** Largest number of tokens of one `forward` call. */
  readonly maxTokens: number;
  /** Prompt tokens to compute at a time where the model bounds the time of a step itself. */
  readonly promptSlice?: number | undefined;
  /** Rows of logits that are computed at once; a call that wants more is worked off in parts. */
  readonly maxOutputs: number;
  /** Absent where weights have none that could be given up. */
  readonly lowPlanes?: GivenPlanes | undefined;
  /** Bytes of weights that a token costs, as they are now in memory. */
  weightBytesOfToken(precision: Precision): number;
  createState(options: StateOptions): ModelState;
  /**
   * Appends `tokens` to the state and returns logits, (rows wanted, vocabularySize), in a view that
   * is valid until the next call.
   * @throws AppError `engine/context-overflow`, `invalid-argument` (token id outside the vocabulary), `aborted`
   */
  forward(tokens: Int32Array, state: ModelState, options: ForwardOptions): Promise<Float32Array>;
  /** How many `forwardTop` can find; absent where it would save nothing. */
  readonly mostCandidates?: number | undefined;
  /** As `forward` with the last token's logits, of which only the likeliest are given. */
  forwardTop?(
    tokens: Int32Array,
    state: ModelState,
    options: Omit<ForwardOptions, 'want'>,
    request: TopRequest,
  ): Promise<TopLogits>;
  dispose(): void;
}
