/** The parts of JSON (RFC 8259) as rules over bytes. */
import {
  choice,
  literal,
  nothing,
  optional,
  range,
  repeat,
  rule,
  sequence,
  type Expression,
} from './expression.ts';

const digit = range([0x30, 0x39]);
const hexDigit = range([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]);
const continuation = range([0x80, 0xbf]);

/** A character beyond ASCII in well-formed UTF-8 (Unicode 15, table 3-7). */
const beyondAscii = choice(
  sequence(range([0xc2, 0xdf]), continuation),
  sequence(range([0xe0, 0xe0]), range([0xa0, 0xbf]), continuation),
  sequence(range([0xe1, 0xec], [0xee, 0xef]), continuation, continuation),
  sequence(range([0xed, 0xed]), range([0x80, 0x9f]), continuation),
  sequence(range([0xf0, 0xf0]), range([0x90, 0xbf]), continuation, continuation),
  sequence(range([0xf1, 0xf3]), continuation, continuation, continuation),
  sequence(range([0xf4, 0xf4]), range([0x80, 0x8f]), continuation, continuation),
);

/** One character inside a string. */
const character = choice(
  range([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]),
  sequence(
    literal('\\'),
    choice(
      range(...[...'"\\/bfnrt'].map((each) => [each.charCodeAt(0), each.charCodeAt(0)] as const)),
      sequence(literal('u'), hexDigit, hexDigit, hexDigit, hexDigit),
    ),
  ),
  beyondAscii,
);

/**
 * White space between tokens, as much as indented JSON needs: without a limit some models write
 * line breaks for ever.
 */
const space = optional(
  choice(literal(' '), sequence(literal('\n'), repeat(range([0x20, 0x20], [0x09, 0x09]), 0, 40))),
);

/** As many digits as a double holds; more could go on for ever. */
const digits = repeat(digit, 1, 15);
const wholeNumber = sequence(range([0x31, 0x39]), repeat(digit, 0, 14));
/** No "-0", which is a whole number to some readers and none to others. */
const integer = choice(literal('0'), sequence(optional(literal('-')), wholeNumber));
const numberStart = sequence(optional(literal('-')), choice(literal('0'), wholeNumber));
const fraction = optional(sequence(literal('.'), digits));
const exponent = optional(
  sequence(
    range([0x45, 0x45], [0x65, 0x65]),
    optional(range([0x2b, 0x2b], [0x2d, 0x2d])),
    repeat(digit, 1, 2),
  ),
);

/** Each item and what separates it from the next; `least` items, and `most` or no limit. */
export function listOf(item: Expression, least: number, most: number | null): Expression {
  if (most === 0) return nothing;
  const more = repeat(
    sequence(rule('comma'), item),
    Math.max(0, least - 1),
    most === null ? null : most - 1,
  );
  const some = sequence(item, more);
  return least === 0 ? optional(some) : some;
}

export function inBrackets(open: string, inside: Expression, close: string): Expression {
  return sequence(literal(open), rule('space'), inside, rule('space'), literal(close));
}

export function member(key: Expression, value: Expression): Expression {
  return sequence(key, literal(':'), optional(literal(' ')), value);
}

export function jsonString(least = 0, most: number | null = null): Expression {
  if (least === 0 && most === null) return rule('string');
  return sequence(literal('"'), repeat(rule('character'), least, most), literal('"'));
}

/**
 * A string that is none of `words`, compared as they are written without needless escapes; what has
 * escapes of its own is left out, since it might spell one of them.
 */
export function stringExcept(words: readonly string[]): Expression {
  const bytes = words.map((word) => [
    ...new TextEncoder().encode(JSON.stringify(word).slice(1, -1)),
  ]);
  return sequence(literal('"'), tailExcept(bytes), literal('"'));
}

const plainCharacter = choice(range([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]), beyondAscii);

function tailExcept(words: readonly (readonly number[])[]): Expression {
  if (words.length === 0) return repeat(plainCharacter, 0, null);
  const byFirst = new Map<number, number[][]>();
  for (const [first, ...rest] of words) {
    if (first === undefined) continue;
    byFirst.set(first, [...(byFirst.get(first) ?? []), rest]);
  }
  // Words that go on with a byte beyond ASCII are excluded by that byte's whole range.
  const taken = [...byFirst.keys()];
  const free = freeAscii(taken);
  const other = taken.some((byte) => byte >= 0x80)
    ? []
    : [sequence(beyondAscii, repeat(plainCharacter, 0, null))];
  const items = [
    ...(free.length === 0 ? [] : [sequence(range(...free), repeat(plainCharacter, 0, null))]),
    ...other,
    ...[...byFirst]
      .filter(([byte]) => byte < 0x80 && byte !== 0x5c)
      .map(([byte, rest]) => sequence(range([byte, byte]), tailExcept(rest))),
  ];
  const isWord = words.some((word) => word.length === 0);
  return isWord ? choice(...items) : choice(nothing, ...items);
}

/** Ranges of ASCII that stand for themselves in a string, without the taken bytes. */
function freeAscii(taken: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (let byte = 0x20; byte < 0x80; byte++) {
    if (byte === 0x22 || byte === 0x5c || taken.includes(byte)) continue;
    const last = ranges.at(-1);
    if (last?.[1] === byte - 1) last[1] = byte;
    else ranges.push([byte, byte]);
  }
  return ranges;
}

const anyMember = member(rule('string'), rule('value'));

export const jsonRules: ReadonlyMap<string, Expression> = new Map<string, Expression>([
  ['space', space],
  ['comma', sequence(literal(','), rule('space'))],
  ['character', character],
  ['string', sequence(literal('"'), repeat(character, 0, null), literal('"'))],
  ['integer', integer],
  ['number', sequence(numberStart, fraction, exponent)],
  ['object', inBrackets('{', listOf(anyMember, 0, null), '}')],
  ['array', inBrackets('[', listOf(rule('value'), 0, null), ']')],
  [
    'value',
    choice(
      rule('object'),
      rule('array'),
      rule('string'),
      rule('number'),
      literal('true'),
      literal('false'),
      literal('null'),
    ),
  ],
]);
