/**
 * Ordinary text to ids and back: the part in which tokenizer families differ. Special tokens,
 * boundaries and streams are the same for all and live in `vocabulary-tokenizer.ts`.
 */
export interface TextSegmenter {
  /**
   * Appends the ids of `text` to `output`; never the id of a control or unknown-but-spelled token.
   * @param isStart whether the text, or what follows a special token, begins here
   */
  encode(text: string, isStart: boolean, output: number[]): void;
  /** Bytes of a token that is neither control nor unknown. */
  bytes(token: number): Uint8Array;
}
