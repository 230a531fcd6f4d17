/**
 * The tokens of a vocabulary that write text, sorted by their bytes: a trie without nodes. Tokens that
 * begin alike stand together, and each knows how many bytes it shares with the one before.
 */
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';

export interface TokenTable {
  readonly vocabularySize: number;
  /** Ids in the order of their bytes. */
  readonly ids: Int32Array;
  /** Bytes of all tokens, one after the other, in the same order. */
  readonly bytes: Uint8Array;
  /** Where the bytes of each begin; one more at the end. */
  readonly starts: Int32Array;
  /** Bytes shared with the token before. */
  readonly shared: Int32Array;
  readonly endTokens: readonly number[];
}

const tables = new WeakMap<Tokenizer, TokenTable>();

/** Made once for a tokenizer, at the first request for a form: 150,000 tokens take some tenths of a second. */
export function tokenTable(tokenizer: Tokenizer): TokenTable {
  const known = tables.get(tokenizer);
  if (known !== undefined) return known;
  const made = makeTable(tokenizer);
  tables.set(tokenizer, made);
  return made;
}

function makeTable(tokenizer: Tokenizer): TokenTable {
  const special = new Set(
    tokenizer.specialSpellings.map((spelling) => tokenizer.tokenId(spelling)),
  );
  const { vocabularySize } = tokenizer;
  const ends = tokenizer.special.endOfGeneration;
  const entries: (readonly [key: string, id: number])[] = [];
  let total = 0;
  for (let id = 0; id < vocabularySize; id++) {
    const bytes = tokenizer.tokenBytes(id);
    if (bytes.length === 0 || special.has(id) || ends.has(id)) continue;
    // One UTF-16 unit a byte: strings compare faster than arrays.
    entries.push([String.fromCharCode(...bytes), id]);
    total += bytes.length;
  }
  entries.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  const table = {
    vocabularySize,
    ids: Int32Array.from(entries, ([, id]) => id),
    bytes: new Uint8Array(total),
    starts: new Int32Array(entries.length + 1),
    shared: new Int32Array(entries.length),
    endTokens: [...ends],
  };
  let at = 0;
  let before = '';
  for (const [index, [key]] of entries.entries()) {
    table.starts[index] = at;
    let common = 0;
    while (common < key.length && key.charCodeAt(common) === before.charCodeAt(common)) common++;
    table.shared[index] = common;
    for (let byte = 0; byte < key.length; byte++) table.bytes[at++] = key.charCodeAt(byte);
    before = key;
  }
  table.starts[entries.length] = at;
  return table;
}
