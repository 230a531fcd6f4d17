/**
 * SentencePiece's compiled normalisation rules (`tokenizer.ggml.precompiled_charsmap`): a trie of UTF-8
 * prefixes, each with what it is replaced by.
 *
 * ```
 * bytes 0..3    length t of the trie in bytes, little-endian
 * bytes 4..4+t  the trie, a double array of 32-bit units (darts-clone by Susumu Yata)
 * the rest      replacements, each ended by a NUL; a value of the trie is an offset in here
 * ```
 *
 * Unit: bits 0-7 label, bit 8 "a value follows", bits 10-30 offset to the children (bit 9: times 256);
 * a value has bit 31 set. Source of the rules: SentencePiece, "nmt_nfkc" and its relatives.
 */

/** Longest replacement; NFKC's longest is the 33 bytes of U+FDFA. A longer one would multiply a text. */
const longestReplacement = 256;

export interface Replacement {
  /** Bytes of the text that it stands for. */
  readonly consumed: number;
  readonly bytes: Uint8Array;
}

export class PrecompiledCharsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #fail: (what: string) => Error;

  /**
   * @param fail makes the error for rules that contradict themselves; `what` completes "... is damaged: "
   */
  constructor(blob: Uint8Array, fail: (what: string) => Error) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const trieBytes = blob.byteLength < 4 ? -1 : view.getUint32(0, true);
    if (trieBytes < 4 || trieBytes % 4 !== 0 || 4 + trieBytes > blob.byteLength) {
      throw fail('its rules for normalising text have a wrong length');
    }
    // Copied, because units may lie unaligned.
    this.#units = Uint32Array.from({ length: trieBytes / 4 }, (_, index) =>
      view.getUint32(4 + 4 * index, true),
    );
    this.#replacements = blob.subarray(4 + trieBytes);
    this.#fail = fail;
  }

  /** The replacement of the longest known prefix of the text at `start`, or null. */
  match(text: Uint8Array, start: number): Replacement | null {
    let node = offsetOf(this.#unit(0));
    let length = 0;
    let value = 0;
    for (let index = start; index < text.length; index += 1) {
      const byte = text[index] ?? 0;
      // NUL is the label of values.
      if (byte === 0) break;
      node = (node ^ byte) >>> 0;
      // A step to nowhere is no child; only what a unit promises must exist.
      if (node >= this.#units.length) break;
      const unit = this.#unit(node);
      if ((unit & 0x8000_00ff) >>> 0 !== byte) break;
      node = (node ^ offsetOf(unit)) >>> 0;
      if (((unit >>> 8) & 1) === 1) {
        length = index - start + 1;
        value = this.#unit(node) & 0x7fff_ffff;
      }
    }
    return length === 0 ? null : { consumed: length, bytes: this.#replacement(value) };
  }

  #unit(index: number): number {
    const unit = this.#units[index];
    if (unit === undefined)
      throw this.#fail('its rules for normalising text point beyond their end');
    return unit;
  }

  #replacement(offset: number): Uint8Array {
    const end = this.#replacements.indexOf(0, offset);
    if (offset >= this.#replacements.length || end < 0) {
      throw this.#fail('a replacement in its rules for normalising text has no end');
    }
    if (end - offset > longestReplacement) {
      throw this.#fail('a replacement in its rules for normalising text is too long');
    }
    return this.#replacements.subarray(offset, end);
  }
}

function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
