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
  #answerTokens = 0;
  #firstTokenAt: number | null = null;

  constructor(now: Clock, startedAt: number, promptTokens: number, reusedTokens: number) {
    this.#now = now;
    this.#startedAt = startedAt;
    this.#promptTokens = promptTokens;
    this.#reusedTokens = reusedTokens;
  }

  /** Runs one slice of the prefill. */
  async prefill<T>(work: () => Promise<T>): Promise<T> {
    const start = this.#now();
    const result = await work();
    this.#prefillMs += this.#now() - start;
    return result;
  }

  /** Runs one step of the decode loop. */
  async decode<T>(work: () => Promise<T>): Promise<T> {
    const start = this.#now();
    const result = await work();
    this.#decodeMs += this.#now() - start;
    this.#decodedTokens++;
    return result;
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
    };
  }
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
