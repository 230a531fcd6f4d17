/**
 * WordPiece ("bert" in GGUF): each word is cut into the longest pieces of the vocabulary, from left to
 * right; a word that cannot be cut is the unknown token. Source: Devlin et al. 2018, after Schuster and
 * Nakajima 2012.
 */
import { normalizeForBert, splitBertWords, type BertWordOptions } from './bert-words.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import type { TokenKind } from './tokenizer.ts';
import type { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

export interface WordPieceOptions {
  readonly words: BertWordOptions;
  /**
   * How the vocabulary marks pieces. GGUF files put U+2581 in front of pieces that begin a word; the
   * published vocabularies put "##" in front of those that do not.
   */
  readonly firstPrefix: string;
  readonly restPrefix: string;
  readonly unknown: number | null;
  /** Longer words are unknown, in characters. */
  readonly longestWord: number;
}

/** The limit of the published tokenizer. */
export const longestBertWord = 100;

export class WordPieceSegmenter implements TextSegmenter {
  readonly #vocabulary: Vocabulary;
  readonly #options: WordPieceOptions;
  /** Ids of pieces that may come out of ordinary text. */
  readonly #pieces = new Map<string, number>();
  /** In UTF-16 units, prefix included. */
  readonly #longestPiece: number;
  readonly #words = new WordCache();
  readonly #encoder = new TextEncoder();

  /** @param kinds the corrected kinds, see `correctKinds` */
  constructor(vocabulary: Vocabulary, kinds: readonly TokenKind[], options: WordPieceOptions) {
    this.#vocabulary = vocabulary;
    this.#options = options;
    let longest = 0;
    for (const [spelling, id] of vocabulary.ids) {
      if (kinds[id] !== 'normal' && kinds[id] !== 'unused') continue;
      this.#pieces.set(spelling, id);
      longest = Math.max(longest, spelling.length);
    }
    this.#longestPiece = longest;
  }

  encode(text: string, _isStart: boolean, output: number[]): void {
    splitBertWords(normalizeForBert(text, this.#options.words), (word) => {
      this.encodeWord(word, output);
    });
  }

  /** Appends the ids of a word, which has no white space. */
  encodeWord(word: string, output: number[]): void {
    for (const id of this.#words.get(word, () => this.#cut(word))) output.push(id);
  }

  /** Pieces that begin a word bring the space before it. */
  bytes(token: number): Uint8Array {
    const { firstPrefix, restPrefix } = this.#options;
    const spelling = this.#vocabulary.spellings[token] ?? '';
    if (restPrefix !== '' && spelling.startsWith(restPrefix)) {
      return this.#encoder.encode(spelling.slice(restPrefix.length));
    }
    if (!spelling.startsWith(firstPrefix)) return this.#encoder.encode(spelling);
    return this.#encoder.encode(` ${spelling.slice(firstPrefix.length)}`);
  }

  #cut(word: string): readonly number[] {
    const { firstPrefix, restPrefix, unknown, longestWord } = this.#options;
    const none = unknown === null ? [] : [unknown];
    const isTooLong = word.length > longestWord && Array.from(word).length > longestWord;
    if (isTooLong) return none;
    const ids: number[] = [];
    let start = 0;
    while (start < word.length) {
      const prefix = start === 0 ? firstPrefix : restPrefix;
      let end = Math.min(word.length, start + this.#longestPiece);
      let id: number | undefined;
      for (; end > start; end -= 1) {
        id = this.#pieces.get(prefix + word.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) return none;
      ids.push(id);
      start = end;
    }
    return ids;
  }
}
