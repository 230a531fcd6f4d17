/** Writes a text that a grammar allows, token by token at random, and comes to an end. For tests. */
import { Xoshiro128 } from '../../random.ts';
import type { WordTokenizer } from '../../testing/word-tokenizer.ts';
import type { GrammarMatcher } from '../matcher.ts';
import type { TokenTable } from '../token-table.ts';

/** From here on closing characters are preferred. */
const longEnough = 60;
const closing = new Set([...'"]}0123456789'].map((character) => character.charCodeAt(0)));

export function writeAtRandom(
  matcher: GrammarMatcher,
  tokenizer: WordTokenizer,
  table: TokenTable,
  seed: number,
): string {
  const random = Xoshiro128.fromSeed(seed);
  const tokens: number[] = [];
  matcher.reset();
  while (!matcher.finished) {
    if (matcher.accepting && (tokens.length > longEnough || random.nextDouble() < 0.3)) break;
    const mask = matcher.mask();
    const possible = [...table.ids].filter((id) => ((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1);
    const ends = possible.filter((id) => closing.has(tokenizer.tokenBytes(id)[0] ?? 0));
    // Among printable ASCII and words, or nearly all texts were strings of rare bytes.
    const plain = possible.filter((id) => id >= 256 || (id >= 0x20 && id < 0x7f));
    const from =
      tokens.length > longEnough && ends.length > 0 ? ends : plain.length > 0 ? plain : possible;
    const chosen = from[Math.floor(random.nextDouble() * from.length)];
    if (chosen === undefined) throw new Error('The grammar leads nowhere.');
    tokens.push(chosen);
    matcher.accept(tokenizer.tokenBytes(chosen));
  }
  return tokenizer.decode(tokens);
}
