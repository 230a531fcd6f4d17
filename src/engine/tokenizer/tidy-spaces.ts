/**
 * Takes away the spaces that WordPiece puts around punctuation: "it ' s fine ." is read as "it's fine.".
 * Source: the clean-up of the published decoders (`cleanup` of a tokenizer.json), in their order.
 */
import type { Detokenizer } from './tokenizer.ts';

export function tidySpaces(text: string): string {
  return text
    .replace(/ ([.?!,])/g, '$1')
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'(?:m|s|ve|re))/g, '$1');
}

/** Tidies a stream: text is held back from its last space on, because what follows decides. */
export class TidyingDetokenizer implements Detokenizer {
  readonly #inner: Detokenizer;
  #held = '';

  constructor(inner: Detokenizer) {
    this.#inner = inner;
  }

  push(token: number): string {
    this.#held += this.#inner.push(token);
    let cut = this.#held.lastIndexOf(' ');
    // " ' " reaches from one space to the next.
    while (cut >= 2 && this.#held.startsWith(" '", cut - 2)) cut -= 2;
    if (cut <= 0) return '';
    const ready = this.#held.slice(0, cut);
    this.#held = this.#held.slice(cut);
    return tidySpaces(ready);
  }

  flush(): string {
    const rest = this.#held + this.#inner.flush();
    this.#held = '';
    return tidySpaces(rest);
  }
}
