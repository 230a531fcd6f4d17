/** Texts written under a grammar, judged by others: a validator, and the grammars of xgrammar. */
import { describe, expect, it } from 'vitest';
import { compileAutomaton } from '../../src/engine/generation/grammar/automaton.ts';
import { grammarOf } from '../../src/engine/generation/grammar/json-schema.ts';
import { GrammarMatcher } from '../../src/engine/generation/grammar/matcher.ts';
import { writeAtRandom } from '../../src/engine/generation/grammar/testing/random-writer.ts';
import { schemas } from '../../src/engine/generation/grammar/testing/sample-schemas.ts';
import { tokenTable } from '../../src/engine/generation/grammar/token-table.ts';
import { WordTokenizer } from '../../src/engine/generation/testing/word-tokenizer.ts';
import { followsSchema, loadXgrammar } from '../fixtures/schema-oracle.ts';

const tokenizer = new WordTokenizer([
  '{"',
  '"}',
  '": ',
  '":',
  '", "',
  '},',
  ']}',
  'true',
  '€ ',
  '\n ',
]);
const table = tokenTable(tokenizer);
const textsOfSchema = 60;

describe('texts written at random', () => {
  it.each(Object.entries(schemas))('follow their schema: %s', async (_name, schema) => {
    const xgrammar = await loadXgrammar();
    const theirs = await xgrammar.Grammar.fromJSONSchema(JSON.stringify(schema), true);
    const automaton = compileAutomaton(grammarOf([{ before: '', schema, after: '' }]));
    const matcher = new GrammarMatcher(automaton, table);
    for (let seed = 0; seed < textsOfSchema; seed++) {
      const text = writeAtRandom(matcher, tokenizer, table, seed);
      const value: unknown = JSON.parse(text);
      const taken = await xgrammar.Testings.isGrammarAcceptString(theirs, text);
      const follows = followsSchema(value, schema, schema);
      expect({ text, follows, taken }).toEqual({ text, follows: true, taken: true });
    }
    theirs.dispose();
  });
});
