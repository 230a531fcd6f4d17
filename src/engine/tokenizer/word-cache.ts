/** Ids of words that were encoded before; texts repeat most of theirs. */

const maximumWords = 16_384;
/** Longer words hardly repeat and would make the memory depend on the text. */
const maximumLength = 64;

export class WordCache {
  readonly #ids = new Map<string, readonly number[]>();

  get(word: string, encode: () => readonly number[]): readonly number[] {
    const known = this.#ids.get(word);
    if (known !== undefined) return known;
    const ids = encode();
    if (word.length > maximumLength) return ids;
    // Emptying all at once costs one refill in 16,384 words and needs no order of use.
    if (this.#ids.size >= maximumWords) this.#ids.clear();
    this.#ids.set(word, ids);
    return ids;
  }
}
