/** Text to token ids and back, built from a model file's own vocabulary. */

/**
 * A noncharacter (never valid in interchanged text) that keeps a control token's spelling inside
 * user text from being parsed: "<|im_end|>" in user text travels through the chat template as
 * "<" + shield + "|im_end|>". `encode` with `special: 'parse'` removes it after the split at special tokens.
 */
export const specialTokenShield = '\uFDD0';

export interface EncodeOptions {
  /** `parse`: the spelling of a special token becomes that token; `as-text`: everything is ordinary text. */
  readonly special: 'parse' | 'as-text';
  /** Add what the vocabulary puts around every text (BOS, EOS). Default false. */
  readonly addBoundary?: boolean;
}

export type TokenKind = 'normal' | 'unknown' | 'control' | 'user-defined' | 'unused' | 'byte';

export interface SpecialTokens {
  readonly bos: number | null;
  readonly eos: number | null;
  readonly unknown: number | null;
  readonly padding: number | null;
  /** Every id that ends a turn or a text: eos, eot, eom and their well-known spellings. */
  readonly endOfGeneration: ReadonlySet<number>;
}

/** Turns a stream of tokens into text that never ends inside a character. */
export interface Detokenizer {
  /** Text that became complete with this token; '' while a character is unfinished. */
  push(token: number): string;
  /** What is left, with U+FFFD for an unfinished character. */
  flush(): string;
}

export interface Tokenizer {
  readonly kind: 'spm' | 'bpe' | 'wordpiece' | 'unigram';
  readonly vocabularySize: number;
  readonly special: SpecialTokens;
  /** Whether the vocabulary says that texts start with BOS. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Spellings of all control and user-defined tokens, longest first. */
  readonly specialSpellings: readonly string[];
  encode(text: string, options: EncodeOptions): number[];
  /**
   * Text of the ids. Control tokens are left out unless `showSpecial`.
   * @throws AppError `invalid-argument` for an id outside the vocabulary
   */
  decode(tokens: Iterable<number>, options?: { readonly showSpecial?: boolean }): string;
  detokenizer(options?: { readonly showSpecial?: boolean }): Detokenizer;
  /** Raw spelling of a token as the vocabulary stores it. */
  tokenText(token: number): string;
  /** The exact bytes a token stands for in the output text (may be part of a character). */
  tokenBytes(token: number): Uint8Array;
  tokenKind(token: number): TokenKind;
  /** The id of a spelling, or undefined. */
  tokenId(spelling: string): number | undefined;
}
