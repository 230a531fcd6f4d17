/**
 * What SentencePiece does to a text before it is cut into pieces: characters are replaced, runs of
 * spaces become one, a space is put in front, spaces are written as U+2581.
 * Source: Kudo and Richardson 2018, and the behaviour of its `normalizer_spec`.
 */
import { PackedTrie, absent } from './packed-trie.ts';
import type { PrecompiledCharsmap } from './precompiled-charsmap.ts';

export const escapedSpace = '▁';

export interface SentencePieceNormalization {
  readonly charsmap: PrecompiledCharsmap | null;
  /** Runs of spaces become one; spaces at both ends go. */
  readonly removeExtraSpaces: boolean;
  /** Put a space in front of a text that is not empty. */
  readonly addSpacePrefix: boolean;
}

export class SentencePieceNormalizer {
  readonly #options: SentencePieceNormalization;
  /** Spellings that no rule may change. */
  readonly #kept = new PackedTrie();
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** @param kept user-defined tokens: they are looked for in the text as it was written */
  constructor(options: SentencePieceNormalization, kept: Iterable<string>) {
    this.#options = options;
    for (const spelling of kept) this.#kept.add(this.#encoder.encode(spelling), 1);
  }

  normalize(text: string): string {
    const replaced = this.replace(text);
    const { removeExtraSpaces, addSpacePrefix } = this.#options;
    if (!removeExtraSpaces) return escape(addSpacePrefix && replaced !== '', replaced);
    // At the end SentencePiece takes away the escaped form too, at the start it does not.
    const single = replaced.replace(/ +/g, ' ');
    let end = single.length;
    while (end > 0 && (single[end - 1] === ' ' || single[end - 1] === escapedSpace)) end -= 1;
    const trimmed = single.slice(single.startsWith(' ') ? 1 : 0, end);
    return escape(addSpacePrefix && trimmed !== '', trimmed);
  }

  /** The text with its characters replaced and its spaces as they were. */
  replace(text: string): string {
    const { charsmap } = this.#options;
    if (charsmap === null) return text;
    const bytes = this.#encoder.encode(text);
    const output = new ByteCollector(bytes.length);
    for (let start = 0; start < bytes.length;) {
      const kept = this.#keptLength(bytes, start);
      const match = kept > 0 ? null : charsmap.match(bytes, start);
      const length = match?.consumed ?? (kept > 0 ? kept : characterLength(bytes[start] ?? 0));
      output.push(match?.bytes ?? bytes.subarray(start, start + length));
      start += length;
    }
    // A hostile rule may replace half a character; what is left then is U+FFFD, as everywhere.
    return this.#decoder.decode(output.bytes());
  }

  #keptLength(bytes: Uint8Array, start: number): number {
    if (this.#kept.isEmpty) return 0;
    let node = this.#kept.root;
    let longest = 0;
    for (let index = start; index < bytes.length; index += 1) {
      node = this.#kept.child(node, bytes[index] ?? 0);
      if (node === absent) break;
      if (this.#kept.value(node) !== absent) longest = index + 1 - start;
    }
    return longest;
  }
}

function escape(hasPrefix: boolean, text: string): string {
  return (hasPrefix ? escapedSpace : '') + text.replaceAll(' ', escapedSpace);
}

/** Bytes of the UTF-8 character that begins with `first`. */
function characterLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

class ByteCollector {
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(expected: number) {
    this.#buffer = new Uint8Array(expected + 64);
  }

  push(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(2 * (this.#length + bytes.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }
}
