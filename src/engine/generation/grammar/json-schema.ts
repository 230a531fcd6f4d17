/**
 * JSON schemas (draft 2020-12, the part that structured outputs use) as grammars: every text of the
 * grammar is JSON that the schema accepts.
 *
 * Properties come in the order of the schema. Where it says nothing of `additionalProperties`, there
 * are none: a model asked for certain fields is not to invent others. `format` and descriptions say
 * nothing here. What a grammar cannot promise (`pattern`, `minimum`, `not`...) is refused by name, or
 * overlooked where the choice is lenient.
 */
import { AppError } from '../../../common/errors.ts';
import {
  choice,
  literal,
  nothing,
  rule,
  sequence,
  type Expression,
  type Grammar,
} from './expression.ts';
import { inBrackets, jsonRules, jsonString, listOf, member, stringExcept } from './json-grammar.ts';

export type JsonSchema = boolean | Readonly<Record<string, unknown>>;

/** One way that the text may be: a JSON value between two fixed texts. */
export interface GrammarChoice {
  readonly before: string;
  readonly schema: JsonSchema;
  readonly after: string;
  /** Overlooks what no grammar can promise, instead of refusing it: whoever reads the value checks it. */
  readonly lenient?: boolean;
}

/** Plain data, so that it can be sent to a worker. */
export type GrammarSpec = readonly GrammarChoice[];

