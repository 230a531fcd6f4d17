/**
 * Where the text of each token begins in the text of a completion, in UTF-16 units as JavaScript
 * counts. A token inside a character begins where the character does; control tokens have no text.
 */
export class TextOffsets {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #position: number;

  /** @param start may be negative: by what the vocabulary puts before every text and does not show */
  constructor(start: number) {
    this.#position = start;
  }

  /** Offset of the next token, whose bytes these are. */
  next(bytes: readonly number[]): number {
    const here = Math.max(0, this.#position);
    this.#position += this.#decoder.decode(Uint8Array.from(bytes), { stream: true }).length;
    return here;
  }
}

/** For a text whose first tokens are these: shown as `text`, which may lack their leading space. */
export function offsetsOfText(
  text: string,
  bytesOfTokens: readonly (readonly number[])[],
): TextOffsets {
  const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    Uint8Array.from(bytesOfTokens.flat()),
  );
  return new TextOffsets(Math.min(0, text.length - whole.length));
}
