/**
 * Guesses how a text goes on from where it said the same before: a summary repeats names, an edited
 * program repeats the program. No second model is needed (Saxena 2023, "Prompt Lookup Decoding";
 * Yang et al. 2023, "Inference with Reference").
 */

/** Tokens that must agree: fewer agree by chance too often. */
const shortestMatch = 3;
/** Places with the same last tokens that are compared; in a text of one word all places have them. */
const mostPlaces = 16;

export class PromptLookup {
  readonly #text: number[] = [];
  /** Ends of the places where three tokens stand, the latest last. */
  readonly #places = new Map<string, number[]>();

  /** Adds to the text. */
  push(...tokens: readonly number[]): void {
    for (const token of tokens) {
      this.#text.push(token);
      const end = this.#text.length;
      if (end <= shortestMatch) continue;
      // The end of the text itself is no place to learn from: it is noted with the next token.
      const key = this.#keyBefore(end - 1);
      const places = this.#places.get(key);
      if (places === undefined) this.#places.set(key, [end - 1]);
      else {
        places.push(end - 1);
        if (places.length > mostPlaces) places.shift();
      }
    }
  }

  /** What followed the present end of the text at the place most like it; at most `most` tokens. */
  guess(most: number): readonly number[] {
    const end = this.#text.length;
    if (end < shortestMatch) return [];
    let [longest, from] = [0, -1];
    for (const place of this.#places.get(this.#keyBefore(end)) ?? []) {
      const length = this.#agreement(place, end);
      // Of places that are equally like it the latest, unless it is so near that little follows it.
      const better = length > longest || (length === longest && end - place >= most);
      if (better) [longest, from] = [length, place];
    }
    return from < 0 ? [] : this.#text.slice(from, from + most);
  }

  #keyBefore(end: number): string {
    return this.#text.slice(end - shortestMatch, end).join();
  }

  /** How many tokens before two places agree, as far as it matters. */
  #agreement(a: number, b: number): number {
    let length = shortestMatch;
    while (length < 32 && a > length && this.#text[a - length - 1] === this.#text[b - length - 1]) {
      length++;
    }
    return length;
  }
}
