/** Text to token ids and back, built from a model file's own vocabulary. */

export { specialTokenShield } from '../../common/special-token-shield.ts';

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

export interface DecodeOptions {
  /** Show control and unknown tokens as the vocabulary spells them; otherwise they are left out. */
  readonly showSpecial?: boolean;
  /**
   * The text goes on from earlier tokens: a leading space is then text. Otherwise vocabularies that
   * put a space before every text (SPM, Unigram) or word (WordPiece) lose the first one.
   */
  readonly continuation?: boolean;
}

/** Turns a stream of tokens into text that never ends inside a character. */
export interface Detokenizer {
  /** Text that became complete with this token; '' while a character is unfinished. */
  push(token: number): string;
  /** What is left, with U+FFFD for an unfinished character. */
  flush(): string;
}

export interface Tokenizer {
  readonly kind: 'spm' | 'bpe' | 'wordpiece' | 'unigram' | 'rwkv' | 'none';
  readonly vocabularySize: number;
  readonly special: SpecialTokens;
  /** Whether the vocabulary says that texts start with BOS. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Doubts about the file that cost quality, as sentences for the expert; absent when none. */
  readonly warnings?: readonly string[];
  /**
   * Spellings that `special: 'parse'` turns into tokens, longest first: control, unknown and
   * user-defined tokens. User-defined single characters and runs of white space are not among them:
   * they are plain text in every mode.
   */
  readonly specialSpellings: readonly string[];
  encode(text: string, options: EncodeOptions): number[];
  /**
   * Text of the ids. Control tokens are left out unless `showSpecial`.
   * @throws AppError `invalid-argument` for an id outside the vocabulary
   */
  decode(tokens: Iterable<number>, options?: DecodeOptions): string;
  detokenizer(options?: DecodeOptions): Detokenizer;
  /** Raw spelling of a token as the vocabulary stores it. */
  tokenText(token: number): string;
  /**
   * The exact bytes a token stands for in the output text (may be part of a character); none for
   * control and unknown tokens. The caller must not change them.
   */
  tokenBytes(token: number): Uint8Array;
  tokenKind(token: number): TokenKind;
  /** The id of a spelling, or undefined. */
  tokenId(spelling: string): number | undefined;
}
