/**
 * Decides how many guessed tokens are computed together with the next one.
 *
 * A step of several tokens reads the weights once, but costs more than a step of one: how much
 * depends on model, device and threads, and is measured. How often guesses come true depends on the
 * text; that is observed at every token, also while nothing is computed ahead, so that guessing
 * begins and ends by itself. What is written never depends on it: a guess counts only if it is the
 * very token that would have been chosen.
 */

/** Guesses of one step: with the token before them they fill tiles of 4, 8 and 16 tokens of the kernels. */
const guessCounts = [3, 7, 15] as const;
export const mostGuesses = 15;

/** What a step of so many tokens is taken to cost, against one of one token, until it was measured. */
const assumedCost = (tokens: number): number => 1 + 0.1 * (tokens - 1);
/** What is expected of a text that nothing is known of: too little to compute ahead. */
const firstHits = 0.3;
/** Weight of a new observation. */
const costRate = 0.3;
const hitRate = 0.15;
/** Computing ahead must promise this much: less is lost in what cannot be foreseen. */
const leastGain = 1.1;
/** A bad measurement is believed a little less at every step it prevents. */
const forgetting = 0.01;

export class Speculation {
  /** Milliseconds of a step, by its tokens. */
  readonly #costs = new Map<number, number>();
  /** Probability that a guess is right when those before it were. */
  #hits = firstHits;

  /** Another text begins: what it repeats is not known yet. */
  begin(): void {
    this.#hits = firstHits;
  }

  /** How many of `available` guesses to compute with the next token; 0: it alone. */
  choose(available: number): number {
    const single = this.#costs.get(1);
    if (single === undefined || available === 0) return 0;
    let [best, gain] = [0, leastGain];
    for (const count of guessCounts) {
      if (count > available) break;
      const tokens = count + 1;
      const cost = (this.#costs.get(tokens) ?? single * assumedCost(tokens)) / single;
      // 1 + p + p^2 + ...: the tokens that such a step gives on average.
      const expected = (1 - this.#hits ** tokens) / (1 - this.#hits);
      if (expected / cost > gain) [best, gain] = [count, expected / cost];
    }
    if (best === 0) this.#forget(single);
    return best;
  }

  /** A step of `tokens` tokens took so long. */
  measured(tokens: number, milliseconds: number): void {
    const before = this.#costs.get(tokens);
    const cost = before === undefined ? milliseconds : before + costRate * (milliseconds - before);
    this.#costs.set(tokens, cost);
  }

  /** Whether a guess was right, the ones before it having been. */
  observed(right: boolean): void {
    this.#hits += hitRate * ((right ? 0.99 : 0) - this.#hits);
  }

  #forget(single: number): void {
    for (const [tokens, cost] of this.#costs) {
      const assumed = single * assumedCost(tokens);
      if (tokens > 1 && cost > assumed) {
        this.#costs.set(tokens, cost + forgetting * (assumed - cost));
      }
    }
  }
}
