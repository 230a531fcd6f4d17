/**
 * Where a JSON object or list that arrives in pieces ends. It counts brackets outside of strings and
 * does not check anything else: `JSON.parse` does that once the text is complete.
 */
export class JsonSpan {
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** Units of `piece` that belong to the value when it ends in it; null while it goes on. */
  push(piece: string): number | null {
    for (let index = 0; index < piece.length; index++) {
      const character = piece[index];
      if (this.#inString) this.#insideString(character);
      else if (character === '"') this.#inString = true;
      else if (character === '{' || character === '[') this.#depth++;
      else if (character === '}' || character === ']') {
        this.#depth--;
        if (this.#depth <= 0) return index + 1;
      }
    }
    return null;
  }

  #insideString(character: string | undefined): void {
    if (this.#escaped) this.#escaped = false;
    else if (character === '\\') this.#escaped = true;
    else if (character === '"') this.#inString = false;
  }
}
