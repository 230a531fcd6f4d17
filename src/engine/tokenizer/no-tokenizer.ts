/** For files without a vocabulary ("none"): their models take and give ids, and know no texts. */
import { AppError } from '../../common/errors.ts';
import type { Detokenizer, SpecialTokens, TokenKind, Tokenizer } from './tokenizer.ts';

const noBytes = new Uint8Array(0);

export class NoTokenizer implements Tokenizer {
  readonly kind = 'none';
  readonly vocabularySize: number;
  readonly special: SpecialTokens;
  readonly addBos = false;
  readonly addEos = false;
  readonly specialSpellings: readonly string[] = [];

  constructor(vocabularySize: number, special: SpecialTokens) {
    this.vocabularySize = vocabularySize;
    this.special = special;
  }

  /** @throws AppError `invalid-argument` unless the text is empty */
  encode(text: string): number[] {
    if (text === '') return [];
    throw new AppError(
      'invalid-argument',
      'This model file has no vocabulary, so it cannot read text. Give it token ids, or choose another file of the model.',
    );
  }

  decode(tokens: Iterable<number>): string {
    for (const token of tokens) this.#check(token);
    return '';
  }

  detokenizer(): Detokenizer {
    return {
      push: (token) => this.decode([token]),
      flush: () => '',
    };
  }

  tokenText(token: number): string {
    return this.decode([token]);
  }

  tokenBytes(token: number): Uint8Array {
    this.#check(token);
    return noBytes;
  }

  tokenKind(token: number): TokenKind {
    this.#check(token);
    return 'normal';
  }

  tokenId(): undefined {
    return undefined;
  }

  #check(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.vocabularySize) return;
    throw new AppError(
      'invalid-argument',
      `${token} is no token of this model: its vocabulary has ${this.vocabularySize} tokens, counted from 0.`,
    );
  }
}
