/**
 * A language model that outlives what it is computed on.
 *
 * It is held by one device or by two at once, the processor and the graphics card, and the device may
 * change between any two steps: keys and values of every conversation follow, position by position.
 * A graphics card can also vanish in the middle of a sentence: a driver restarts, a laptop changes
 * cards, memory runs out. What it held is gone then, the conversation is not: this model remembers
 * the tokens of every state, loads the model anew through `reload`, has it read them again and goes on
 * with the very step that failed. Whoever uses it notices a pause.
 */
import { throwIfAborted } from '../../common/abort.ts';
import { AppError, hasCode } from '../../common/errors.ts';
import type { Precision, TopLogits, TopRequest } from '../backend/backend.ts';
import { selectTop } from '../generation/top-selection.ts';
import type {
  ForwardOptions,
  GivenPlanes,
  LanguageModel,
  LanguageModelInfo,
  ModelState,
  SegmentAccess,
  StateOptions,
} from './language-model.ts';

/**
 * Makes the model anew after it was lost for the `losses`-th time; `lost` was disposed of.
 * @throws whatever keeps it from being loaded
 */
export type Reload = (losses: number, error: AppError) => Promise<LanguageModel>;

export interface Recovery {
  /** Whether what the model is computed on can be lost: a graphics card. */
  readonly canBeLost: (model: LanguageModel) => boolean;
  readonly reload: Reload;
}

/** A new device, then another backend; what fails there too is a failure. */
const mostLosses = 2;

export class HostedState implements ModelState {
  readonly owner: HostedModel;
  /** The ids it stands for; the memories below may hold fewer. */
  readonly tokens: number[] = [];
  /** By the model that computes on them; that of the model in use is made at once. */
  readonly memories = new Map<LanguageModel, ModelState>();
  readonly #forget: (state: HostedState) => void;
  options: StateOptions;

  constructor(owner: HostedModel, options: StateOptions, forget: (state: HostedState) => void) {
    this.owner = owner;
    this.options = options;
    this.#forget = forget;
    this.memory();
  }

  /** That of the model in use. @throws AppError `engine/out-of-memory` */
  memory(): ModelState {
    const model = this.owner.active;
    const known = this.memories.get(model);
    if (known !== undefined) return known;
    const made = model.createState(this.options);
    this.memories.set(model, made);
    return made;
  }

  get capacity(): number {
    return this.options.capacity;
  }

  get length(): number {
    return this.tokens.length;
  }

  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.memories.values()) sum += bytes;
    return sum;
  }

  get cuttable(): boolean {
    return this.memory().cuttable;
  }

  /** Not while the memory in use still has to read tokens again. */
  get segments(): SegmentAccess | null {
    const memory = this.memory();
    const { segments } = memory;
    if (segments === null || memory.length !== this.tokens.length) return null;
    return {
      ...segments,
      append: (tokens, segment) => {
        const appended = segments.append(tokens, segment);
        if (appended) this.tokens.push(...tokens);
        return appended;
      },
    };
  }

  truncate(length: number): number {
    let left = Math.min(this.tokens.length, length);
    for (const memory of this.memories.values()) {
      if (length < memory.length) left = Math.min(left, memory.truncate(length));
    }
    this.tokens.length = left;
    return left;
  }

  remember(): void {
    const memory = this.memory();
    if (memory.length === this.tokens.length) memory.remember();
  }

  /** @throws AppError `not-supported`: between two of these, `HostedModel` copies by itself */
  copyFrom(): Promise<void> {
    return Promise.reject(
      new AppError('not-supported', 'The memory of a hosted model is copied below it.'),
    );
  }

  /**
   * Keeps the conversation in another form: another type of keys, room for more or fewer positions.
   * @throws AppError `engine/out-of-memory`, `engine/context-overflow`, `not-supported`: it stays as it was
   */
  async reshape(options: StateOptions): Promise<void> {
    if (options.capacity < this.tokens.length) {
      throw new AppError(
        'engine/context-overflow',
        `The conversation holds ${this.tokens.length} tokens and cannot be kept in ${options.capacity}.`,
        { details: { capacity: options.capacity, tokens: this.tokens.length } },
      );
    }
    const before = this.memory();
    const made = this.owner.active.createState(options);
    try {
      await made.copyFrom(before);
    } catch (error) {
      made.dispose();
      throw error;
    }
    for (const memory of this.memories.values()) memory.dispose();
    this.memories.clear();
    this.options = options;
    this.memories.set(this.owner.active, made);
  }

  /** A model is gone, or about to go. */
  drop(model: LanguageModel): void {
    this.memories.get(model)?.dispose();
    this.memories.delete(model);
  }

  dispose(): void {
    this.#forget(this);
    for (const memory of this.memories.values()) memory.dispose();
    this.memories.clear();
  }
}

export class HostedModel implements LanguageModel {
  readonly info: LanguageModelInfo;
  readonly #recovery: Recovery;
  readonly #states = new Set<HostedState>();
  #active: LanguageModel;
  #losses = 0;

