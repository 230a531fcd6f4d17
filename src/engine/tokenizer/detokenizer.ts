/** Tokens to text, one at a time, without ever splitting a character. */
import type { Detokenizer } from './tokenizer.ts';

const space = 0x20;
const noBytes = new Uint8Array(0);

/**
 * Decodes the bytes of tokens as one UTF-8 stream: invalid bytes become U+FFFD as in a decoder that
 * sees the whole text at once, and a byte order mark is kept.
 */
export class StreamingDetokenizer implements Detokenizer {
  readonly #bytesOf: (token: number) => Uint8Array;
  #decoder = newDecoder();
  #dropsSpace: boolean;

  /**
   * @param bytesOf bytes a token adds to the text; throws for ids outside the vocabulary
   * @param dropsLeadingSpace whether one space at the very start belongs to the vocabulary, not the text
   */
  constructor(bytesOf: (token: number) => Uint8Array, dropsLeadingSpace: boolean) {
    this.#bytesOf = bytesOf;
    this.#dropsSpace = dropsLeadingSpace;
  }

  push(token: number): string {
    let bytes = this.#bytesOf(token);
    if (bytes.length === 0) return '';
    if (this.#dropsSpace) {
      this.#dropsSpace = false;
      if (bytes[0] === space) bytes = bytes.subarray(1);
    }
    return this.#decoder.decode(bytes, { stream: true });
  }

  flush(): string {
    const rest = this.#decoder.decode(noBytes);
    this.#decoder = newDecoder();
    return rest;
  }
}

function newDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}
