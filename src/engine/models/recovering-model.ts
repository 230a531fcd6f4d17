/**
 * A language model that survives the loss of the device it computes on.
 *
 * A graphics card can vanish in the middle of a sentence: a driver restarts, a laptop changes cards,
 * memory runs out. What the device held is gone then, the conversation is not: this model remembers
 * the tokens of every state, loads the model anew through `reload`, has it read them again and goes on
 * with the very step that failed. Whoever uses it notices a pause.
 */
import { throwIfAborted } from '../../common/abort.ts';
import { AppError, hasCode } from '../../common/errors.ts';
import type { Precision } from '../backend/backend.ts';
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

/** A new device, then another backend; what fails there too is a failure. */
const mostLosses = 2;

class RecoveringState implements ModelState {
  readonly options: StateOptions;
  readonly owner: RecoveringModel;
  /** The ids it stands for; the state below may hold fewer after a loss. */
  readonly tokens: number[] = [];
  inner: ModelState;
  readonly #forget: (state: RecoveringState) => void;

  constructor(
    owner: RecoveringModel,
    options: StateOptions,
    inner: ModelState,
    forget: (state: RecoveringState) => void,
  ) {
    this.owner = owner;
    this.options = options;
    this.inner = inner;
    this.#forget = forget;
  }

  get capacity(): number {
    return this.inner.capacity;
  }

  get length(): number {
    return this.tokens.length;
  }

  get bytes(): number {
    return this.inner.bytes;
  }

  get cuttable(): boolean {
    return this.inner.cuttable;
  }

  /** Not while the state below still has to read tokens again. */
  get segments(): SegmentAccess | null {
    const { segments } = this.inner;
    if (segments === null || this.inner.length !== this.tokens.length) return null;
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
    this.tokens.length = Math.min(this.tokens.length, length);
    if (length < this.inner.length) this.tokens.length = this.inner.truncate(length);
    return this.tokens.length;
  }

  remember(): void {
    if (this.inner.length === this.tokens.length) this.inner.remember();
  }

  dispose(): void {
    this.#forget(this);
    this.inner.dispose();
  }
}

export class RecoveringModel implements LanguageModel {
  readonly info: LanguageModelInfo;
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly #reload: Reload;
  readonly #states = new Set<RecoveringState>();
  #model: LanguageModel;
  #losses = 0;

  constructor(model: LanguageModel, reload: Reload) {
    this.info = model.info;
    this.maxTokens = model.maxTokens;
    this.maxOutputs = model.maxOutputs;
    this.#model = model;
    this.#reload = reload;
  }

  get lowPlanes(): GivenPlanes | undefined {
    return this.#model.lowPlanes;
  }

  weightBytesOfToken(precision: Precision): number {
    return this.#model.weightBytesOfToken(precision);
  }

  createState(options: StateOptions): ModelState {
    const inner = this.#model.createState(options);
    const state = new RecoveringState(this, options, inner, (disposed) => {
      this.#states.delete(disposed);
    });
    this.#states.add(state);
    return state;
  }

  async forward(
    tokens: Int32Array,
    state: ModelState,
    options: ForwardOptions,
  ): Promise<Float32Array> {
    if (!(state instanceof RecoveringState) || state.owner !== this) {
      throw new AppError('invalid-argument', 'The conversation belongs to another model.');
    }
    for (;;) {
      try {
        await this.#readAgain(state, options);
        const logits = await this.#model.forward(tokens, state.inner, options);
        state.tokens.push(...tokens);
        return logits;
      } catch (error) {
        const lost = hasCode(error, 'engine/device-lost', 'engine/out-of-memory');
        if (!lost || this.#losses >= mostLosses) throw error;
        await this.#recover(error);
      }
    }
  }

  dispose(): void {
    for (const state of [...this.#states]) state.dispose();
    this.#model.dispose();
  }

  /** Gives the state below the tokens it lost. */
  async #readAgain(state: RecoveringState, options: ForwardOptions): Promise<void> {
    while (state.inner.length < state.tokens.length) {
      throwIfAborted(options.signal);
      const start = state.inner.length;
      const part = state.tokens.slice(start, start + this.#model.maxTokens);
      const { precision, signal, onStep } = options;
      await this.#model.forward(Int32Array.from(part), state.inner, {
        want: 'none',
        precision,
        signal,
        onStep,
      });
    }
  }

  async #recover(error: AppError): Promise<void> {
    this.#losses += 1;
    this.#model.dispose();
    this.#model = await this.#reload(this.#losses, error);
    for (const state of this.#states) state.inner = this.#model.createState(state.options);
  }
}
