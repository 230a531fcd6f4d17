/**
 * One conversation with a model: which tokens its state holds, and how text is added to it.
 *
 * A session owns its `ModelState` and mirrors the ids in it, so that a prompt that begins like the
 * last one (every turn of a chat does) is only computed from where it differs. One operation at a
 * time; between two steps the event loop runs, so that a stop is heard. After an abort or an error
 * the state holds exactly the tokens that `tokens` names.
 */
import { isAbortError, AppError } from '../../common/errors.ts';
import { throwIfAborted } from '../../common/abort.ts';
import type { Precision } from '../backend/backend.ts';
import type {
  ForwardOptions,
  LanguageModel,
  ModelState,
  SegmentAccess,
  StepReport,
} from '../models/language-model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { AnswerWriter } from './answer-writer.ts';
import type { AnswerOptions, WriterStep, WrittenToken } from './answer-writer.ts';
import { tokenLogprobs } from './logprobs.ts';
import type { TokenLogprob } from './logprobs.ts';
import { PromptLookup } from './prompt-lookup.ts';
import { mostGuesses, Speculation } from './speculation.ts';
import { StatsRecorder } from './stats.ts';
import type { Clock, GenerationStats } from './stats.ts';
import { yieldToEventLoop } from '../../common/yield-to-event-loop.ts';

/** What a step is for: texts that are given, or the writing of an answer. */
export type StepPhase = 'prompt' | 'answer';

export interface SessionOptions {
  readonly model: LanguageModel;
  readonly tokenizer: Tokenizer;
  /** Becomes the session's own. */
  readonly state: ModelState;
  /** Asked before every step, so that it may change between two tokens. */
  readonly precision: () => Precision;
  /** Prompt tokens of the next step at most; asked before each. */
  readonly batchTokens?: () => number;
  /** Whether tokens may be computed on a guess; asked before each. */
  readonly speculates?: () => boolean;
  /** Awaited before every step: what is to be changed between two tokens is changed here. */
  readonly beforeStep?: (phase: StepPhase) => Promise<void>;
  /** Awaited after each token of an answer, before the next one is computed. */
  readonly betweenTokens?: (signal: AbortSignal | undefined) => Promise<void>;
  /** Told of every step. */
  readonly onStep?: (report: StepReport, phase: StepPhase) => void;
  /** Prompt tokens of one step; absent: what the model wants, or chosen by its size (`sliceTokensFor`). */
  readonly sliceTokens?: number;
  readonly now?: Clock;
}

export interface GenerateOptions extends AnswerOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether tokens may be computed on the guess that they come next; they may unless false. */
  readonly speculate?: boolean;
  /** When the wait for the answer began, on the session's clock; now unless given. */
  readonly startedAt?: number;
  /**
   * Tokens of this answer that were written before, perhaps by another session: they are told again,
   * and the answer goes on as it would have then.
   */
  readonly written?: readonly number[];
}

/** `context`: the answer reached the end of the context, of which the user is to be told. */
export type FinishReason = 'stop' | 'length' | 'context' | 'aborted';

export interface PrefillEvent {
  readonly type: 'prefill';
  /** Prompt tokens in the state, those kept from before included. */
  readonly done: number;
  readonly total: number;
}

export interface TokenEvent extends WrittenToken {
  readonly type: 'token';
}

export interface DoneEvent {
  readonly type: 'done';
  readonly reason: FinishReason;
  /** The last of the text, held back until now; append it. Often empty. */
  readonly text: string;
  readonly stats: GenerationStats;
}

export type GenerationEvent = PrefillEvent | TokenEvent | DoneEvent;

/** Log-probability of a token given those before it; the first has none. */
export interface TokenScore {
  readonly token: number;
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[];
}

export interface ProgressOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Multiply-adds of one prefill slice: about half a second to a second on one laptop core. */
const sliceMultiplyAdds = 3e10;
/** Fewer rows than this waste most of the work of unpacking the weights. */
const smallestSlice = 16;
/**
 * Steps of an answer that a device may have under way: one is computed, the result of one is on its way
 * here, one is ready to begin. More would only be more to give up when the answer ends.
 */
const stepsAtATime = 3;
/** Rows of logits of one scoring step: 32 of a 150,000-token vocabulary are 19 MB. */
const scoringSlice = 32;