const ignored = new Set([
  ...['$schema', '$id', '$defs', '$comment', '$anchor', 'definitions', 'title', 'description'],
  ...['default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'format', 'strict'],
]);
const known = new Set([
  ...['type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items'],
  ...['prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength', 'anyOf', 'oneOf', 'allOf'],
  '$ref',
]);
/** Counted items and characters become states, one after the other. */
const maxCount = 1000;
const maxDepth = 64;
const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;

/** @throws AppError `not-supported` or `invalid-argument` that names the place in the schema */
export function grammarOf(spec: GrammarSpec): Grammar {
  const rules = new Map(jsonRules);
  const items = spec.map(({ before, schema, after, lenient = false }, index) => {
    const reader = new SchemaReader(schema, rules, `${index}`, lenient);
    return sequence(literal(before), reader.expression(schema, '#', 0), literal(after));
  });
  return { root: choice(...items), rules };
}

class SchemaReader {
  readonly #document: JsonSchema;
  readonly #rules: Map<string, Expression>;
  readonly #prefix: string;
  readonly #lenient: boolean;

  constructor(
    document: JsonSchema,
    rules: Map<string, Expression>,
    prefix: string,
    lenient: boolean,
  ) {
    this.#document = document;
    this.#rules = rules;
    this.#prefix = prefix;
    this.#lenient = lenient;
  }

  expression(schema: unknown, place: string, depth: number): Expression {
    if (depth > maxDepth) throw invalid(place, `nested at most ${maxDepth} deep`);
    if (schema === true) return rule('value');
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
      throw invalid(place, 'a schema that something can follow');
    }
    const fields = schema as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(fields)) {
      if (this.#lenient || known.has(key) || ignored.has(key)) continue;
      throw unsupported(`${place}/${key}`);
    }
    if (fields['$ref'] !== undefined) return this.#reference(fields['$ref'], place);
    if (fields['const'] !== undefined) return literal(JSON.stringify(fields['const']));
    if (fields['enum'] !== undefined) return enumeration(fields['enum'], place);
    if (fields['allOf'] !== undefined) return this.#all(fields, place, depth);
    const either = fields['anyOf'] ?? fields['oneOf'];
    if (either !== undefined) {
      const options = list(either, `${place}/anyOf`);
      return choice(
        ...options.map((each, index) =>
          this.expression(each, `${place}/anyOf/${index}`, depth + 1),
        ),
      );
    }
    return this.#typed(fields, place, depth);
  }

  /** A schema named elsewhere in the document becomes a rule, so that it may name itself. */
  #reference(given: unknown, place: string): Expression {
    if (typeof given !== 'string' || !/^#(?:\/|$)/u.test(given)) throw unsupported(`${place}/$ref`);
    const name = `${this.#prefix}${given}`;
    if (!this.#rules.has(name)) {
      this.#rules.set(name, nothing);
      this.#rules.set(name, this.expression(this.#find(given, place), given, 0));
    }
    return rule(name);
  }

  /** RFC 6901, "JSON Pointer". */
  #find(pointer: string, place: string): unknown {
    let found: unknown = this.#document;
    for (const part of pointer.split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) {
        throw invalid(`${place}/$ref`, 'the place of a schema in this document');
      }
      found = (found as Readonly<Record<string, unknown>>)[key];
    }
    return found;
  }

  /** One schema alone, or objects whose properties are put together. */
  #all(fields: Readonly<Record<string, unknown>>, place: string, depth: number): Expression {
    const { allOf, ...own } = fields;
    const parts = list(allOf, `${place}/allOf`).map((part) => this.#resolved(part, place));
    const [only] = parts;
    const bare = Object.keys(own).every((key) => ignored.has(key));
    if (parts.length === 1 && bare && only !== undefined) {
      return this.expression(only, `${place}/allOf/0`, depth + 1);
    }
    const merged = [own, ...parts].reduce((sum, part): Readonly<Record<string, unknown>> => {
      const foreign = Object.keys(part).find(
        (key) => !['type', 'properties', 'required'].includes(key) && !ignored.has(key),
      );
      if (foreign !== undefined) throw unsupported(`${place}/allOf/${foreign}`);
      return {
        type: 'object',
        properties: { ...object(sum['properties']), ...object(part['properties']) },
        required: [...names(sum['required']), ...names(part['required'])],
      };
    }, {});
    return this.expression(merged, place, depth + 1);
  }

  #resolved(part: unknown, place: string): Readonly<Record<string, unknown>> {
    const { $ref, ...rest } = object(part);
    if ($ref === undefined) return rest;
    if (typeof $ref !== 'string') throw unsupported(`${place}/$ref`);
    return { ...object(this.#find($ref, place)), ...rest };
  }

  #typed(fields: Readonly<Record<string, unknown>>, place: string, depth: number): Expression {
    const given = fields['type'] ?? impliedType(fields);
    if (given === undefined) return rule('value');
    const wanted = Array.isArray(given) ? given : [given];
    const options = wanted.map((type: unknown): Expression => {
      switch (types.find((each) => each === type)) {
        case 'object':
          return this.#object(fields, place, depth);
        case 'array':
          return this.#array(fields, place, depth);
        case 'string':
          return jsonString(...counts(fields, 'minLength', 'maxLength', place));
        case 'number':
          return rule('number');
        case 'integer':
          return rule('integer');
        case 'boolean':
          return choice(literal('true'), literal('false'));
        case 'null':
          return literal('null');
        case undefined:
          throw invalid(`${place}/type`, `one of ${types.join(', ')}`);
      }
    });
    if (options.length === 0) throw invalid(`${place}/type`, 'at least one type');
    return choice(...options);
  }

  #object(fields: Readonly<Record<string, unknown>>, place: string, depth: number): Expression {
    const properties = Object.entries(object(fields['properties']));
    const required = new Set(names(fields['required']));
    for (const name of required) {
      if (!properties.some(([key]) => key === name)) properties.push([name, true]);
    }
    const more = this.#additional(fields, properties.length > 0, place, depth);
    if (properties.length === 0) {
      return more === null
        ? inBrackets('{', nothing, '}')
        : inBrackets('{', listOf(more, 0, null), '}');
    }
    // From the last property to the first: what may follow, with a member before it and without.
    let after: Expression = more === null ? nothing : sequenceOfMore(more);
    let first: Expression = more === null ? nothing : listOf(more, 0, null);
    for (const [key, schema] of properties.toReversed()) {
      const value = this.expression(schema, `${place}/properties/${key}`, depth + 1);
      const pair = member(literal(JSON.stringify(key)), value);
      const here = sequence(pair, this.#named(after));
      const follows = sequence(rule('comma'), here);
      [first, after] = required.has(key)
        ? [here, follows]
        : [choice(here, this.#named(first)), choice(follows, this.#named(after))];
    }
    return inBrackets('{', first, '}');
  }

  /** As a rule, so that what is written at several places exists once. */
  #named(expression: Expression): Expression {
    if (expression === nothing || expression.kind === 'rule') return expression;
    const name = `${this.#prefix} rest ${this.#rules.size}`;
    this.#rules.set(name, expression);
    return rule(name);
  }

  #additional(
    fields: Readonly<Record<string, unknown>>,
    hasProperties: boolean,
    place: string,
    depth: number,
  ): Expression | null {
    const given = fields['additionalProperties'] ?? !hasProperties;
    if (given === false) return null;
    const value = this.expression(given, `${place}/additionalProperties`, depth + 1);
    const taken = Object.keys(object(fields['properties']));
    const key = taken.length === 0 ? rule('string') : stringExcept(taken);
    return this.#named(member(key, value));
  }

  #array(fields: Readonly<Record<string, unknown>>, place: string, depth: number): Expression {
    const [least, most] = counts(fields, 'minItems', 'maxItems', place);
    const first = fields['prefixItems'] === undefined ? [] : list(fields['prefixItems'], place);
    const fixed = first.map((each, index) =>
      this.expression(each, `${place}/prefixItems/${index}`, depth + 1),
    );
    const rest = fields['items'] ?? true;
    const item =
      rest === false ? null : this.#named(this.expression(rest, `${place}/items`, depth + 1));
    if (fixed.length === 0) {
      return inBrackets('[', item === null ? nothing : listOf(item, least, most), ']');
    }
    if (most !== null && most < fixed.length) throw unsupported(`${place}/maxItems`);
    const inOrder = fixed.flatMap((each, index) => (index === 0 ? [each] : [rule('comma'), each]));
    const missing = Math.max(0, least - fixed.length);
    if (item === null) {
      if (missing > 0) throw invalid(`${place}/minItems`, 'no more than there can be');
      return inBrackets('[', sequence(...inOrder), ']');
    }
    const left = most === null ? null : most - fixed.length;
    const tail =
      missing > 0
        ? sequence(rule('comma'), listOf(item, missing, left))
        : left === 0
          ? nothing
          : choice(nothing, sequence(rule('comma'), listOf(item, 1, left)));
    return inBrackets('[', sequence(...inOrder, tail), ']');
  }
}

