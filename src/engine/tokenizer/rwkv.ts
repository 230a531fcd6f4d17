/**
 * RWKV's "world" tokenizer: the longest token at each place, from left to right, over UTF-8 bytes.
 * Source: Peng et al. 2023 (RWKV) and the published vocabulary, whose tokens are bytes and not always
 * whole characters; GGUF spells them with escapes.
 */
import { shortened } from '../formats/gguf/file-errors.ts';
import { PackedTrie, absent } from './packed-trie.ts';
import type { TextSegmenter } from './text-segmenter.ts';
import type { TokenKind } from './tokenizer.ts';
import type { Vocabulary } from './vocabulary.ts';

const escapes: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, r: 0x0d };

export class RwkvSegmenter implements TextSegmenter {
  readonly #bytes: readonly Uint8Array[];
  readonly #tokens = new PackedTrie();
  readonly #unknown: number | null;
  readonly #encoder = new TextEncoder();

  /**
   * @param kinds the corrected kinds, see `correctKinds`
   * @param fail makes the error for a spelling that is none; `what` completes "... is damaged: "
   */
  constructor(
    vocabulary: Vocabulary,
    kinds: readonly TokenKind[],
    unknown: number | null,
    fail: (what: string) => Error,
  ) {
    this.#unknown = unknown;
    this.#bytes = vocabulary.spellings.map((spelling) => {
      const bytes = unescapeToken(spelling);
      if (bytes !== null) return bytes;
      throw fail(`the token ${JSON.stringify(shortened(spelling))} has a broken escape`);
    });
    for (const [id, bytes] of this.#bytes.entries()) {
      if (kinds[id] === 'normal' || kinds[id] === 'unused') this.#tokens.add(bytes, id);
    }
  }

  encode(text: string, _isStart: boolean, output: number[]): void {
    const bytes = this.#encoder.encode(text);
    for (let start = 0; start < bytes.length;) {
      let node = this.#tokens.root;
      let token = absent;
      let next = start + 1;
      for (let end = start; end < bytes.length;) {
        node = this.#tokens.child(node, bytes[end] ?? 0);
        if (node === absent) break;
        end += 1;
        if (this.#tokens.value(node) === absent) continue;
        token = this.#tokens.value(node);
        next = end;
      }
      if (token !== absent) output.push(token);
      else if (this.#unknown !== null) output.push(this.#unknown);
      start = next;
    }
  }

  bytes(token: number): Uint8Array {
    return this.#bytes[token] ?? new Uint8Array(0);
  }
}

/** The bytes of a spelling as Python's `repr` writes bytes: `\t \n \r \xNN`, `\` before others. Null: none. */
export function unescapeToken(spelling: string): Uint8Array | null {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (let index = 0; index < spelling.length;) {
    const character = String.fromCodePoint(spelling.codePointAt(index) ?? 0);
    index += character.length;
    if (character !== '\\') {
      bytes.push(...encoder.encode(character));
      continue;
    }
    const escaped = spelling[index];
    if (escaped === undefined) return null;
    index += 1;
    if (escaped === 'x') {
      const digits = spelling.slice(index, index + 2);
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return null;
      bytes.push(Number.parseInt(digits, 16));
      index += 2;
    } else {
      bytes.push(escapes[escaped] ?? escaped.charCodeAt(0));
    }
  }
  return Uint8Array.from(bytes);
}