/**
 * Prompt tokens of one step: as many as stay cancellable within about a second. Depends on the model
 * alone and not on measured speed, so that results are the same on every run.
 */
export function sliceTokensFor(parameters: number, maxTokens: number): number {
  const affordable = Math.max(
    smallestSlice,
    Math.floor(sliceMultiplyAdds / Math.max(parameters, 1)),
  );
  return Math.max(1, Math.min(affordable, maxTokens));
}

export class Session {
  readonly #model: LanguageModel;
  readonly #tokenizer: Tokenizer;
  readonly #state: ModelState;
  readonly #precision: () => Precision;
  readonly #beforeStep: (phase: StepPhase) => Promise<void>;
  readonly #betweenTokens: (signal: AbortSignal | undefined) => Promise<void>;
  readonly #onStep: (report: StepReport, phase: StepPhase) => void;
  readonly #givenSlice: number | undefined;
  readonly #batchTokens: () => number;
  readonly #speculates: () => boolean;
  readonly #now: Clock;
  readonly #tokens: number[] = [];
  readonly #speculation = new Speculation();
  #busy = false;
  #disposed = false;

  constructor(options: SessionOptions) {
    const { model } = options;
    this.#model = model;
    this.#tokenizer = options.tokenizer;
    this.#state = options.state;
    this.#precision = options.precision;
    this.#beforeStep = options.beforeStep ?? (() => Promise.resolve());
    this.#betweenTokens = options.betweenTokens ?? (() => yieldToEventLoop());
    this.#onStep = options.onStep ?? (() => undefined);
    this.#batchTokens = options.batchTokens ?? (() => Infinity);
    this.#speculates = options.speculates ?? (() => true);
    this.#now = options.now ?? (() => performance.now());
    this.#givenSlice = options.sliceTokens;
    this.#state.truncate(0);
  }

