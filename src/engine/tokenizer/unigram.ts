/**
 * SentencePiece's unigram model ("t5" in GGUF): of all ways to cut a text into pieces the one with the
 * largest sum of log-probabilities. Source: Kudo 2018, arXiv:1804.10959; found by Viterbi's algorithm.
 */
import { PackedTrie, absent, unitsOf } from './packed-trie.ts';
import { escapedSpace, SentencePieceNormalizer } from './sentencepiece-normalizer.ts';
import type { SentencePieceNormalization } from './sentencepiece-normalizer.ts';
import { isPlainText } from './special-tokens.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import type { TokenKind } from './tokenizer.ts';
import { byteOfSpelling, type Vocabulary } from './vocabulary.ts';

/** How much less likely than the least likely piece an unknown character is: SentencePiece's number. */
const unknownPenalty = 10;

export interface UnigramOptions {
  readonly normalization: SentencePieceNormalization;
  readonly unknown: number | null;
}

export class UnigramSegmenter implements TextSegmenter {
  readonly #vocabulary: Vocabulary;
  readonly #kinds: readonly TokenKind[];
  readonly #unknown: number | null;
  readonly #normalizer: SentencePieceNormalizer;
  readonly #pieces = new PackedTrie();
  /** Ids of the 256 bytes, or null where not all are there: then unknown characters are one token. */
  readonly #byteTokens: readonly number[] | null;
  readonly #unknownScore: number;
  readonly #encoder = new TextEncoder();

  /** @param kinds the corrected kinds, see `correctKinds` */
  constructor(vocabulary: Vocabulary, kinds: readonly TokenKind[], options: UnigramOptions) {
    this.#vocabulary = vocabulary;
    this.#kinds = kinds;
    this.#unknown = options.unknown;
    const kept: string[] = [];
    const byteTokens = new Map<number, number>();
    let lowest = 0;
    for (const [spelling, id] of vocabulary.ids) {
      const kind = kinds[id];
      const isKept = kind === 'user-defined' && isPlainText(spelling);
      if (isKept) kept.push(spelling);
      if (kind === 'byte') byteTokens.set(byteOfSpelling(spelling) ?? 0, id);
      if (kind !== 'normal' && kind !== 'unused' && !isKept) continue;
      this.#pieces.add(unitsOf(spelling.replaceAll(' ', escapedSpace)), id);
      if (kind === 'normal') lowest = Math.min(lowest, vocabulary.scores[id] ?? 0);
    }
    this.#normalizer = new SentencePieceNormalizer(options.normalization, kept);
    this.#unknownScore = lowest - unknownPenalty;
    const all = Array.from({ length: 256 }, (_, byte) => byteTokens.get(byte) ?? absent);
    this.#byteTokens = all.includes(absent) ? null : all;
  }

  encode(text: string, _isStart: boolean, output: number[]): void {
    this.encodeWord(this.#normalizer.normalize(text), output);
  }

  /** Appends the ids of a text that is normalised already. */
  encodeWord(normalized: string, output: number[]): void {
    if (normalized === '') return;
    const { tokens, starts } = this.#bestPath(normalized);
    const ends: number[] = [];
    for (let end = normalized.length; end > 0; end = starts[end] ?? 0) ends.push(end);
    let wasUnknown = false;
    for (const end of ends.reverse()) {
      const token = tokens[end] ?? absent;
      if (token !== absent) output.push(token);
      else if (this.#byteTokens !== null) {
        for (const byte of this.#encoder.encode(normalized.slice(starts[end], end))) {
          output.push(this.#byteTokens[byte] ?? 0);
        }
      } else if (!wasUnknown && this.#unknown !== null) output.push(this.#unknown);
      // Unknown characters in a row are one unknown token.
      wasUnknown = token === absent;
    }
  }

  bytes(token: number): Uint8Array {
    const spelling = this.#vocabulary.spellings[token] ?? '';
    if (this.#kinds[token] === 'byte') return Uint8Array.of(byteOfSpelling(spelling) ?? 0);
    return this.#encoder.encode(spelling.replaceAll(escapedSpace, ' '));
  }

  /** For each end of a piece the token that ends there on the best way, and where that token starts. */
  #bestPath(text: string): { readonly tokens: Int32Array; readonly starts: Int32Array } {
    const scores = new Float64Array(text.length + 1).fill(-Infinity);
    const tokens = new Int32Array(text.length + 1).fill(absent);
    const starts = new Int32Array(text.length + 1);
    scores[0] = 0;
    const offer = (start: number, end: number, token: number, score: number): void => {
      const sum = (scores[start] ?? 0) + score;
      if (!(sum > (scores[end] ?? 0))) return;
      scores[end] = sum;
      tokens[end] = token;
      starts[end] = start;
    };
    for (let start = 0; start < text.length;) {
      const next = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
      let hasCharacter = false;
      let node = this.#pieces.root;
      for (let end = start; end < text.length;) {
        node = this.#pieces.child(node, text.charCodeAt(end));
        if (node === absent) break;
        end += 1;
        const token = this.#pieces.value(node);
        if (token === absent) continue;
        if (end === next) hasCharacter = true;
        offer(start, end, token, this.#score(token));
      }
      if (!hasCharacter) offer(start, next, absent, this.#unknownScore);
      start = next;
    }
    return { tokens, starts };
  }

  /** User-defined tokens cost nothing: where one fits it is taken. */
  #score(token: number): number {
    return this.#kinds[token] === 'user-defined' ? 0 : (this.#vocabulary.scores[token] ?? 0);
  }
}
