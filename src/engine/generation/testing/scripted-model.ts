/**
 * A `LanguageModel` whose logits are a function of the tokens before: deterministic, tiny, and it
 * records what it was asked to compute. For the tests of everything above the seam.
 */
import { AppError } from '../../../common/errors.ts';
import type { Precision } from '../../backend/backend.ts';
import type {
  ForwardOptions,
  LanguageModel,
  LanguageModelInfo,
  ModelState,
  StateOptions,
} from '../../models/language-model.ts';

/** Logits (vocabularySize) of the token that follows `history`. */
export type Script = (history: readonly number[]) => Float32Array;

export interface ForwardCall {
  readonly tokens: readonly number[];
  readonly want: ForwardOptions['want'];
  readonly precision: ForwardOptions['precision'];
  /** Positions before the call. */
  readonly position: number;
}

export class ScriptedState implements ModelState {
  readonly capacity: number;
  readonly bytes = 0;
  readonly cuttable = true;
  readonly segments = null;
  readonly history: number[] = [];
  disposed = false;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.history.length;
  }

  remember(): void {
    // every length can be gone back to
  }

  truncate(length: number): number {
    this.history.length = Math.min(length, this.history.length);
    return this.history.length;
  }

  copyFrom(other: ModelState): Promise<void> {
    if (other instanceof ScriptedState) this.history.splice(0, Infinity, ...other.history);
    return Promise.resolve();
  }

  dispose(): void {
    this.disposed = true;
  }
}

export class ScriptedModel implements LanguageModel {
  readonly info: LanguageModelInfo;
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly calls: ForwardCall[] = [];
  /** Called in the middle of each `forward`, after the first half of the tokens entered the state. */
  onForward: (call: ForwardCall) => void | Promise<void> = () => undefined;
  readonly #script: Script;

  constructor(options: { vocabularySize: number; maxTokens?: number; script: Script }) {
    this.maxTokens = options.maxTokens ?? 64;
    this.maxOutputs = this.maxTokens;
    this.#script = options.script;
    this.info = {
      architecture: 'scripted',
      name: 'Scripted',
      vocabularySize: options.vocabularySize,
      trainedContext: 4096,
      layers: 1,
      parameters: 1,
      activeParameters: 1,
      fourBitLoss: 0,
    };
  }

  weightBytesOfToken(precision: Precision): number {
    return precision === 8 ? 1000 : 530;
  }

  createState(options: StateOptions): ScriptedState {
    return new ScriptedState(options.capacity);
  }

  async forward(
    tokens: Int32Array,
    state: ModelState,
    options: ForwardOptions,
  ): Promise<Float32Array> {
    if (!(state instanceof ScriptedState)) throw new TypeError('not a state of this model');
    if (tokens.length > this.maxTokens) throw new RangeError('more tokens than maxTokens');
    if (state.length + tokens.length > state.capacity) {
      throw new AppError('engine/context-overflow', 'The state is full.');
    }
    const call = {
      tokens: [...tokens],
      want: options.want,
      precision: options.precision,
      position: state.length,
    };
    this.calls.push(call);
    const rows: Float32Array[] = [];
    const middle = Math.floor(tokens.length / 2);
    for (const [index, token] of tokens.entries()) {
      if (index === middle) await this.onForward(call);
      options.signal?.throwIfAborted();
      state.history.push(token);
      if (options.want === 'all' || (options.want === 'last' && index === tokens.length - 1)) {
        rows.push(this.#script(state.history));
      }
    }
    options.onStep?.({
      backend: 'reference',
      threads: 1,
      precision: options.precision,
      kvType: 'f32',
      tokens: tokens.length,
      weightBytes: this.weightBytesOfToken(options.precision),
    });
    const logits = new Float32Array(rows.length * this.info.vocabularySize);
    for (const [row, values] of rows.entries()) logits.set(values, row * this.info.vocabularySize);
    return logits;
  }

  dispose(): void {
    // Holds nothing.
  }
}

/** A script that continues every text by `answer`, counted from position `promptLength`. */
export function scriptAnswer(
  vocabularySize: number,
  promptLength: number,
  answer: readonly number[],
): Script {
  return (history) => {
    const logits = new Float32Array(vocabularySize);
    const token = answer[history.length - promptLength];
    if (token !== undefined) logits[token] = 10;
    return logits;
  };
}
