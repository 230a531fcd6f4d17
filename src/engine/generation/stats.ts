import type { StepReport } from '../models/language-model.ts';
import { ExecutionRecord, type AnswerExecution } from './execution-record.ts';

/** How long reading the prompt and writing the answer took. */
export interface GenerationStats {
  readonly promptTokens: number;
  /** Prompt tokens that the state held already and that were not computed again. */
  readonly reusedTokens: number;
  readonly answerTokens: number;
  /** From the request to the first token; 0 when none came. */
  readonly timeToFirstTokenMs: number;
  /** Of the tokens that were computed; 0 when unknown. */
  readonly prefillTokensPerSecond: number;
  /** Of the tokens after the first one, which the prefill pays for; 0 when unknown. */
  readonly decodeTokensPerSecond: number;
  /** Tokens that were computed on the guess that they would be chosen, and how many of them were. */
  readonly guessedTokens: number;
  readonly acceptedTokens: number;
  readonly execution: AnswerExecution;
}

/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

/**
 * Adds up computing time only: what the consumer of the answer does between two tokens is not the
 * model's speed.
 */
export class StatsRecorder {
  readonly #now: Clock;
  readonly #startedAt: number;
  readonly #promptTokens: number;
  readonly #reusedTokens: number;
  #prefillMs = 0;
  #decodeMs = 0;
  #decodedTokens = 0;
  #guessedTokens = 0;
  #acceptedTokens = 0;
  #answerTokens = 0;
  #firstTokenAt: number | null = null;
  readonly #record = new ExecutionRecord();
  /** Of the work under way. */
  #steps: StepReport[] = [];

  constructor(now: Clock, startedAt: number, promptTokens: number, reusedTokens: number) {
    this.#now = now;
    this.#startedAt = startedAt;
    this.#promptTokens = promptTokens;
    this.#reusedTokens = reusedTokens;
  }

  /** A step of the work under way was done. */
  step(report: StepReport): void {
    this.#steps.push(report);
  }

  /** Runs one slice of the prefill. */
  async prefill<T>(work: () => Promise<T>): Promise<T> {
    const start = this.#now();
    const result = await work();
    this.#prefillMs += this.#now() - start;
    this.#record.prompt(this.#steps.splice(0));
    return result;
  }

  /** Runs one step of the decode loop, which chooses one or more tokens, `guesses` at most as guessed. */
  async decode<T extends readonly unknown[]>(guesses: number, work: () => Promise<T>): Promise<T> {
    const start = this.#now();
    const chosen = await work();
    const took = this.#now() - start;
    this.#decodeMs += took;
    this.#record.tokens(chosen.length, this.#steps.splice(0), took);
    this.#decodedTokens += chosen.length;
    this.#guessedTokens += guesses;
    this.#acceptedTokens += chosen.length - 1;
    return chosen;
  }

  token(): void {
    this.#answerTokens++;
    this.#firstTokenAt ??= this.#now();
  }

  get answerTokens(): number {
    return this.#answerTokens;
  }

  stats(): GenerationStats {
    const computed = this.#promptTokens - this.#reusedTokens;
    return {
      promptTokens: this.#promptTokens,
      reusedTokens: this.#reusedTokens,
      answerTokens: this.#answerTokens,
      timeToFirstTokenMs: this.#firstTokenAt === null ? 0 : this.#firstTokenAt - this.#startedAt,
      prefillTokensPerSecond: perSecond(computed, this.#prefillMs),
      decodeTokensPerSecond: perSecond(this.#decodedTokens, this.#decodeMs),
      guessedTokens: this.#guessedTokens,
      acceptedTokens: this.#acceptedTokens,
      execution: this.#record.execution(),
    };
  }
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
