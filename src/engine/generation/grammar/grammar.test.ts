import { describe, expect, it } from 'vitest';
import { Xoshiro128 } from '../random.ts';
import { WordTokenizer } from '../testing/word-tokenizer.ts';
import { compileAutomaton } from './automaton.ts';
import { choice, literal, nothing, optional, range, repeat, rule, sequence } from './expression.ts';
import type { Expression } from './expression.ts';
import { GrammarConstraint } from './grammar-constraint.ts';
import { grammarOf, type JsonSchema } from './json-schema.ts';
import { GrammarMatcher } from './matcher.ts';
import { tokenTable } from './token-table.ts';
import { schemas } from './testing/sample-schemas.ts';

const words = [
  '{"',
  '"}',
  '": ',
  '":',
  '", "',
  '},',
  '}]',
  ']}',
  '}}',
  ', ',
  '[[',
  'true',
  'null',
  'na',
  'name',
  '"name',
  'é',
  '€ ',
  '\n  ',
  '1.5',
  '-1',
  '00',
  'x"y',
];
const tokenizer = new WordTokenizer(words);
const table = tokenTable(tokenizer);
const encoder = new TextEncoder();

function matcherOf(root: Expression, rules: Record<string, Expression> = {}): GrammarMatcher {
  const grammar = { root, rules: new Map(Object.entries(rules)) };
  return new GrammarMatcher(compileAutomaton(grammar), table);
}
const schemaMatcher = (schema: JsonSchema): GrammarMatcher =>
  new GrammarMatcher(compileAutomaton(grammarOf([{ before: '', schema, after: '' }])), table);

function accepts(matcher: GrammarMatcher, text: string): boolean {
  matcher.reset();
  return matcher.accept(encoder.encode(text)) && matcher.accepting;
}

