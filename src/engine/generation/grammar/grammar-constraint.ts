/** Lets an answer take only the tokens that its grammar allows. */
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { LogitsProcessor, TokenOrigin } from '../logits-processors.ts';
import { compileAutomaton } from './automaton.ts';
import { grammarOf, type GrammarSpec } from './json-schema.ts';
import { GrammarMatcher } from './matcher.ts';
import { tokenTable } from './token-table.ts';

/** The last matchers of each tokenizer: scripts ask for the same form again, and masks are known then. */
const matchers = new WeakMap<Tokenizer, Map<string, GrammarMatcher>>();
const keptMatchers = 4;

/** A matcher at its start. One answer is written at a time, so that it has one user. */
function matcherFor(spec: GrammarSpec, tokenizer: Tokenizer): GrammarMatcher {
  const kept = matchers.get(tokenizer) ?? new Map<string, GrammarMatcher>();
  matchers.set(tokenizer, kept);
  const key = JSON.stringify(spec);
  const matcher =
    kept.get(key) ?? new GrammarMatcher(compileAutomaton(grammarOf(spec)), tokenTable(tokenizer));
  kept.delete(key);
  kept.set(key, matcher);
  for (const oldest of kept.keys()) if (kept.size > keptMatchers) kept.delete(oldest);
  matcher.reset();
  return matcher;
}

export class GrammarConstraint implements LogitsProcessor {
  readonly #tokenizer: Tokenizer;
  readonly #matcher: GrammarMatcher;
  readonly #ends: readonly number[];

  /** @throws AppError `invalid-argument`, `not-supported` for what is no grammar */
  constructor(spec: GrammarSpec, tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#matcher = matcherFor(spec, tokenizer);
    this.#ends = tokenTable(tokenizer).endTokens;
  }

  /** Whether the text is complete and nothing can follow. */
  get finished(): boolean {
    return this.#matcher.finished;
  }

  process(logits: Float32Array): void {
    const mask = this.#matcher.mask();
    const ends = this.#ends.map((id) => logits[id] ?? -Infinity);
    let allowed = 0;
    for (const [word, bits] of mask.entries()) {
      allowed |= bits;
      if (bits === 0xffffffff) continue;
      const start = word * 32;
      if (bits === 0) logits.fill(-Infinity, start, start + 32);
      else
        for (let bit = 0; bit < 32; bit++)
          if (((bits >>> bit) & 1) === 0) logits[start + bit] = -Infinity;
    }
    // Where the vocabulary has no token to go on with, the end is better than noise.
    if (!this.#matcher.accepting && allowed !== 0) return;
    for (const [index, id] of this.#ends.entries()) logits[id] = ends[index] as number;
  }

  accept(token: number, origin: TokenOrigin): void {
    if (origin === 'generated') this.#matcher.accept(this.#tokenizer.tokenBytes(token));
  }

  reset(): void {
    this.#matcher.reset();
  }
}