  /** The ids that the state holds. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Positions of the context. */
  get capacity(): number {
    return this.#state.capacity;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Makes the state hold exactly `tokens`; what it shares with them at the start is kept.
   * @throws AppError `engine/context-overflow` (nothing was changed), `engine/busy`, `aborted`
   */
  async prefill(
    tokens: readonly number[],
    options: ProgressOptions = {},
  ): Promise<{ readonly reusedTokens: number }> {
    this.#checkFits(tokens);
    return this.#exclusively(async () => {
      const reusedTokens = this.#keepCommonPrefix(tokens, tokens.length);
      while (this.#tokens.length < tokens.length) {
        const end = this.#sliceEnd(tokens.length);
        const part = tokens.slice(this.#tokens.length, end);
        await this.#append('prompt', part, 'none', options.signal);
        options.onProgress?.(this.#tokens.length, tokens.length);
        await yieldToEventLoop();
      }
      return { reusedTokens };
    });
  }

  /**
   * Reads `prompt` and writes what follows it. Ends with one `done` event; a stop by the signal is an
   * ordinary end with reason `aborted`. Leaving the iteration early ends the work too.
   * @throws AppError `engine/context-overflow` (nothing was changed), `engine/busy`,
   * `model-file/invalid-numbers`, `invalid-argument`, and whatever the backend throws
   */
  async *generate(
    prompt: readonly number[],
    options: GenerateOptions,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const startedAt = options.startedAt ?? this.#now();
    const written = options.written ?? [];
    const text = written.length === 0 ? prompt : [...prompt, ...written];
    this.#checkFits(prompt);
    this.#checkIds(written);
    if (prompt.length === 0) {
      throw new AppError('invalid-argument', 'There is no text to continue: the prompt is empty.');
    }
    const writer = new AnswerWriter(this.#tokenizer, this.#model.info.vocabularySize, options);
    writer.acceptPrompt(prompt);
    this.#begin();
    try {
      // What is being done to the memory is done before it is cut.
      await this.#beforeStep('prompt');
      // The last prompt token is always computed: its logits choose the first token.
      const reused = this.#keepCommonPrefix(text, text.length - 1);
      const stats = new StatsRecorder(this.#now, startedAt, text.length, reused);
      let reason: FinishReason | null;
      try {
        reason = yield* this.#tellAgain(writer, written);
        if (reason === null && text.length > this.#state.capacity) reason = 'context';
        if (reason === null) {
          const logits = yield* this.#readPrompt(text, stats, options.signal);
          reason = yield* this.#writeAnswer(writer, logits, stats, options);
        }
      } catch (error) {
        if (!isAbortError(error) || options.signal?.aborted !== true) throw error;
        reason = 'aborted';
      }
      yield { type: 'done', reason, text: writer.flush(), stats: stats.stats() };
    } finally {
      this.#busy = false;
    }
  }

  /**
   * The log-probability of every token of a text, computed from the start; the state holds the text
   * afterwards, so that `generate` can continue it at little cost.
   * @throws AppError `engine/context-overflow`, `engine/busy`, `aborted`, `model-file/invalid-numbers`
   */
  async scoreTokens(
    tokens: readonly number[],
    topCount: number,
    options: ProgressOptions = {},
  ): Promise<TokenScore[]> {
    this.#checkFits(tokens);
    return this.#exclusively(async () => {
      this.#keepCommonPrefix(tokens, 0);
      const scores: TokenScore[] = [];
      if (tokens.length > 0) {
        scores.push({ token: tokens[0] as number, logprob: null, topLogprobs: [] });
      }
      const size = this.#model.info.vocabularySize;
      const slice = Math.min(this.#sliceTokens, scoringSlice);
      for (let start = 0; start < tokens.length; start += slice) {
        const part = tokens.slice(start, start + slice);
        const logits = await this.#append('prompt', part, 'all', options.signal);
        for (let row = 0; row < part.length; row++) {
          const token = tokens[start + row + 1];
          if (token === undefined) break;
          const rowLogits = logits.subarray(row * size, (row + 1) * size);
          const { logprob, top } = tokenLogprobs(rowLogits, token, topCount);
          scores.push({ token, logprob, topLogprobs: top });
        }
        options.onProgress?.(this.#tokens.length, tokens.length);
        await yieldToEventLoop();
      }
      return scores;
    });
  }

  /**
   * Forgets everything from position `length` on, and where the model's memory cannot be cut there
   * also some before it: `tokens` says what is left.
   * @throws AppError `engine/busy`, `invalid-argument`
   */
  rewind(length: number): void {
    if (this.#busy) throw busyError();
    if (!Number.isInteger(length) || length < 0 || length > this.#tokens.length) {
      throw new AppError('invalid-argument', 'A session can only go back to where it has been.', {
        details: { length, held: this.#tokens.length },
      });
    }
    this.#truncate(length);
  }

  /** Of the next step: the device may change. */
  get #sliceTokens(): number {
    const { info, maxTokens, promptSlice } = this.#model;
    const wanted = this.#givenSlice ?? promptSlice;
    return Math.min(wanted ?? sliceTokensFor(info.activeParameters, maxTokens), maxTokens);
  }

  /** What the state takes out and puts in; null where it cannot, and while something is at work. */
  get segments(): SegmentAccess | null {
    return this.#busy || this.#disposed ? null : this.#state.segments;
  }

  /**
   * Appends tokens whose keys and values were computed before; false when the bytes are not theirs.
   * @throws AppError `engine/busy`
   */
  appendSegment(tokens: readonly number[], segment: Uint8Array<ArrayBuffer>): boolean {
    if (this.#busy) throw busyError();
    if (this.segments?.append(tokens, segment) !== true) return false;
    this.#tokens.push(...tokens);
    return true;
  }

  /** Gives the state's memory back. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#tokens.length = 0;
    this.#state.dispose();
  }

  async *#readPrompt(
    prompt: readonly number[],
    stats: StatsRecorder,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<PrefillEvent, Float32Array, undefined> {
    const total = prompt.length;
    let logits = new Float32Array(0);
    yield { type: 'prefill', done: this.#tokens.length, total };
    while (this.#tokens.length < total) {
      const start = this.#tokens.length;
      const end = this.#sliceEnd(total);
      const want = end === total ? 'last' : 'none';
      const part = prompt.slice(start, end);
      const view = await stats.prefill(() => this.#append('prompt', part, want, signal, stats));
      // A copy: while the consumer has the word, another session may use the model.
      if (want === 'last') logits = view.slice();
      yield { type: 'prefill', done: end, total };
      await yieldToEventLoop();
    }
    return logits;
  }

  /** Tells what was written before; the reason when that was all. */
  *#tellAgain(
    writer: AnswerWriter,
    tokens: readonly number[],
  ): Generator<TokenEvent, FinishReason | null, undefined> {
    for (const token of tokens) {
      const { written, finish } = writer.again(token);
      if (written !== null) yield { type: 'token', ...written };
      if (finish !== null) return finish;
    }
    return null;
  }

  async *#writeAnswer(
    writer: AnswerWriter,
    firstLogits: Float32Array,
    stats: StatsRecorder,
    options: GenerateOptions,
  ): AsyncGenerator<TokenEvent, FinishReason, undefined> {
    const { signal } = options;
    if (options.maxTokens !== undefined && options.maxTokens <= 0) return 'length';
    throwIfAborted(signal);
    const lookup = this.#lookup(options);
    let steps: readonly WriterStep[] = [writer.next(firstLogits)];
    for (;;) {
      for (const { written, finish } of steps) {
        if (written !== null) {
          stats.token();
          yield { type: 'token', ...written };
        }
        if (finish !== null) return finish;
      }
      if (this.#tokens.length >= this.#state.capacity) return 'context';
      await this.#betweenTokens(signal);
      const { token } = steps.at(-1) as WriterStep;
      lookup?.push(token);
      const guesses = lookup === null ? [] : this.#guesses(lookup);
      const count = this.#speculates() ? this.#speculation.choose(guesses.length) : 0;
      const ahead = guesses.slice(0, count);
      steps = await stats.decode(count, () =>
        this.#decode(writer, [token, ...ahead], signal, stats),
      );
      if (lookup !== null) this.#learn(lookup, guesses, ahead, steps);
    }
  }

  /** The text that guesses are taken from; null where there are to be none, or none could be taken back. */
  #lookup(options: GenerateOptions): PromptLookup | null {
    if (options.speculate === false || !this.#state.cuttable) return null;
    const lookup = new PromptLookup();
    lookup.push(...this.#tokens);
    this.#speculation.begin();
    return lookup;
  }

  /** As many guesses as one step can take. */
  #guesses(lookup: PromptLookup): readonly number[] {
    const room = this.#state.capacity - this.#tokens.length;
    const rows = Math.min(this.#model.maxTokens, this.#model.maxOutputs, room);
    return lookup.guess(Math.min(mostGuesses, rows - 1));
  }

  /**
   * Computes a chosen token and guesses of those that follow it, and chooses one token behind each
   * as long as the guesses are what was chosen. What was guessed wrong is forgotten: the state then
   * holds all chosen tokens but the last, as if they had been computed one by one.
   */
  async #decode(
    writer: AnswerWriter,
    tokens: readonly number[],
    signal: AbortSignal | undefined,
    stats: StatsRecorder,
  ): Promise<WriterStep[]> {
    const before = this.#tokens.length;
    const startedAt = this.#now();
    if (tokens.length === 1 && writer.candidates <= (this.#model.mostCandidates ?? 0)) {
      const step = await this.#decodeTop(writer, tokens, signal, stats);
      this.#speculation.measured(1, this.#now() - startedAt);
      return [step];
    }
    const want = tokens.length === 1 ? 'last' : 'all';
    const logits = await this.#append('answer', tokens, want, signal, stats);
    this.#speculation.measured(tokens.length, this.#now() - startedAt);
    const size = this.#model.info.vocabularySize;
    const steps: WriterStep[] = [];
    for (let row = 0; row < tokens.length; row++) {
      const step = writer.next(logits.subarray(row * size, (row + 1) * size));
      steps.push(step);
      if (step.finish !== null || step.token !== tokens[row + 1]) break;
    }
    this.#truncate(before + steps.length);
    return steps;
  }

  /** Computes a chosen token and chooses the next of no more logits than that takes. */
  async #decodeTop(
    writer: AnswerWriter,
    tokens: readonly number[],
    signal: AbortSignal | undefined,
    stats: StatsRecorder,
  ): Promise<WriterStep> {
    const top = await this.#extend('answer', tokens, signal, stats, (all, options) =>
      this.#model.forwardTop?.(all, this.#state, options, writer.topRequest(stepsAtATime)),
    );
    if (top === undefined) throw new AppError('internal', 'The model found no candidates.');
    return writer.nextOf(top);
  }

  /** What the step tells of guesses, also of those that were not computed. */
  #learn(
    lookup: PromptLookup,
    guesses: readonly number[],
    ahead: readonly number[],
    steps: readonly WriterStep[],
  ): void {
    lookup.push(...steps.slice(0, -1).map(({ token }) => token));
    const compared = Math.min(steps.length, Math.max(1, ahead.length), guesses.length);
    for (let index = 0; index < compared; index++) {
      this.#speculation.observed(steps[index]?.token === guesses[index]);
    }
  }

  /**
   * Where the next step of a prompt of `total` tokens ends. Where the state cannot be cut anywhere, it
   * is remembered before the last token: the next answer to the same prompt begins there, and the
   * next prompt of a chat has all before it in common.
   */
  #sliceEnd(total: number): number {
    const start = this.#tokens.length;
    const end = Math.min(start + Math.min(this.#sliceTokens, this.#batchTokens()), total);
    if (this.#state.cuttable) return end;
    if (start === total - 1) this.#state.remember();
    return end === total && start < total - 1 ? total - 1 : end;
  }

  /** Adds tokens to the state; on failure the state is as before. */
  async #append(
    phase: StepPhase,
    tokens: readonly number[],
    want: 'none' | 'last' | 'all',
    signal: AbortSignal | undefined,
    stats?: StatsRecorder,
  ): Promise<Float32Array> {
    return this.#extend(phase, tokens, signal, stats, (all, options) =>
      this.#model.forward(all, this.#state, { ...options, want }),
    );
  }

  async #extend<T>(
    phase: StepPhase,
    tokens: readonly number[],
    signal: AbortSignal | undefined,
    stats: StatsRecorder | undefined,
    forward: (tokens: Int32Array, options: Omit<ForwardOptions, 'want'>) => T | Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    this.#checkAlive();
    await this.#beforeStep(phase);
    this.#checkAlive();
    try {
      const result = await forward(Int32Array.from(tokens), {
        precision: this.#precision(),
        signal,
        onStep: (report) => {
          stats?.step(report);
          this.#onStep(report, phase);
        },
      });
      this.#tokens.push(...tokens);
      return result;
    } catch (error) {
      if (!this.#disposed) this.#truncate(Math.min(this.#tokens.length, this.#state.length));
      throw error;
    }
  }

  /** Drops what the state does not share with `tokens`, and what lies beyond `most`. */
  #keepCommonPrefix(tokens: readonly number[], most: number): number {
    const limit = Math.min(tokens.length, this.#tokens.length, most);
    let length = 0;
    while (length < limit && tokens[length] === this.#tokens[length]) length++;
    this.#truncate(length);
    return this.#tokens.length;
  }

  #truncate(length: number): void {
    const left = this.#state.length === length ? length : this.#state.truncate(length);
    this.#tokens.length = left;
  }

  #checkFits(tokens: readonly number[]): void {
    this.#checkAlive();
    const { capacity } = this.#state;
    if (tokens.length <= capacity) return;
    throw new AppError(
      'engine/context-overflow',
      `The text has ${tokens.length} tokens, but the context holds ${capacity}. Shorten it, start a new chat, or choose a larger context in the settings.`,
      { details: { tokens: tokens.length, capacity } },
    );
  }

  /** Answers that were cut off come from storage: their ids may be anything. */
  #checkIds(tokens: readonly number[]): void {
    const { vocabularySize } = this.#model.info;
    const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
    if (wrong === undefined) return;
    throw new AppError(
      'invalid-argument',
      'This answer was begun by another model. Have it written again.',
      { details: { token: wrong, vocabularySize } },
    );
  }

  #checkAlive(): void {
    if (this.#disposed) {
      throw new AppError('engine/not-loaded', 'The model was unloaded. Choose it again to go on.');
    }
  }

  #begin(): void {
    this.#checkAlive();
    if (this.#busy) throw busyError();
    this.#busy = true;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#begin();
    try {
      await this.#beforeStep('prompt');
      return await work();
    } finally {
      this.#busy = false;
    }
  }
}

function busyError(): AppError {
  return new AppError(
    'engine/busy',
    'The model is still at work on this conversation. Wait for it, or stop it first.',
  );
}