const allowed = (mask: Uint32Array, id: number): boolean =>
  (((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1;

describe('an automaton', () => {
  const a = literal('a');
  it.each<[string, Expression, readonly string[], readonly string[]]>([
    ['a text', literal('aé'), ['aé'], ['', 'a', 'aéa']],
    ['nothing', nothing, [''], ['a']],
    ['a range', range([0x61, 0x63], [0x78, 0x78]), ['a', 'c', 'x'], ['d', '']],
    ['a choice', choice(a, literal('ab'), nothing), ['', 'a', 'ab'], ['b']],
    ['an option', sequence(optional(a), literal('b')), ['b', 'ab'], ['aab']],
    ['a repetition', repeat(a, 2, 3), ['aa', 'aaa'], ['a', 'aaaa']],
    ['an endless one', repeat(choice(a, literal('bb')), 1, null), ['a', 'abba'], ['', 'ab']],
    [
      'nested ones',
      repeat(sequence(a, repeat(literal('b'), 0, null)), 0, 2),
      ['', 'abab', 'abb'],
      ['aaa', 'b'],
    ],
  ])('reads %s', (_name, expression, good, bad) => {
    const matcher = matcherOf(expression);
    for (const text of good) expect([text, accepts(matcher, text)]).toEqual([text, true]);
    for (const text of bad) expect([text, accepts(matcher, text)]).toEqual([text, false]);
  });

  it('reads nested rules to any depth, and rules that may be empty', () => {
    const nest = choice(sequence(literal('('), rule('nest'), literal(')'), rule('nest')), nothing);
    const matcher = matcherOf(rule('nest'), { nest });
    const deep = '('.repeat(3000) + ')'.repeat(3000);
    expect(accepts(matcher, `()(())${deep}`)).toBe(true);
    expect(accepts(matcher, `${deep})`)).toBe(false);
    expect(accepts(matcher, '(()')).toBe(false);
  });

  it('keeps no stack for what comes last', () => {
    const list = choice(sequence(literal('a'), rule('list')), literal('.'));
    const matcher = matcherOf(rule('list'), { list });
    expect(accepts(matcher, `${'a'.repeat(100_000)}.`)).toBe(true);
  });

  it('refuses rules that are missing or begin with themselves', () => {
    const invalid: unknown = expect.objectContaining({ code: 'invalid-argument' });
    expect(() => matcherOf(rule('gone'))).toThrow(invalid);
    expect(() => matcherOf(rule('x'), { x: sequence(rule('x'), a) })).toThrow(invalid);
    expect(() =>
      matcherOf(rule('x'), { x: choice(a, sequence(optional(a), rule('y'))), y: rule('x') }),
    ).toThrow(invalid);
    expect(() => matcherOf(repeat(repeat(literal('aaaa'), 1000, 1000), 1000, 1000))).toThrow(
      invalid,
    );
  });
});

describe('a schema', () => {
  it.each<[string, JsonSchema, readonly string[], readonly string[]]>([
    [
      'true',
      true,
      ['1', '"a"', '{"a": [1, {}]}', '[]', '-0.5e-7', '"\\u00e9\\n"', '"é€😀"'],
      ['', '01', '[1,]', '{a: 1}', '"\n"', "'a'", '1.', 'True'],
    ],
    [
      'an object',
      { type: 'object' },
      ['{}', '{ "a": 1 }', '{\n  "a": 1,\n  "b": {}\n}'],
      ['[]', '1', '{"a" 1}', '{"a":1,}'],
    ],
    ['string', { type: 'string' }, ['""', '"a\\"b"'], ['"a', '1']],
    [
      'short strings',
      { type: 'string', minLength: 1, maxLength: 2 },
      ['"a"', '"é€"', '"\\n1"'],
      ['""', '"abc"'],
    ],
    ['integer', { type: 'integer' }, ['0', '-12'], ['1.5', '1e3', '007', '-']],
    ['several types', { type: ['null', 'boolean'] }, ['null', 'true', 'false'], ['0', '"null"']],
    ['enum', { enum: ['a', 1, null, { b: 2 }] }, ['"a"', '1', 'null', '{"b":2}'], ['"b"', '"a']],
    ['const', { const: 'x"y' }, ['"x\\"y"'], ['"x"']],
    ['either', { anyOf: [{ type: 'integer' }, { const: 'a' }] }, ['1', '"a"'], ['"b"']],
    [
      'an array',
      { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 2 },
      ['[1]', '[1, 2]', '[ 1,\n 2 ]'],
      ['[]', '[1,2,3]', '["a"]'],
    ],
    ['no items', { type: 'array', maxItems: 0 }, ['[]'], ['[1]']],
    [
      'a tuple',
      { type: 'array', prefixItems: [{ const: 1 }, { const: 2 }], items: false },
      ['[1, 2]'],
      ['[1]', '[1,2,3]'],
    ],
    [
      'an open tuple',
      { prefixItems: [{ const: 1 }], items: { const: 2 }, minItems: 2, maxItems: 3 },
      ['[1,2]', '[1,2,2]'],
      ['[1]', '[1,2,2,2]', '[1,1]'],
    ],
    [
      'properties',
      {
        type: 'object',
        properties: { a: { type: 'integer' }, b: { type: 'string' }, c: { const: 1 } },
        required: ['b'],
      },
      ['{"b": "x"}', '{"a": 1, "b": ""}', '{"b":"","c":1}', '{"a":1,"b":"","c":1}'],
      ['{}', '{"a": 1}', '{"b": ""', '{"b":"","a":1}', '{"b":"","d":1}', '{,"b":""}', '{"b":"",}'],
    ],
    [
      'optional properties',
      { properties: { a: { const: 1 }, b: { const: 2 } } },
      ['{}', '{"a":1}', '{"b":2}', '{"a":1,"b":2}'],
      ['{"b":2,"a":1}', '{"a":1,"a":1}'],
    ],
    ['required alone', { required: ['a'] }, ['{"a": [1]}'], ['{}']],
    [
      'more properties',
      {
        type: 'object',
        properties: { ab: { const: 1 } },
        additionalProperties: { type: 'integer' },
      },
      ['{}', '{"ab":1}', '{"ab":1,"a":2,"abc":3}', '{"x":1}', '{"é":1}'],
      ['{"ab":2}', '{"ab":1,"ab":2}', '{"x":"y"}', '{"\\u0061b":2}'],
    ],
    ['nothing more', { type: 'object', additionalProperties: false }, ['{}', '{ }'], ['{"a":1}']],
    [
      'itself',
      {
        $ref: '#/$defs/node',
        $defs: {
          node: {
            type: 'object',
            properties: { next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/node' }] } },
            required: ['next'],
          },
        },
      },
      ['{"next": null}', '{"next":{"next":{"next":null}}}'],
      ['{"next":{}}', '{"next":{"next":null}'],
    ],
    [
      'several together',
      {
        allOf: [{ $ref: '#/$defs/a' }, { properties: { b: { const: 2 } }, required: ['b'] }],
        $defs: { a: { type: 'object', properties: { a: { const: 1 } }, required: ['a'] } },
      },
      ['{"a":1,"b":2}'],
      ['{"a":1}', '{"b":2}'],
    ],
  ])('of %s', (_name, schema, good, bad) => {
    const matcher = schemaMatcher(schema);
    for (const text of good) expect([text, accepts(matcher, text)]).toEqual([text, true]);
    for (const text of bad) expect([text, accepts(matcher, text)]).toEqual([text, false]);
  });

  it.each<[string, string, unknown]>([
    ['not-supported', '#/pattern', { type: 'string', pattern: 'a' }],
    ['not-supported', '#/properties/a/minimum', { properties: { a: { minimum: 1 } } }],
    ['not-supported', '#/$ref', { $ref: 'https://example.org/schema' }],
    ['invalid-argument', '#/$ref', { $ref: '#/$defs/gone' }],
    ['invalid-argument', '#', false],
    ['invalid-argument', '#', 'text'],
    ['invalid-argument', '#/type', { type: 'date' }],
    ['invalid-argument', '#/enum', { enum: [] }],
    ['invalid-argument', '#/maxLength', { type: 'string', maxLength: 1001 }],
    ['invalid-argument', '#/maxItems', { type: 'array', minItems: 2, maxItems: 1 }],
  ])('is refused as %s at %s', (code, field, schema) => {
    expect(() => schemaMatcher(schema as JsonSchema)).toThrow(
      expect.objectContaining({ code, details: { field } }),
    );
  });

  it('overlooks what it cannot promise where it is lenient', () => {
    const schema = { properties: { a: { type: 'integer', minimum: 1 } }, required: ['a'] };
    const spec = [{ before: '<', schema, after: '>', lenient: true }];
    const matcher = new GrammarMatcher(compileAutomaton(grammarOf(spec)), table);
    expect(accepts(matcher, '<{"a": 0}>')).toBe(true);
    expect(accepts(matcher, '<{"a": "0"}>')).toBe(false);
    expect(() => grammarOf([{ ...spec[0]!, lenient: false }])).toThrow(/minimum/);
  });

  it('takes the greatest count and nothing deeper than the limit', () => {
    expect(accepts(schemaMatcher({ type: 'string', maxLength: 1000 }), '"a"')).toBe(true);
    const nested = (depth: number): JsonSchema =>
      depth === 0 ? true : { type: 'array', items: nested(depth - 1) };
    expect(() => schemaMatcher(nested(64))).not.toThrow();
    expect(() => schemaMatcher(nested(65))).toThrow(/deep/);
  });
});

describe('a mask', () => {
  it.each(Object.entries(schemas))(
    'says of every token what trying it says: %s',
    (_name, schema) => {
      const matcher = schemaMatcher(schema);
      const random = Xoshiro128.fromSeed(7);
      for (let run = 0; run < 3; run++) {
        matcher.reset();
        for (let step = 0; step < 40 && !matcher.finished; step++) {
          const mask = matcher.mask();
          const possible = [...table.ids].filter((id) => matcher.fits(tokenizer.tokenBytes(id)));
          expect([...table.ids].filter((id) => allowed(mask, id))).toEqual(possible);
          const chosen = possible[Math.floor(random.nextDouble() * possible.length)];
          if (chosen === undefined) break;
          matcher.accept(tokenizer.tokenBytes(chosen));
        }
      }
    },
  );

  it('stays right after more positions than are kept', () => {
    const matcher = schemaMatcher(true);
    const text = `${'['.repeat(3000)}{"a": "${'x'.repeat(50)}`;
    for (const byte of encoder.encode(text)) matcher.accept(Uint8Array.of(byte));
    expect(allowed(matcher.mask(), tokenizer.tokenId('"}') ?? 0)).toBe(true);
    expect(matcher.accept(encoder.encode(`"}${']'.repeat(3000)}`))).toBe(true);
    expect(matcher.accepting).toBe(true);
    expect(matcher.finished).toBe(true);
  });
});

describe('a constraint', () => {
  const constraint = (schema: JsonSchema): GrammarConstraint =>
    new GrammarConstraint([{ before: '', schema, after: '' }], tokenizer);
  const open = (given: GrammarConstraint): string[] => {
    const logits = new Float32Array(tokenizer.vocabularySize).fill(1);
    given.process(logits);
    return [...logits].flatMap((logit, id) => (logit === 1 ? [tokenizer.tokenText(id)] : []));
  };

  it('leaves the end open only where the text is complete', () => {
    const given = constraint({ const: 12 });
    expect(open(given)).toEqual(['1']);
    given.accept(0x31, 'prompt');
    expect(open(given)).toEqual(['1']);
    given.accept(0x31, 'generated');
    given.accept(0x32, 'generated');
    expect(open(given)).toEqual(['<|end|>']);
    expect(given.finished).toBe(true);
    given.reset();
    expect(open(given)).toEqual(['1']);
  });

  it('lets a number end or go on', () => {
    const given = constraint({ type: 'integer' });
    given.accept(0x31, 'generated');
    expect(open(given)).toEqual([...'0123456789', '00', '<|end|>']);
    expect(given.finished).toBe(false);
  });
});
