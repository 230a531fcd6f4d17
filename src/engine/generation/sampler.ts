/**
 * Chooses the next token from logits.
 *
 * Order of the steps (after the logits processors, which change logits): top-k, top-p, min-p,
 * temperature, draw. The cuts look at the model's own probabilities, so that a higher temperature
 * spreads the choice over the same candidates and never lets worse ones in.
 *
 * - top-k: the k likeliest tokens (Fan et al. 2018).
 * - top-p: the smallest set of likeliest tokens whose probabilities, renormalised after top-k, reach
 *   p (Holtzman et al. 2020).
 * - min-p: tokens with at least `minP` times the probability of the likeliest (Nguyen et al. 2024).
 * - temperature 0: the likeliest token, the lower id among equals; no random number is used.
 */
import { AppError } from '../../common/errors.ts';
import type { ExpectedChoice, TopLogits } from '../backend/backend.ts';
import { checkedMaximum } from './logprobs.ts';
import { Xoshiro128 } from './random.ts';
import { selectTop } from './top-selection.ts';

export interface SamplingOptions {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 turns it off. */
  readonly topK: number;
  /** 1 turns it off. */
  readonly topP: number;
  /** 0 turns it off. */
  readonly minP: number;
  readonly seed: number;
}

export const greedySampling: SamplingOptions = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 0,
};

/** Tokens ordered by falling logit, with probabilities relative to the likeliest one (not normalised). */
interface Candidates {
  readonly ids: Int32Array;
  count: number;
}

/** First guess of how many tokens a nucleus needs; it grows fourfold until the nucleus fits. */
const firstNucleusGuess = 64;

function checkOptions(options: SamplingOptions): void {
  const { temperature, topK, topP, minP, seed } = options;
  const valid =
    temperature >= 0 &&
    temperature < Infinity &&
    Number.isInteger(topK) &&
    topK >= 0 &&
    topP > 0 &&
    topP <= 1 &&
    minP >= 0 &&
    minP <= 1 &&
    Number.isFinite(seed);
  if (!valid) {
    throw new AppError(
      'invalid-argument',
      'The sampling settings are out of range: temperature at least 0, top-k a whole number from 0, top-p above 0 up to 1, min-p from 0 to 1, seed a number.',
      { details: { temperature, topK, topP, minP, seed } },
    );
  }
}

export class Sampler {
  readonly #options: SamplingOptions;
  #random: Xoshiro128;

  /** @throws AppError `invalid-argument` for settings out of range */
  constructor(options: SamplingOptions) {
    checkOptions(options);
    this.#options = options;
    this.#random = Xoshiro128.fromSeed(options.seed);
  }

  /** Starts the sequence of random numbers over. */
  reset(): void {
    this.#random = Xoshiro128.fromSeed(this.#options.seed);
  }

  /**
   * The id of the chosen token; `logits` (vocabularySize) stay as they are.
   * @throws AppError `model-file/invalid-numbers` for NaN, +Infinity, or no finite logit at all
   */
  sample(logits: Float32Array): number {
    const maximum = checkedMaximum(logits);
    const { temperature, topK, topP, minP } = this.#options;
    if (temperature === 0 || topK === 1) return logits.indexOf(maximum);
    if (topK === 0 && topP >= 1) return this.#drawFromAll(logits, maximum, minP, temperature);
    const candidates =
      topK > 0
        ? cutTopP(logits, maximum, selectTop(logits, topK), topP)
        : selectNucleus(logits, maximum, topP);
    cutMinP(logits, maximum, candidates, minP);
    return this.#drawFromCandidates(logits, maximum, candidates, temperature);
  }

  /** Leaves out the random number of a token that was chosen before. */
  skip(): void {
    const { temperature, topK } = this.#options;
    if (temperature !== 0 && topK !== 1) this.#random.nextDouble();
  }

  /** Of how many of the likeliest tokens the choice is made; Infinity where all count. */
  get candidates(): number {
    const { temperature, topK } = this.#options;
    if (temperature === 0) return 1;
    return topK === 0 ? Infinity : topK;
  }

