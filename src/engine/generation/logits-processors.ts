/**
 * Changes of the logits before a token is chosen: penalties for what was said already, and biases.
 * Each is told of every token of the text so far and keeps its own memory of it.
 */
import { AppError } from '../../common/errors.ts';

export type TokenOrigin = 'prompt' | 'generated';

export interface LogitsProcessor {
  /** Changes `logits` (vocabularySize) in place. */
  process(logits: Float32Array): void;
  /** Tells of the next token of the text; prompt tokens come first. */
  accept(token: number, origin: TokenOrigin): void;
  /** Forgets the text. */
  reset(): void;
}

export interface PenaltyOptions {
  /** 1 turns it off. */
  readonly repetitionPenalty: number;
  /** How many of the last tokens, prompt included, the repetition penalty looks at. */
  readonly repetitionWindow: number;
  /** 0 turns it off; -2 to 2. */
  readonly frequencyPenalty: number;
  /** 0 turns it off; -2 to 2. */
  readonly presencePenalty: number;
  /** Added to the logits of these token ids. */
  readonly logitBias: ReadonlyMap<number, number>;
}

export const noPenalties: PenaltyOptions = {
  repetitionPenalty: 1,
  repetitionWindow: 64,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map(),
};

/**
 * Divides positive and multiplies negative logits of tokens in the window by the penalty, once per
 * token (Keskar et al. 2019, "CTRL", section 4.1).
 */
export class RepetitionPenalty implements LogitsProcessor {
  readonly #penalty: number;
  readonly #windowTokens: number;
  readonly #recent: number[] = [];

  constructor(penalty: number, windowTokens: number) {
    this.#penalty = penalty;
    this.#windowTokens = windowTokens;
  }

  process(logits: Float32Array): void {
    for (const token of new Set(this.#recent)) {
      const logit = logits[token];
      if (logit === undefined) continue;
      logits[token] = logit > 0 ? logit / this.#penalty : logit * this.#penalty;
    }
  }

  accept(token: number): void {
    this.#recent.push(token);
    if (this.#recent.length > this.#windowTokens) this.#recent.shift();
  }

  reset(): void {
    this.#recent.length = 0;
  }
}

/**
 * Subtracts `count * frequency + (count > 0) * presence` where `count` is how often the answer so
 * far holds the token: the definition of the OpenAI API, which leaves the prompt out.
 */
export class OccurrencePenalty implements LogitsProcessor {
  readonly #frequency: number;
  readonly #presence: number;
  readonly #counts = new Map<number, number>();

  constructor(frequency: number, presence: number) {
    this.#frequency = frequency;
    this.#presence = presence;
  }

  process(logits: Float32Array): void {
    for (const [token, count] of this.#counts) {
      const logit = logits[token];
      if (logit !== undefined) logits[token] = logit - count * this.#frequency - this.#presence;
    }
  }

  accept(token: number, origin: TokenOrigin): void {
    if (origin === 'generated') this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  reset(): void {
    this.#counts.clear();
  }
}

/** Adds a fixed amount to chosen logits; -100 is as good as a ban, +100 as a command. */
export class LogitBias implements LogitsProcessor {
  readonly #biases: ReadonlyMap<number, number>;

  constructor(biases: ReadonlyMap<number, number>) {
    this.#biases = biases;
  }

  process(logits: Float32Array): void {
    for (const [token, bias] of this.#biases) logits[token] = (logits[token] as number) + bias;
  }

  accept(): void {
    // A bias does not depend on the text.
  }

  reset(): void {
    // Nothing is remembered.
  }
}

/**
 * The processors that `options` switch on, in the order of their work.
 * @throws AppError `invalid-argument` for a penalty out of range or a token id outside the vocabulary
 */
export function createLogitsProcessors(
  options: PenaltyOptions,
  vocabularySize: number,
): LogitsProcessor[] {
  const { repetitionPenalty, repetitionWindow, frequencyPenalty, presencePenalty } = options;
  const valid =
    repetitionPenalty > 0 &&
    repetitionPenalty < Infinity &&
    Number.isInteger(repetitionWindow) &&
    repetitionWindow >= 0 &&
    Math.abs(frequencyPenalty) <= 2 &&
    Math.abs(presencePenalty) <= 2;
  if (!valid) {
    throw new AppError(
      'invalid-argument',
      'A penalty is out of range: the repetition penalty must be above 0, frequency and presence penalty from -2 to 2.',
      { details: { repetitionPenalty, repetitionWindow, frequencyPenalty, presencePenalty } },
    );
  }
  for (const [token, bias] of options.logitBias) {
    const inVocabulary = Number.isInteger(token) && token >= 0 && token < vocabularySize;
    if (!inVocabulary || !Number.isFinite(bias)) {
      throw new AppError(
        'invalid-argument',
        'A logit bias must be a number for a token of this model.',
        { details: { token, bias, vocabularySize } },
      );
    }
  }
  const processors: LogitsProcessor[] = [];
  if (repetitionPenalty !== 1 && repetitionWindow > 0) {
    processors.push(new RepetitionPenalty(repetitionPenalty, repetitionWindow));
  }
  if (frequencyPenalty !== 0 || presencePenalty !== 0) {
    processors.push(new OccurrencePenalty(frequencyPenalty, presencePenalty));
  }
  if (options.logitBias.size > 0) processors.push(new LogitBias(options.logitBias));
  return processors;
}