/** Members after others: each with a comma before it. */
function sequenceOfMore(more: Expression): Expression {
  return choice(nothing, sequence(rule('comma'), listOf(more, 1, null)));
}

function impliedType(fields: Readonly<Record<string, unknown>>): string | undefined {
  const has = (...keys: readonly string[]): boolean =>
    keys.some((key) => fields[key] !== undefined);
  if (has('properties', 'required', 'additionalProperties')) return 'object';
  if (has('items', 'prefixItems', 'minItems', 'maxItems')) return 'array';
  return has('minLength', 'maxLength') ? 'string' : undefined;
}

function enumeration(given: unknown, place: string): Expression {
  const values = list(given, `${place}/enum`);
  return choice(...values.map((value) => literal(JSON.stringify(value))));
}

function counts(
  fields: Readonly<Record<string, unknown>>,
  leastKey: string,
  mostKey: string,
  place: string,
): [least: number, most: number | null] {
  const read = (key: string): number | null => {
    const value = fields[key];
    if (value === undefined) return null;
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= maxCount) {
      return value as number;
    }
    throw invalid(`${place}/${key}`, `a whole number from 0 to ${maxCount}`);
  };
  const least = read(leastKey) ?? 0;
  const most = read(mostKey);
  if (most !== null && most < least) throw invalid(`${place}/${mostKey}`, `at least ${least}`);
  return [least, most];
}

function list(value: unknown, place: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw invalid(place, 'a list that is not empty');
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function names(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
}

function unsupported(place: string): AppError {
  return new AppError(
    'not-supported',
    `The schema asks at "${place}" for something that Hermit cannot make sure of. Leave it out.`,
    { details: { field: place } },
  );
}

function invalid(place: string, must: string): AppError {
  return new AppError(
    'invalid-argument',
    `The schema is wrong at "${place}": it must be ${must}.`,
    {
      details: { field: place },
    },
  );
}
