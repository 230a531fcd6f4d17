/**
 * What bounding an answer by a grammar costs, on a made-up vocabulary of 150,000 tokens: compiling the
 * schema, and the masks of the tokens of a text. `cold`: nothing known; `warm`: the text again.
 */
import { compileAutomaton } from '../../src/engine/generation/grammar/automaton.ts';
import { grammarOf } from '../../src/engine/generation/grammar/json-schema.ts';
import { GrammarMatcher } from '../../src/engine/generation/grammar/matcher.ts';
import { schemas } from '../../src/engine/generation/grammar/testing/sample-schemas.ts';
import { tokenTable } from '../../src/engine/generation/grammar/token-table.ts';
import { Xoshiro128 } from '../../src/engine/generation/random.ts';
import { WordTokenizer } from '../../src/engine/generation/testing/word-tokenizer.ts';

export interface GrammarRow {
  readonly schema: string;
  readonly compileMs: number;
  readonly coldMaskMs: number;
  readonly slowestMaskMs: number;
  readonly warmMaskMs: number;
}

export interface GrammarReport {
  readonly vocabularySize: number;
  readonly tableMs: number;
  readonly rows: readonly GrammarRow[];
}

const vocabularySize = 150_000;
const repetitions = 20;
const punctuation = [
  '{"',
  '"}',
  '": "',
  '":',
  '": ',
  '", "',
  '"},',
  '},',
  '}]',
  ']}',
  '[{"',
  '\n  ',
  '\n    ',
  '",\n',
];
const texts: Readonly<Record<string, string>> = {
  anything: '{"title": "The sea", "pages": [1, 2, {"deep": [true, null, -4.5e7]}], "by": "Ann"}',
  person: '{"name": "Ann of the hills", "age": 42, "tags": ["sea", "boats"], "kind": "two"}',
  tree: '{"value": 1.5, "left": {"value": 2, "left": {"value": 3, "left": null}}}',
  call: '{"name":"add","arguments":{"a": 1, "note": "as much as there is"}}',
  list: '[true, false, 12, 7, 100000]',
};

/** Syllables put together, a third of them with a space before, as in real vocabularies. */
function makeWords(count: number): string[] {
  const random = Xoshiro128.fromSeed(1);
  const pick = (letters: string): string => letters[random.nextUint32() % letters.length] ?? '';
  const words = new Set(punctuation);
  while (words.size < count) {
    const syllables = 1 + (random.nextUint32() % 4);
    let word = random.nextUint32() % 3 === 0 ? ' ' : '';
    for (let at = 0; at < syllables; at++) word += pick('bcdfghklmnprstvz') + pick('aeiouyé');
    words.add(random.nextUint32() % 8 === 0 ? word.toUpperCase() : word);
  }
  return [...words];
}

function timed<T>(work: () => T): { readonly result: T; readonly ms: number } {
  const start = performance.now();
  const result = work();
  return { result, ms: performance.now() - start };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

export function runGrammarBench(): GrammarReport {
  const tokenizer = new WordTokenizer(makeWords(vocabularySize - 257));
  const { result: table, ms: tableMs } = timed(() => tokenTable(tokenizer));
  const bytes = (text: string): Uint8Array[] =>
    [...text.matchAll(/\W|\w{1,5}/gu)].map(([piece]) => new TextEncoder().encode(piece));
  const rows = Object.entries(schemas).map(([name, schema]): GrammarRow => {
    const compile = () =>
      timed(() => compileAutomaton(grammarOf([{ before: '', schema, after: '' }])));
    const compiled = Array.from({ length: repetitions }, compile);
    const matcher = new GrammarMatcher((compiled[0] as (typeof compiled)[0]).result, table);
    const masks = (): number[] => {
      matcher.reset();
      return bytes(texts[name] ?? '').map((piece) => {
        const { ms } = timed(() => matcher.mask());
        if (!matcher.accept(piece)) throw new Error(`${name}: the text does not follow its schema`);
        return ms;
      });
    };
    const cold = masks();
    const warm = Array.from({ length: repetitions }, () => mean(masks()));
    return {
      schema: name,
      compileMs: median(compiled.map(({ ms }) => ms)),
      coldMaskMs: mean(cold),
      slowestMaskMs: Math.max(...cold),
      warmMaskMs: median(warm),
    };
  });
  return { vocabularySize, tableMs, rows };
}
