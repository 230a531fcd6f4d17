/**
 * Values and syntax nodes of `@huggingface/jinja`, as far as the interpreter looks into them: the
 * package exports neither their types nor their classes.
 */
import { Environment } from '@huggingface/jinja';
import type { Interpreter } from '@huggingface/jinja';

/** Type of the nodes that this interpreter adds, see `EvaluatedNode`. */
export const evaluatedType = 'Evaluated';

/** A limit was reached, or the template did what Python's Jinja forbids. */
export class TemplateFlaw extends Error {
  override readonly name = 'TemplateFlaw';
}

export type Value = ReturnType<Interpreter['evaluate']>;
export type Node = NonNullable<Parameters<Interpreter['evaluate']>[0]>;

// The parts of the package's syntax tree that are looked into; it does not export their types.
export interface IdentifierNode extends Node {
  readonly value: string;
}
export interface CallNode extends Node {
  readonly callee: Node;
  readonly args: readonly Node[];
}
export interface FilterNode extends Node {
  readonly operand: Node;
  readonly filter: IdentifierNode | CallNode;
}
export interface BinaryNode extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}
export interface ForNode extends Node {
  readonly iterable: Node;
}
/** A loop with a condition: `for x in lhs if test`. */
export interface SelectNode extends Node {
  readonly lhs: Node;
  readonly test: Node;
}
export interface KeywordNode extends Node {
  readonly key: Node;
  readonly value: Node;
}
/** A node whose value is known already, so that the package does not evaluate it a second time. */
export interface EvaluatedNode extends Node {
  readonly value: Value;
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => htmlEscapes[character] ?? character);
}

/** A JavaScript value as a value of the interpreter. */
export function runtimeValue(value: unknown): Value {
  return new Environment().set('value', value);
}

export function evaluated(value: Value): EvaluatedNode {
  return { type: evaluatedType, value };
}

export function isText(value: Value): value is Value & { value: string } {
  return value.type === 'StringValue';
}

export function filterName(filter: FilterNode['filter']): string {
  const name = 'args' in filter ? filter.callee : filter;
  return name.type === 'Identifier' ? (name as IdentifierNode).value : '';
}

export function isIterable(value: Value): boolean {
  return ['ArrayValue', 'TupleValue', 'ObjectValue', 'StringValue'].includes(value.type);
}

/** What a loop over the value sees: items, keys or characters. */
export function itemsOf(value: Value): readonly Value[] {
  const contents: unknown = value.value;
  if (Array.isArray(contents)) return contents as Value[];
  const parts = contents instanceof Map ? contents.keys() : String(contents);
  return Array.from(parts as Iterable<string>, runtimeValue);
}

export function listOf(items: readonly Value[]): Value {
  const list = runtimeValue([]);
  list.value = [...items];
  return list;
}

/** A test by name with its argument; truth where none is named. */
export function testOf(
  [name, argument]: readonly Value[],
  environment: Environment,
): (value: Value) => boolean {
  if (name === undefined) return (value) => value.__bool__().value;
  const spelling = written(name);
  if (argument !== undefined) {
    if (['equalto', 'eq', '=='].includes(spelling)) return (value) => equal(value, argument);
    if (['ne', '!='].includes(spelling)) return (value) => !equal(value, argument);
    if (spelling === 'in') {
      return (value) =>
        isText(argument) && isText(value)
          ? argument.value.includes(value.value)
          : itemsOf(argument).some((item) => equal(item, value));
    }
  }
  const test = environment.tests.get(spelling);
  if (test === undefined) throw new TemplateFlaw(`it uses the unknown test ${spelling}`);
  return (value) => (argument === undefined ? test(value) : test(value, argument));
}

export function written(value: Value): string {
  if (value.type === 'NullValue') return 'None';
  if (value.type === 'UndefinedValue') return '';
  if (value.type === 'BooleanValue') return value.value === true ? 'True' : 'False';
  return value.toString();
}

export function kindOf(value: Value): string {
  return value.type.replace(/Value$/, '').toLowerCase();
}

export function equal(left: Value, right: Value): boolean {
  if (isNothing(left) || isNothing(right)) return left.type === right.type;
  const a: unknown = left.value;
  const b: unknown = right.value;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => equal(item as Value, b[i] as Value));
  }
  if (a instanceof Map && b instanceof Map) {
    if (a === b) return true;
    return (
      a.size === b.size &&
      [...a].every(([key, item]) => b.has(key) && equal(item as Value, b.get(key) as Value))
    );
  }
  if (isNumeric(a) && isNumeric(b)) return Number(a) === Number(b);
  return a === b;
}

export function isNothing(value: Value): boolean {
  return value.type === 'NullValue' || value.type === 'UndefinedValue';
}

export function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}
