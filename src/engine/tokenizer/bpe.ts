/**
 * Byte-level BPE ("gpt2" in GGUF): a pre-tokenizer cuts the text into words, the UTF-8 bytes of a word
 * merge by the rank of their pair. Source: Radford et al. 2019 (GPT-2).
 */
import { shortened } from '../formats/gguf/file-errors.ts';
import type { Metadata } from '../formats/gguf/metadata.ts';
import { byteCharacters, spellBytes, unspellBytes } from './byte-level.ts';
import { PairMerger, type MergeRules } from './pair-merger.ts';
import { splitIntoWords, type PreTokenizer } from './pre-tokenizers.ts';
import { isPlainText } from './special-tokens.ts';
import { SpellingTrie } from './spelling-trie.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import type { TokenKind } from './tokenizer.ts';
import { escapedSpace } from './sentencepiece-normalizer.ts';
import { byteOfSpelling, malformedVocabulary, mergesKey, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const noToken = -1;

/**
 * Merges by pair of ids: (left, right) -> (rank, result), an open-addressing hash table. A Map would
 * need keys beyond 32 bits, which JavaScript engines box: five times the memory and half the speed.
 */
export class MergeTable {
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #ranks: Int32Array;
  readonly #results: Int32Array;
  readonly #mask: number;

  /** @param capacity most merges it will hold */
  constructor(capacity: number) {
    let slots = 16;
    while (slots < 2 * capacity) slots *= 2;
    this.#mask = slots - 1;
    this.#lefts = new Int32Array(slots).fill(noToken);
    this.#rights = new Int32Array(slots);
    this.#ranks = new Int32Array(slots);
    this.#results = new Int32Array(slots);
  }

  /** Adds a merge; the first of equal pairs counts. */
  add(left: number, right: number, rank: number, result: number): void {
    const slot = this.#slot(left, right);
    if (this.#lefts[slot] !== noToken) return;
    this.#lefts[slot] = left;
    this.#rights[slot] = right;
    this.#ranks[slot] = rank;
    this.#results[slot] = result;
  }

  /** NaN where the pair does not merge. */
  rank(left: number, right: number): number {
    if (left === noToken || right === noToken) return Number.NaN;
    const slot = this.#slot(left, right);
    return this.#lefts[slot] === noToken ? Number.NaN : (this.#ranks[slot] ?? Number.NaN);
  }

  /** The token a pair merges into. */
  result(left: number, right: number): number {
    return this.#results[this.#slot(left, right)] ?? noToken;
  }

  /** Where the pair lies, or the free slot where it would. */
  #slot(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & this.#mask;
    while (
      this.#lefts[slot] !== noToken &&
      (this.#lefts[slot] !== left || this.#rights[slot] !== right)
    ) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}

/**
 * @throws ModelFileError `model-file/malformed` when there are no merges, or one is not two tokens
 *   that make a third
 */
export function readMerges(
  metadata: Metadata,
  vocabulary: Vocabulary,
  kinds: readonly TokenKind[],
): MergeTable {
  const merges = metadata.findStrings(mergesKey);
  if (merges === undefined) {
    throw malformedVocabulary(metadata, mergesKey, 'its vocabulary has no merges');
  }
  const table = new MergeTable(merges.length);
  for (const [rank, merge] of merges.entries()) {
    // From 1: the left part may itself be a space in vocabularies that do not escape it.
    const gap = merge.indexOf(' ', 1);
    const leftText = merge.slice(0, gap);
    const rightText = merge.slice(gap + 1);
    const left = vocabulary.ids.get(leftText);
    const right = vocabulary.ids.get(rightText);
    const result = vocabulary.ids.get(leftText + rightText);
    if (gap < 0 || left === undefined || right === undefined || result === undefined) {
      const shown = JSON.stringify(shortened(merge));
      const what = `merge ${rank} (${shown}) does not join two tokens of the vocabulary into a third`;
      throw malformedVocabulary(metadata, mergesKey, what);
    }
    // Merges must not be a way to a control token.
    if (isOrdinary(kinds[result])) table.add(left, right, rank, result);
  }
  return table;
}

function isOrdinary(kind: TokenKind | undefined): boolean {
  return kind === 'normal' || kind === 'unused';
}

export interface BpeOptions {
  readonly preTokenizer: Pick<PreTokenizer, 'stages' | 'prefersWholeWords'>;
  readonly unknown: number | null;
  /**
   * What merges begin with. `bytes`: the bytes of the text in the byte-level alphabet; `characters`: the
   * characters themselves, spelled with U+2581 for a space, and bytes for those without a token.
   */
  readonly alphabet?: 'bytes' | 'characters';
  /** Whether unknown characters in a row are one unknown token. */
  readonly fusesUnknown?: boolean;
  /** Written behind the last character of every word ("</w>"). */
  readonly endOfWord?: string;
}

export class BpeSegmenter implements TextSegmenter {
  readonly #vocabulary: Vocabulary;
  readonly #kinds: readonly TokenKind[];
  readonly #merges: MergeTable;
  readonly #options: BpeOptions;
  readonly #byteTokens: Int32Array;
  readonly #isByteLevel: boolean;
  readonly #plain: SpellingTrie;
  readonly #merger = new PairMerger();
  readonly #words = new WordCache();
  readonly #encoder = new TextEncoder();

  /** @param kinds the corrected kinds, see `correctKinds` */
  constructor(
    vocabulary: Vocabulary,
    kinds: readonly TokenKind[],
    merges: MergeTable,
    options: BpeOptions,
  ) {
    this.#vocabulary = vocabulary;
    this.#kinds = kinds;
    this.#merges = merges;
    this.#options = options;
    this.#isByteLevel = options.alphabet !== 'characters';
    this.#byteTokens = Int32Array.from(byteCharacters, (character, byte) => {
      const spelling = this.#isByteLevel ? character : byteSpelling(byte);
      const id = vocabulary.ids.get(spelling);
      const fits = id !== undefined && (!this.#isByteLevel || isOrdinary(kinds[id]));
      return fits ? id : noToken;
    });
    this.#plain = new SpellingTrie(
      [...vocabulary.ids].filter(
        ([spelling, id]) => kinds[id] === 'user-defined' && isPlainText(spelling),
      ),
    );
  }

  encode(given: string, _isStart: boolean, output: number[]): void {
    const text = this.#isByteLevel ? given : given.replaceAll(' ', escapedSpace);
    if (this.#plain.isEmpty) {
      this.#encodeText(text, output);
      return;
    }
    this.#plain.split(
      text,
      (start, end) => {
        this.#encodeText(text.slice(start, end), output);
      },
      (id, end) => {
        output.push(id);
        return end;
      },
    );
  }

  bytes(token: number): Uint8Array {
    const spelling = this.#vocabulary.spellings[token] ?? '';
    const kind = this.#kinds[token];
    if (kind === 'byte') return Uint8Array.of(byteOfSpelling(spelling) ?? 0);
    // Added tokens are stored as they are read, not in the byte-level alphabet.
    if (kind === 'user-defined') return this.#encoder.encode(spelling);
    if (this.#isByteLevel) return unspellBytes(spelling);
    return this.#encoder.encode(spelling.replaceAll(escapedSpace, ' '));
  }

  #encodeText(text: string, output: number[]): void {
    splitIntoWords(text, this.#options.preTokenizer, (word) => {
      this.encodeWord(word, output);
    });
  }

  /** Appends the ids of a word: nothing merges with what stands around it. */
  encodeWord(word: string, output: number[]): void {
    for (const id of this.#words.get(word, () => this.#merge(word))) output.push(id);
  }

  #merge(word: string): readonly number[] {
    // Line ends of these vocabularies are tokens that no merge makes.
    const isWhole = !this.#isByteLevel && /^\n+$/.test(word);
    if (isWhole || this.#options.preTokenizer.prefersWholeWords) {
      const spelling = this.#isByteLevel ? spellBytes(this.#encoder.encode(word)) : word;
      const id = this.#vocabulary.ids.get(spelling);
      if (id !== undefined && isOrdinary(this.#kinds[id])) return [id];
    }
    const ids = this.#symbols(word);
    const merges = this.#merges;
    const rules: MergeRules = {
      rank: (left, middle) => merges.rank(ids[left] ?? noToken, ids[middle] ?? noToken),
      merged: (left, middle) => {
        ids[left] = merges.result(ids[left] ?? noToken, ids[middle] ?? noToken);
      },
    };
    const output: number[] = [];
    const { unknown, fusesUnknown = false } = this.#options;
    this.#merger.merge(ids.length, rules, (start) => {
      const id = ids[start] ?? noToken;
      if (id !== noToken) output.push(id);
      else if (unknown !== null && !(fusesUnknown && output.at(-1) === unknown)) {
        output.push(unknown);
      }
    });
    return output;
  }

  /** The tokens that merges begin with; `noToken` for what has none. */
  #symbols(word: string): Int32Array {
    const { endOfWord = '' } = this.#options;
    if (this.#isByteLevel && endOfWord === '') {
      return Int32Array.from(
        this.#encoder.encode(word),
        (byte) => this.#byteTokens[byte] ?? noToken,
      );
    }
    const spelled = this.#isByteLevel ? spellBytes(this.#encoder.encode(word)) : word;
    const characters = Array.from(spelled);
    const last = characters.length - 1;
    return Int32Array.from(
      characters.flatMap((character, index) => {
        const id = this.#vocabulary.ids.get(index === last ? character + endOfWord : character);
        if (id !== undefined && isOrdinary(this.#kinds[id])) return [id];
        const bytes = Array.from(
          this.#encoder.encode(character),
          (byte) => this.#byteTokens[byte] ?? noToken,
        );
        return this.#isByteLevel || bytes.includes(noToken) ? [noToken] : bytes;
      }),
    );
  }
}

function byteSpelling(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
