/**
 * Learns a byte-level BPE vocabulary from texts: the commonest pair of neighbours becomes a token,
 * again and again (Sennrich et al. 2016, arXiv:1508.07909; on bytes as in Radford et al. 2019).
 */
import { byteCharacters, spellBytes } from '../../src/engine/tokenizer/byte-level.ts';
import { findPreTokenizer, splitIntoWords } from '../../src/engine/tokenizer/pre-tokenizers.ts';

/** Digits one by one, words with the space before them. */
export const preTokenizer = 'qwen2';

export interface BytePairs {
  /** In the byte-level alphabet: the 256 bytes, then one for each merge. */
  readonly tokens: readonly string[];
  /** "left right", in order of learning. */
  readonly merges: readonly string[];
}

export function learnBytePairs(texts: readonly string[], size: number): BytePairs {
  const words = countWords(texts);
  const tokens = [...byteCharacters];
  const merges: string[] = [];
  while (tokens.length < size) {
    const best = commonestPair(words);
    if (best === null) break;
    const [left, right] = best;
    merges.push(`${left} ${right}`);
    tokens.push(left + right);
    for (const word of words) word.parts = merged(word.parts, left, right);
  }
  return { tokens, merges };
}

interface CountedWord {
  parts: readonly string[];
  readonly count: number;
}

function countWords(texts: readonly string[]): CountedWord[] {
  const { preTokenizer: splitter } = findPreTokenizer(preTokenizer);
  const counts = new Map<string, number>();
  const encoder = new TextEncoder();
  for (const text of texts) {
    splitIntoWords(text, splitter, (word) => {
      const spelling = spellBytes(encoder.encode(word));
      counts.set(spelling, (counts.get(spelling) ?? 0) + 1);
    });
  }
  return [...counts].map(([spelling, count]) => ({ parts: [...spelling], count }));
}

/** Null when no pair occurs twice: what occurs once is not worth a token. */
function commonestPair(words: readonly CountedWord[]): [string, string] | null {
  const pairs = new Map<string, number>();
  for (const { parts, count } of words) {
    for (let i = 1; i < parts.length; i++) {
      const pair = `${parts[i - 1] ?? ''} ${parts[i] ?? ''}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    }
  }
  let best: string | null = null;
  let most = 1;
  for (const [pair, count] of pairs) {
    if (count > most) [best, most] = [pair, count];
  }
  if (best === null) return null;
  const [left = '', right = ''] = best.split(' ');
  return [left, right];
}

function merged(parts: readonly string[], left: string, right: string): readonly string[] {
  if (!parts.includes(left)) return parts;
  const result: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const isPair = parts[i] === left && parts[i + 1] === right;
    result.push(isPair ? left + right : (parts[i] ?? ''));
    if (isPair) i++;
  }
  return result;
}
