/**
 * A `Tokenizer` whose tokens are all bytes and some given words, longest first, and one that ends a
 * text. For tests.
 */
import type { Detokenizer, TokenKind, Tokenizer } from '../../tokenizer/tokenizer.ts';

const encoder = new TextEncoder();

export class WordTokenizer implements Tokenizer {
  readonly kind = 'bpe';
  readonly vocabularySize: number;
  readonly special;
  readonly addBos = false;
  readonly addEos = false;
  readonly specialSpellings = ['<|end|>'];
  readonly endToken: number;
  readonly #bytes: readonly Uint8Array[];

  constructor(words: readonly string[]) {
    const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
    this.#bytes = [...bytes, ...words.map((word) => encoder.encode(word)), new Uint8Array()];
    this.vocabularySize = this.#bytes.length;
    this.endToken = this.vocabularySize - 1;
    this.special = {
      bos: null,
      eos: this.endToken,
      unknown: null,
      padding: null,
      endOfGeneration: new Set([this.endToken]),
    };
  }

  encode(text: string): number[] {
    const left = encoder.encode(text);
    const tokens: number[] = [];
    for (let at = 0; at < left.length;) {
      let best = left[at] as number;
      for (const [id, bytes] of this.#bytes.entries()) {
        const longer = bytes.length > this.tokenBytes(best).length;
        if (longer && bytes.every((byte, index) => left[at + index] === byte)) best = id;
      }
      tokens.push(best);
      at += this.tokenBytes(best).length;
    }
    return tokens;
  }

  decode(tokens: Iterable<number>): string {
    const bytes = [...tokens].flatMap((token) => [...this.tokenBytes(token)]);
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  detokenizer(): Detokenizer {
    const decoder = new TextDecoder();
    return {
      push: (token) => decoder.decode(this.tokenBytes(token), { stream: true }),
      flush: () => decoder.decode(),
    };
  }

  tokenText(token: number): string {
    return token === this.endToken ? '<|end|>' : this.decode([token]);
  }

  tokenBytes(token: number): Uint8Array {
    return this.#bytes[token] ?? new Uint8Array();
  }

  tokenKind(token: number): TokenKind {
    return token === this.endToken ? 'control' : 'normal';
  }

  tokenId(spelling: string): number | undefined {
    if (spelling === '<|end|>') return this.endToken;
    const id = this.#bytes.findLastIndex((_, token) => this.decode([token]) === spelling);
    return id < 0 ? undefined : id;
  }
}
