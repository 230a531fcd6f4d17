/** A `Tokenizer` whose ids are the bytes of UTF-8 text, and one more that ends a turn. For tests. */
import type {
  Detokenizer,
  EncodeOptions,
  TokenKind,
  Tokenizer,
} from '../../tokenizer/tokenizer.ts';

export const endToken = 256;
export const byteVocabularySize = 257;
const endSpelling = '<|end|>';

export class ByteTokenizer implements Tokenizer {
  readonly kind = 'bpe';
  readonly vocabularySize = byteVocabularySize;
  readonly special = {
    bos: null,
    eos: endToken,
    unknown: null,
    padding: null,
    endOfGeneration: new Set([endToken]),
  };
  readonly addBos = false;
  readonly addEos = false;
  readonly specialSpellings = [endSpelling];

  encode(text: string, options: EncodeOptions): number[] {
    if (options.special === 'as-text') return [...new TextEncoder().encode(text)];
    const parts = text.split(endSpelling).map((part) => [...new TextEncoder().encode(part)]);
    return parts.flatMap((part, index) => (index === 0 ? part : [endToken, ...part]));
  }

  decode(tokens: Iterable<number>): string {
    return new TextDecoder().decode(Uint8Array.from([...tokens].filter((id) => id < 256)));
  }

  detokenizer(): Detokenizer {
    const decoder = new TextDecoder();
    return {
      push: (token) => (token < 256 ? decoder.decode(Uint8Array.of(token), { stream: true }) : ''),
      flush: () => decoder.decode(),
    };
  }

  tokenText(token: number): string {
    return token === endToken ? endSpelling : String.fromCharCode(token);
  }

  tokenBytes(token: number): Uint8Array {
    return token === endToken ? new Uint8Array() : Uint8Array.of(token);
  }

  tokenKind(token: number): TokenKind {
    return token === endToken ? 'control' : 'byte';
  }

  tokenId(spelling: string): number | undefined {
    return spelling === endSpelling ? endToken : undefined;
  }
}