  /** How the next `count` tokens will be chosen where `sampleTop` does it. */
  expectedChoice(count: number): ExpectedChoice {
    const { temperature, topK, topP, minP } = this.#options;
    const isGreedy = temperature === 0 || topK === 1;
    return {
      temperature: isGreedy ? 0 : temperature,
      topP,
      minP,
      randoms: isGreedy ? new Array<number>(count).fill(0) : this.#random.peekDoubles(count),
    };
  }

  /** As `sample`, of the `candidates` likeliest tokens. @throws AppError `model-file/invalid-numbers` */
  sampleTop({ ids, logits }: TopLogits): number {
    const maximum = checkedMaximum(logits);
    const { temperature, topK, topP, minP } = this.#options;
    if (temperature === 0 || topK === 1) return ids[0] as number;
    const ranks = Int32Array.from(logits, (_, rank) => rank);
    const kept = cutTopP(logits, maximum, ranks, topP);
    cutMinP(logits, maximum, kept, minP);
    return ids[this.#drawFromCandidates(logits, maximum, kept, temperature)] as number;
  }

  /** One pass for the sum and one for the draw: no candidate list for the whole vocabulary. */
  #drawFromAll(logits: Float32Array, maximum: number, minP: number, temperature: number): number {
    const threshold = minP > 0 ? maximum + Math.log(minP) : -Infinity;
    const weight = (id: number): number => {
      const logit = logits[id] as number;
      return logit < threshold ? 0 : Math.exp((logit - maximum) / temperature);
    };
    let sum = 0;
    for (let id = 0; id < logits.length; id++) sum += weight(id);
    let rest = this.#random.nextDouble() * sum;
    let last = 0;
    for (let id = 0; id < logits.length; id++) {
      const share = weight(id);
      if (share === 0) continue;
      if (rest < share) return id;
      rest -= share;
      last = id;
    }
    // Rounding can leave a trace of the sum over: it belongs to the last token that could be drawn.
    return last;
  }

  #drawFromCandidates(
    logits: Float32Array,
    maximum: number,
    candidates: Candidates,
    temperature: number,
  ): number {
    const { ids, count } = candidates;
    const weights = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const logit = logits[ids[i] as number] as number;
      sum += weights[i] = Math.exp((logit - maximum) / temperature);
    }
    let rest = this.#random.nextDouble() * sum;
    let chosen = 0;
    for (let i = 0; i < count; i++) {
      const share = weights[i] as number;
      if (share === 0) continue;
      chosen = i;
      if (rest < share) break;
      rest -= share;
    }
    return ids[chosen] as number;
  }
}

/** Keeps the head of `ids` (ordered) whose share of their own total reaches `topP`. */
function cutTopP(logits: Float32Array, maximum: number, ids: Int32Array, topP: number): Candidates {
  if (topP >= 1) return { ids, count: ids.length };
  let total = 0;
  for (const id of ids) total += Math.exp((logits[id] as number) - maximum);
  return { ids, count: headReaching(logits, maximum, ids, topP * total) ?? ids.length };
}

/** The nucleus of the whole vocabulary, found by selecting ever more of the likeliest tokens. */
function selectNucleus(logits: Float32Array, maximum: number, topP: number): Candidates {
  let total = 0;
  for (let id = 0; id < logits.length; id++) total += Math.exp((logits[id] as number) - maximum);
  for (let guess = firstNucleusGuess; ; guess *= 4) {
    const ids = selectTop(logits, guess);
    const count = headReaching(logits, maximum, ids, topP * total);
    if (count !== null) return { ids, count };
    if (ids.length === logits.length) return { ids, count: ids.length };
  }
}

/** How many of the ordered `ids` it takes for their weights to reach `target`; null when all do not. */
function headReaching(
  logits: Float32Array,
  maximum: number,
  ids: Int32Array,
  target: number,
): number | null {
  let sum = 0;
  for (let i = 0; i < ids.length; i++) {
    sum += Math.exp((logits[ids[i] as number] as number) - maximum);
    if (sum >= target) return i + 1;
  }
  return null;
}

function cutMinP(
  logits: Float32Array,
  maximum: number,
  candidates: Candidates,
  minP: number,
): void {
  if (minP === 0) return;
  const threshold = maximum + Math.log(minP);
  while (
    candidates.count > 1 &&
    (logits[candidates.ids[candidates.count - 1] as number] as number) < threshold
  ) {
    candidates.count--;
  }
}
