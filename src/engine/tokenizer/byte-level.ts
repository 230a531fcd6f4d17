/**
 * The alphabet of byte-level BPE: every byte is written as one printable character.
 *
 * Printable Latin-1 bytes stand for themselves; the other 68 take the code points from U+0100 on, in
 * order (space becomes "Ġ", U+0120). Source: Radford et al. 2019, the GPT-2 release.
 */

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

function buildAlphabet(): readonly string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    if (isPrintable(byte)) return String.fromCharCode(byte);
    next += 1;
    return String.fromCharCode(next - 1);
  });
}

/** The character of each byte. */
export const byteCharacters: readonly string[] = buildAlphabet();

const characterBytes: ReadonlyMap<string, number> = new Map(
  byteCharacters.map((character, byte) => [character, byte]),
);

/** Bytes in the byte-level alphabet. */
export function spellBytes(bytes: Uint8Array): string {
  let spelling = '';
  for (const byte of bytes) spelling += byteCharacters[byte] ?? '';
  return spelling;
}

/** The bytes that a byte-level spelling stands for; characters outside the alphabet are UTF-8. */
export function unspellBytes(spelling: string): Uint8Array {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const character of spelling) {
    const byte = characterBytes.get(character);
    if (byte === undefined) bytes.push(...encoder.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
