/**
 * One answer in the making: logits go in, text that may be shown comes out, until something ends it.
 * Knows nothing of the model's state.
 */
import { tokenMark } from '../../common/token-mark.ts';
import type { TopLogits, TopRequest } from '../backend/backend.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { GrammarConstraint } from './grammar/grammar-constraint.ts';
import { createLogitsProcessors, noPenalties } from './logits-processors.ts';
import type { LogitsProcessor, PenaltyOptions } from './logits-processors.ts';
import { tokenLogprobs } from './logprobs.ts';
import type { TokenLogprob } from './logprobs.ts';
import { Sampler } from './sampler.ts';
import type { SamplingOptions } from './sampler.ts';
import { StopStrings } from './stopping.ts';

export interface AnswerOptions {
  readonly sampling: SamplingOptions;
  readonly penalties?: PenaltyOptions;
  /** Most tokens of the answer; no limit but the context when absent. */
  readonly maxTokens?: number;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[];
  /** Ids that end the answer, besides the vocabulary's own ends of generation. */
  readonly stopTokens?: ReadonlySet<number>;
  /** Go on past the vocabulary's ends of generation. */
  readonly ignoreEndOfGeneration?: boolean;
  /** How many alternatives to report beside each token's log-probability; absent: report none. */
  readonly topLogprobs?: number;
  /** Show the spelling of control tokens in the text. */
  readonly showSpecial?: boolean;
  /** The text goes on where the prompt's ended: a leading space is part of it. */
  readonly continuation?: boolean;
  /** Tokens by id that are written as `tokenMark` and their spelling, control tokens too. */
  readonly markedTokens?: ReadonlyMap<number, string>;
  /** What the answer must be; it ends where nothing can follow. */
  readonly grammar?: GrammarConstraint;
}

export interface WrittenToken {
  readonly token: number;
  /** Text that became showable with this token, often of earlier ones too; may be empty. */
  readonly text: string;
  readonly logprob?: number;
  readonly topLogprobs?: readonly TokenLogprob[];
}

export interface WriterStep {
  /** Null for a token that only ends the answer. */
  readonly written: WrittenToken | null;
  readonly finish: 'stop' | 'length' | null;
  /** The id to go on with. */
  readonly token: number;
}

export class AnswerWriter {
  readonly #options: AnswerOptions;
  readonly #tokenizer: Tokenizer;
  readonly #sampler: Sampler;
  readonly #processors: readonly LogitsProcessor[];
  readonly #stops: StopStrings;
  readonly #detokenizer: ReturnType<Tokenizer['detokenizer']>;
  #tokens = 0;
  #foundStop = false;

  /** @throws AppError `invalid-argument` for options out of range */
  constructor(tokenizer: Tokenizer, vocabularySize: number, options: AnswerOptions) {
    this.#options = options;
    this.#tokenizer = tokenizer;
    this.#sampler = new Sampler(options.sampling);
    this.#processors = [
      ...createLogitsProcessors(options.penalties ?? noPenalties, vocabularySize),
      // Last, so that no bias brings back what the grammar forbids.
      ...(options.grammar === undefined ? [] : [options.grammar]),
    ];
    this.#stops = new StopStrings(options.stop ?? []);
    this.#detokenizer = tokenizer.detokenizer({
      showSpecial: options.showSpecial ?? false,
      continuation: options.continuation ?? false,
    });
  }

  /** Tells of the text that the answer follows. */
  acceptPrompt(tokens: readonly number[]): void {
    for (const processor of this.#processors) {
      for (const token of tokens) processor.accept(token, 'prompt');
    }
  }

  /**
   * Chooses the next token from the model's logits (vocabularySize).
   * @throws AppError `model-file/invalid-numbers`
   */
  next(logits: Float32Array): WriterStep {
    return this.#accept(this.#choose(logits), (token) => this.#logprobs(logits, token));
  }

  /**
   * Takes a token that was written before, by a writer that is gone: text, limits and later choices
   * are as if this one had written it.
   */
  again(token: number): WriterStep {
    this.#sampler.skip();
    return this.#accept(token, () => ({}));
  }

  /** How many of the likeliest tokens `nextOf` needs; Infinity where nothing less than all logits do. */
  get candidates(): number {
    const needsAll = this.#processors.length > 0 || this.#options.topLogprobs !== undefined;
    return needsAll ? Infinity : this.#sampler.candidates;
  }

  /**
   * What `nextOf` asks for, and how it will choose; of so many tokens at most, and no more than the
   * answer may have.
   */
  topRequest(most: number): TopRequest {
    const left = Math.max(1, (this.#options.maxTokens ?? Infinity) - this.#tokens);
    const choice = this.#sampler.expectedChoice(Math.min(most, left));
    return { count: this.candidates, choice };
  }

  /** As `next`, where `candidates` are enough. */
  nextOf(top: TopLogits): WriterStep {
    return this.#accept(this.#sampler.sampleTop(top), () => ({}));
  }

  #accept(
    token: number,
    logprobs: (token: number) => Pick<WrittenToken, 'logprob' | 'topLogprobs'>,
  ): WriterStep {
    if (this.#endsGeneration(token)) return { written: null, finish: 'stop', token };

    this.#tokens++;
    for (const processor of this.#processors) processor.accept(token, 'generated');
    const result = this.#stops.push(this.#textOf(token));
    this.#foundStop = result.stop !== null;
    const atLimit = this.#tokens >= (this.#options.maxTokens ?? Infinity);
    const complete = this.#foundStop || this.#options.grammar?.finished === true;
    const finish = complete ? 'stop' : atLimit ? 'length' : null;
    return {
      written: { token, text: result.text, ...logprobs(token) },
      finish,
      token,
    };
  }

  /** Text still held back, for when no more tokens come; empty after a stop string. */
  flush(): string {
    if (this.#foundStop) return '';
    const { text, stop } = this.#stops.push(this.#detokenizer.flush());
    return stop === null ? text + this.#stops.flush() : text;
  }

  #choose(logits: Float32Array): number {
    if (this.#processors.length === 0) return this.#sampler.sample(logits);
    // A copy: log-probabilities are those of the model, not of the penalties.
    const changed = logits.slice();
    for (const processor of this.#processors) processor.process(changed);
    return this.#sampler.sample(changed);
  }

  #textOf(token: number): string {
    const marked = this.#options.markedTokens;
    if (marked === undefined || marked.size === 0) return this.#detokenizer.push(token);
    const spelling = marked.get(token);
    if (spelling !== undefined) return this.#detokenizer.flush() + tokenMark + spelling;
    // Bytes that spell the mark itself would forge it.
    return this.#detokenizer.push(token).replaceAll(tokenMark, '\uFFFD');
  }

  #endsGeneration(token: number): boolean {
    if (this.#options.stopTokens?.has(token) === true) return true;
    return (
      this.#options.ignoreEndOfGeneration !== true &&
      this.#tokenizer.special.endOfGeneration.has(token)
    );
  }

  #logprobs(logits: Float32Array, token: number): Pick<WrittenToken, 'logprob' | 'topLogprobs'> {
    if (this.#options.topLogprobs === undefined) return {};
    const { logprob, top } = tokenLogprobs(logits, token, this.#options.topLogprobs);
    return { logprob, topLogprobs: top };
  }
}
