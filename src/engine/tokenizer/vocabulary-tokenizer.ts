/** A tokenizer from a vocabulary: special tokens and boundaries around a family's segmenter. */
import { AppError } from '../../common/errors.ts';
import { StreamingDetokenizer } from './detokenizer.ts';
import { SpellingTrie } from './spelling-trie.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import { TidyingDetokenizer } from './tidy-spaces.ts';
import {
  specialTokenShield,
  type DecodeOptions,
  type Detokenizer,
  type EncodeOptions,
  type SpecialTokens,
  type TokenKind,
  type Tokenizer,
} from './tokenizer.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface VocabularyTokenizerParts {
  readonly kind: Exclude<Tokenizer['kind'], 'none'>;
  readonly vocabulary: Vocabulary;
  /** The corrected kinds, see `correctKinds`. */
  readonly kinds: readonly TokenKind[];
  readonly special: SpecialTokens;
  readonly segmenter: TextSegmenter;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** What `special: 'parse'` looks for, longest first. */
  readonly parsed: readonly (readonly [spelling: string, id: number])[];
  /** Special tokens that swallow the white space after them. */
  readonly stripping: ReadonlySet<number>;
  /** Special tokens that swallow the white space before them. */
  readonly strippingBefore?: ReadonlySet<number>;
  /** What stands around a text where that is not BOS and EOS alone. */
  readonly boundary?: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** Whether encoding puts a space before the text, which decoding takes away again. */
  readonly addsSpacePrefix: boolean;
  /** Tokens are words, and decoding takes away the spaces before punctuation (WordPiece). */
  readonly tidiesSpaces?: boolean;
  readonly warnings: readonly string[];
}

const noBytes = new Uint8Array(0);
const asciiWhiteSpace = /[ \t\n\v\f\r]*/y;

export class VocabularyTokenizer implements Tokenizer {
  readonly kind: VocabularyTokenizerParts['kind'];
  readonly vocabularySize: number;
  readonly special: SpecialTokens;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly specialSpellings: readonly string[];
  readonly warnings: readonly string[];
  readonly #parts: VocabularyTokenizerParts;
  readonly #parsed: SpellingTrie;
  readonly #before: readonly number[];
  readonly #after: readonly number[];
  /** Filled on demand: most tokens of a vocabulary are never shown. */
  readonly #bytes = new Map<number, Uint8Array>();

  constructor(parts: VocabularyTokenizerParts) {
    this.kind = parts.kind;
    this.vocabularySize = parts.vocabulary.size;
    this.special = parts.special;
    this.addBos = parts.addBos;
    this.addEos = parts.addEos;
    this.specialSpellings = parts.parsed.map(([spelling]) => spelling);
    this.warnings = parts.warnings;
    this.#parts = parts;
    this.#parsed = new SpellingTrie(parts.parsed);
    const { bos, eos } = parts.special;
    this.#before = parts.boundary?.before ?? (this.addBos && bos !== null ? [bos] : []);
    this.#after = parts.boundary?.after ?? (this.addEos && eos !== null ? [eos] : []);
  }

  encode(text: string, options: EncodeOptions): number[] {
    const output: number[] = [];
    if (options.addBoundary === true) output.push(...this.#before);
    if (options.special === 'parse') this.#parse(text, output);
    else if (text !== '') this.#parts.segmenter.encode(text, true, output);
    if (options.addBoundary === true) output.push(...this.#after);
    return output;
  }

  decode(tokens: Iterable<number>, options: DecodeOptions = {}): string {
    const detokenizer = this.detokenizer(options);
    let text = '';
    for (const token of tokens) text += detokenizer.push(token);
    return text + detokenizer.flush();
  }

  detokenizer(options: DecodeOptions = {}): Detokenizer {
    const { addsSpacePrefix, tidiesSpaces = false } = this.#parts;
    const dropsSpace = addsSpacePrefix && options.continuation !== true;
    const bytesOf =
      options.showSpecial === true
        ? (token: number) => this.#shownBytes(token)
        : (token: number) => this.tokenBytes(token);
    const inner = new StreamingDetokenizer(bytesOf, dropsSpace);
    return tidiesSpaces ? new TidyingDetokenizer(inner) : inner;
  }

  tokenText(token: number): string {
    this.#check(token);
    return this.#parts.vocabulary.spellings[token] ?? '';
  }

  tokenBytes(token: number): Uint8Array {
    const known = this.#bytes.get(token);
    if (known !== undefined) return known;
    this.#check(token);
    const bytes = this.#isHidden(token) ? noBytes : this.#parts.segmenter.bytes(token);
    this.#bytes.set(token, bytes);
    return bytes;
  }

  tokenKind(token: number): TokenKind {
    this.#check(token);
    return this.#parts.kinds[token] ?? 'normal';
  }

  tokenId(spelling: string): number | undefined {
    return this.#parts.vocabulary.ids.get(spelling);
  }

  /** Splits at special tokens, and only then lets the shield fall. */
  #parse(text: string, output: number[]): void {
    const { segmenter, stripping, strippingBefore } = this.#parts;
    let isStart = true;
    let pending = '';
    const finish = (): void => {
      if (pending !== '') segmenter.encode(pending, isStart, output);
      isStart &&= pending === '';
      pending = '';
    };
    this.#parsed.split(
      text,
      (start, end) => {
        pending = text.slice(start, end).replaceAll(specialTokenShield, '');
      },
      (id, end) => {
        if (strippingBefore?.has(id) === true) pending = pending.trimEnd();
        finish();
        output.push(id);
        isStart = true;
        return stripping.has(id) ? skipWhiteSpace(text, end) : end;
      },
    );
    finish();
  }

  #isHidden(token: number): boolean {
    const kind = this.#parts.kinds[token];
    return kind === 'control' || kind === 'unknown';
  }

  #shownBytes(token: number): Uint8Array {
    const bytes = this.tokenBytes(token);
    return this.#isHidden(token) ? new TextEncoder().encode(this.tokenText(token)) : bytes;
  }

  #check(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.vocabularySize) return;
    throw new AppError(
      'invalid-argument',
      `${token} is no token of this model: its vocabulary has ${this.vocabularySize} tokens, counted from 0.`,
    );
  }
}

function skipWhiteSpace(text: string, start: number): number {
  asciiWhiteSpace.lastIndex = start;
  asciiWhiteSpace.test(text);
  return Math.max(start, asciiWhiteSpace.lastIndex);
}
