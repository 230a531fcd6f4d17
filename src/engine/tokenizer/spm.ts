/**
 * SentencePiece BPE ("llama" in GGUF): characters merge by the score of the token they make.
 * Source: Kudo and Richardson 2018; the agenda order (best score, then leftmost) is SentencePiece's.
 */
import { PairMerger, type MergeRules } from './pair-merger.ts';
import { isPlainText } from './special-tokens.ts';
import { SpellingTrie } from './spelling-trie.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import type { TokenKind } from './tokenizer.ts';
import { byteOfSpelling, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

/** SentencePiece writes a space as this character. */
const escapedSpace = '▁';

export interface SpmOptions {
  /** Put a space before the text and after special tokens. */
  readonly addSpacePrefix: boolean;
  readonly unknown: number | null;
}

export class SpmSegmenter implements TextSegmenter {
  readonly #vocabulary: Vocabulary;
  readonly #kinds: readonly TokenKind[];
  readonly #options: SpmOptions;
  /** Spellings that merges may make. */
  readonly #mergeable = new Map<string, number>();
  readonly #plain: SpellingTrie;
  readonly #byteTokens = new Map<number, number>();
  readonly #longest: number;
  /** Whether no token reaches over the start of a word, so that words can be merged one by one. */
  readonly #wordsAreSeparate: boolean;
  readonly #merger = new PairMerger();
  readonly #words = new WordCache();
  readonly #encoder = new TextEncoder();

  /** @param kinds the corrected kinds, see `correctKinds` */
  constructor(vocabulary: Vocabulary, kinds: readonly TokenKind[], options: SpmOptions) {
    this.#vocabulary = vocabulary;
    this.#kinds = kinds;
    this.#options = options;
    const plain: [string, number][] = [];
    let longest = 0;
    let wordsAreSeparate = true;
    for (const [spelling, id] of vocabulary.ids) {
      const kind = kinds[id];
      if (kind === 'byte') this.#byteTokens.set(byteOfSpelling(spelling) ?? 0, id);
      if (kind === 'user-defined' && isPlainText(spelling)) {
        plain.push([spelling.replaceAll(' ', escapedSpace), id]);
      }
      if (kind !== 'normal' && kind !== 'unused') continue;
      this.#mergeable.set(spelling, id);
      longest = Math.max(longest, spelling.length);
      wordsAreSeparate &&= !/[^▁]▁/u.test(spelling);
    }
    this.#plain = new SpellingTrie(plain);
    this.#longest = longest;
    this.#wordsAreSeparate = wordsAreSeparate;
  }

  encode(text: string, isStart: boolean, output: number[]): void {
    const prefix = isStart && this.#options.addSpacePrefix ? escapedSpace : '';
    const escaped = prefix + text.replaceAll(' ', escapedSpace);
    if (this.#plain.isEmpty) {
      this.#encodeWords(escaped, output);
      return;
    }
    this.#plain.split(
      escaped,
      (start, end) => {
        this.#encodeWords(escaped.slice(start, end), output);
      },
      (id, end) => {
        output.push(id);
        return end;
      },
    );
  }

  bytes(token: number): Uint8Array {
    const spelling = this.#vocabulary.spellings[token] ?? '';
    if (this.#kinds[token] === 'byte') return Uint8Array.of(byteOfSpelling(spelling) ?? 0);
    return this.#encoder.encode(spelling.replaceAll(escapedSpace, ' '));
  }

  #encodeWords(text: string, output: number[]): void {
    if (!this.#wordsAreSeparate) {
      this.#encodeWord(text, output);
      return;
    }
    let start = 0;
    while (start < text.length) {
      const end = endOfWord(text, start);
      const word = text.slice(start, end);
      const ids = this.#words.get(word, () => {
        const fresh: number[] = [];
        this.#encodeWord(word, fresh);
        return fresh;
      });
      for (const id of ids) output.push(id);
      start = end;
    }
  }

  #encodeWord(text: string, output: number[]): void {
    const starts = characterStarts(text);
    const count = starts.length - 1;
    const find = (from: number, to: number): number | undefined => {
      const start = starts[from] ?? 0;
      const end = starts[to] ?? text.length;
      return end - start > this.#longest ? undefined : this.#mergeable.get(text.slice(start, end));
    };
    const rules: MergeRules = {
      rank: (left, _middle, end) => {
        const id = find(left, end);
        return id === undefined ? Number.NaN : -(this.#vocabulary.scores[id] ?? 0);
      },
      merged: () => undefined,
    };
    this.#merger.merge(count, rules, (from, to) => {
      const id = find(from, to);
      // Only a single character can be without a token: every merge makes one.
      if (id === undefined) this.#encodeCharacter(text.slice(starts[from], starts[to]), output);
      else output.push(id);
    });
  }

  /** A character without a token: its UTF-8 bytes, or the unknown token where one of them is missing. */
  #encodeCharacter(character: string, output: number[]): void {
    const ids: number[] = [];
    for (const byte of this.#encoder.encode(character)) {
      const id = this.#byteTokens.get(byte);
      if (id === undefined) {
        if (this.#options.unknown !== null) output.push(this.#options.unknown);
        return;
      }
      ids.push(id);
    }
    output.push(...ids);
  }
}

/** Where the word that begins at `start` ends: before the next escaped space that follows another character. */
function endOfWord(text: string, start: number): number {
  let index = start;
  while (text[index] === escapedSpace) index += 1;
  const next = text.indexOf(escapedSpace, index);
  return next < 0 ? text.length : next;
}

/** Offsets of the code points of a text, and its length. */
function characterStarts(text: string): Int32Array {
  const starts = new Int32Array(text.length + 1);
  let count = 0;
  for (let index = 0; index < text.length;) {
    starts[count] = index;
    count += 1;
    index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  }
  starts[count] = text.length;
  return starts.subarray(0, count + 1);
}
