/** Finds the spellings of tokens in a text: leftmost first, longest of those that begin together. */

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  id: number | null;
}

export class SpellingTrie {
  readonly #root: TrieNode = { next: new Map(), id: null };

  /** @param spellings not empty; the first id of equal spellings counts */
  constructor(spellings: Iterable<readonly [spelling: string, id: number]>) {
    for (const [spelling, id] of spellings) {
      let node = this.#root;
      for (let index = 0; index < spelling.length; index += 1) {
        const unit = spelling.charCodeAt(index);
        let child = node.next.get(unit);
        if (child === undefined) {
          child = { next: new Map(), id: null };
          node.next.set(unit, child);
        }
        node = child;
      }
      node.id ??= id;
    }
  }

  get isEmpty(): boolean {
    return this.#root.next.size === 0;
  }

  /**
   * Cuts `text` at every spelling. Calls `onText` for what lies between (never empty) and `onToken`
   * for the spellings, from left to right; `onToken` returns where the text goes on, at `end` or later.
   */
  split(
    text: string,
    onText: (start: number, end: number) => void,
    onToken: (id: number, end: number) => number,
  ): void {
    let textStart = 0;
    let index = 0;
    while (index < text.length) {
      const match = this.#longestAt(text, index);
      if (match === null) {
        index += 1;
        continue;
      }
      if (index > textStart) onText(textStart, index);
      index = onToken(match.id, match.end);
      textStart = index;
    }
    if (textStart < text.length) onText(textStart, text.length);
  }

  #longestAt(text: string, start: number): { readonly id: number; readonly end: number } | null {
    let node = this.#root.next.get(text.charCodeAt(start));
    let longest: { readonly id: number; readonly end: number } | null = null;
    for (let end = start + 1; node !== undefined; end += 1) {
      if (node.id !== null) longest = { id: node.id, end };
      node = end < text.length ? node.next.get(text.charCodeAt(end)) : undefined;
    }
    return longest;
  }
}