  constructor(model: LanguageModel, recovery: Recovery) {
    this.info = model.info;
    this.#active = model;
    this.#recovery = recovery;
  }

  /** The model that computes the next step. */
  get active(): LanguageModel {
    return this.#active;
  }

  get maxTokens(): number {
    return this.#active.maxTokens;
  }

  get maxOutputs(): number {
    return this.#active.maxOutputs;
  }

  get lowPlanes(): GivenPlanes | undefined {
    return this.#active.lowPlanes;
  }

  weightBytesOfToken(precision: Precision): number {
    return this.#active.weightBytesOfToken(precision);
  }

  createState(options: StateOptions): HostedState {
    const state: HostedState = new HostedState(this, options, (disposed) => {
      this.#states.delete(disposed);
    });
    this.#states.add(state);
    return state;
  }

  /**
   * Computes with another model of the same weights from the next step on; conversations follow at once.
   * @throws AppError `engine/out-of-memory`: the model before stays in use
   */
  async use(model: LanguageModel): Promise<void> {
    const before = this.#active;
    if (before === model) return;
    this.#active = model;
    try {
      for (const state of this.#states) await follow(state, before);
    } catch (error) {
      this.#active = before;
      for (const state of this.#states) state.drop(model);
      throw error;
    }
  }

  /** Gives back what conversations occupy in a model that is not in use any more. */
  forget(model: LanguageModel): void {
    for (const state of this.#states) state.drop(model);
  }

  get promptSlice(): number | undefined {
    return this.#active.promptSlice;
  }

  get mostCandidates(): number | undefined {
    return this.#active.mostCandidates;
  }

  async forward(
    tokens: Int32Array,
    state: ModelState,
    options: ForwardOptions,
  ): Promise<Float32Array> {
    return this.#recovering(tokens, state, options, (model, memory) =>
      model.forward(tokens, memory, options),
    );
  }

  async forwardTop(
    tokens: Int32Array,
    state: ModelState,
    options: Omit<ForwardOptions, 'want'>,
    request: TopRequest,
  ): Promise<TopLogits> {
    return this.#recovering(tokens, state, options, async (model, memory) => {
      if (model.forwardTop !== undefined && model.mostCandidates !== undefined) {
        return model.forwardTop(tokens, memory, options, request);
      }
      // The processor took over in the middle of an answer.
      const logits = await model.forward(tokens, memory, { ...options, want: 'last' });
      const ids = selectTop(logits, request.count);
      return { ids, logits: Float32Array.from(ids, (id) => logits[id] ?? NaN) };
    });
  }

  dispose(): void {
    for (const state of [...this.#states]) state.dispose();
    this.#active.dispose();
  }

  /** Has the model in use `compute`, on another device where the first is lost. */
  async #recovering<T>(
    tokens: Int32Array,
    state: ModelState,
    options: Omit<ForwardOptions, 'want'>,
    compute: (model: LanguageModel, memory: ModelState) => Promise<T>,
  ): Promise<T> {
    if (!(state instanceof HostedState) || state.owner !== this) {
      throw new AppError('invalid-argument', 'The conversation belongs to another model.');
    }
    for (;;) {
      const model = this.#active;
      try {
        await this.#readAgain(state, options);
        const result = await compute(model, state.memory());
        state.tokens.push(...tokens);
        return result;
      } catch (error) {
        const lost = hasCode(error, 'engine/device-lost', 'engine/out-of-memory');
        const recovers = lost && this.#recovery.canBeLost(model) && this.#losses < mostLosses;
        if (!recovers) throw error;
        await this.#recover(error);
      }
    }
  }

  /** Gives the memory in use the tokens it lost. */
  async #readAgain(state: HostedState, options: Omit<ForwardOptions, 'want'>): Promise<void> {
    const memory = state.memory();
    while (memory.length < state.tokens.length) {
      throwIfAborted(options.signal);
      const start = memory.length;
      const part = state.tokens.slice(start, start + this.#active.maxTokens);
      const { precision, signal, onStep } = options;
      await this.#active.forward(Int32Array.from(part), memory, {
        want: 'none',
        precision,
        signal,
        onStep,
      });
    }
  }

  async #recover(error: AppError): Promise<void> {
    this.#losses += 1;
    const lost = this.#active;
    for (const state of this.#states) state.drop(lost);
    lost.dispose();
    this.#active = await this.#recovery.reload(this.#losses, error);
    for (const state of this.#states) state.memory();
  }
}

/** Brings a conversation to the model in use; what cannot be copied is read again by the next step. */
async function follow(state: HostedState, before: LanguageModel): Promise<void> {
  const from = state.memories.get(before);
  const to = state.memory();
  if (from === undefined) return;
  try {
    await to.copyFrom(from);
  } catch (error) {
    if (!hasCode(error, 'not-supported', 'engine/device-lost')) throw error;
  }
}
