/**
 * The Jinja interpreter of chat templates: `@huggingface/jinja`, held to limits, and to the rules of
 * Python's Jinja where the package has its own, because templates were written and tested there.
 *
 * What differs from the package, each rule checked against Jinja 3.1:
 * - An undefined value is '' to text filters and empty to sequence filters; None is the text "None"
 *   to text filters and empty to the lazy sequence filters.
 * - `+` joins text only with text; `~` writes None as "None".
 * - `==` compares values of the same kind, and lists and mappings by their contents.
 * - `safe` marks text; `+` with marked text escapes the unmarked side for HTML.
 * - The lazy sequence filters give something without length and JSON form until `list` is applied.
 */
import { Environment, Interpreter } from '@huggingface/jinja';

export interface TemplateLimits {
  /** Evaluated syntax nodes. */
  readonly steps: number;
  /** Nested calls and loops. */
  readonly depth: number;
  /** Length of any text made on the way, in UTF-16 units. */
  readonly textLength: number;
  /** Spaces that `indent` and `tojson(indent=)` may add. */
  readonly indent: number;
}

/** A limit was reached, or the template did what Python's Jinja forbids. */
export class TemplateFlaw extends Error {
  override readonly name = 'TemplateFlaw';
}

type Value = ReturnType<Interpreter['evaluate']>;
type Node = NonNullable<Parameters<Interpreter['evaluate']>[0]>;

// The parts of the package's syntax tree that are looked into; it does not export their types.
interface IdentifierNode extends Node {
  readonly value: string;
}
interface CallNode extends Node {
  readonly callee: Node;
  readonly args: readonly Node[];
}
interface FilterNode extends Node {
  readonly operand: Node;
  readonly filter: IdentifierNode | CallNode;
}
interface BinaryNode extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}
interface ForNode extends Node {
  readonly iterable: Node;
}
/** A loop with a condition: `for x in lhs if test`. */
interface SelectNode extends Node {
  readonly lhs: Node;
  readonly test: Node;
}
interface KeywordNode extends Node {
  readonly key: Node;
  readonly value: Node;
}
/** A node whose value is known already, so that the package does not evaluate it a second time. */
interface EvaluatedNode extends Node {
  readonly value: Value;
}

const lazyFilters: ReadonlySet<string> = new Set([
  'select',
  'reject',
  'selectattr',
  'rejectattr',
  'map',
]);
const sequenceFilters: ReadonlySet<string> = new Set([
  ...lazyFilters,
  'list',
  'sort',
  'unique',
  'reverse',
  'items',
  'dictsort',
  'length',
  'count',
]);
const textFilters: ReadonlySet<string> = new Set([
  'trim',
  'string',
  'upper',
  'lower',
  'title',
  'capitalize',
  'replace',
  'indent',
]);
const passThroughFilters: ReadonlySet<string> = new Set(['default', 'd', 'tojson']);
const nestingNodes: ReadonlySet<string> = new Set(['For', 'CallExpression', 'CallStatement']);
const evaluatedType = 'Evaluated';
/** The package makes scopes and closures for each turn: 2.7 microseconds measured, 4 other nodes. */
const stepsPerTurn = 4;

const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => htmlEscapes[character] ?? character);
}

/** A JavaScript value as a value of the interpreter. */
function runtimeValue(value: unknown): Value {
  return new Environment().set('value', value);
}

function evaluated(value: Value): EvaluatedNode {
  return { type: evaluatedType, value };
}

function isText(value: Value): value is Value & { value: string } {
  return value.type === 'StringValue';
}

export class TemplateInterpreter extends Interpreter {
  readonly #limits: TemplateLimits;
  readonly #marked = new WeakSet<Value>();
  readonly #lazy = new WeakSet<Value>();
  #steps = 0;
  #depth = 0;

  constructor(environment: Environment, limits: TemplateLimits) {
    super(environment);
    this.#limits = limits;
  }

  /** @throws TemplateFlaw when a limit is reached; whatever the package throws for a broken template */
  override evaluate(node: Node | undefined, environment: Environment): Value {
    if (node === undefined) return super.evaluate(node, environment);
    if (node.type === evaluatedType) return (node as EvaluatedNode).value;
    this.#takeSteps(1);
    const nesting = nestingNodes.has(node.type) ? 1 : 0;
    this.#depth += nesting;
    if (this.#depth > this.#limits.depth) {
      throw new TemplateFlaw(`its calls and loops are nested deeper than ${this.#limits.depth}`);
    }
    try {
      const value = this.#evaluateNode(node, environment);
      if (isText(value) && value.value.length > this.#limits.textLength) {
        throw new TemplateFlaw(`it writes more than ${this.#limits.textLength} characters`);
      }
      return value;
    } finally {
      this.#depth -= nesting;
    }
  }

  #takeSteps(count: number): void {
    this.#steps += count;
    if (this.#steps > this.#limits.steps) {
      throw new TemplateFlaw(`it takes more than ${this.#limits.steps} steps`);
    }
  }

  #evaluateNode(node: Node, environment: Environment): Value {
    if (node.type === 'FilterExpression') return this.#filter(node as FilterNode, environment);
    if (node.type === 'BinaryExpression') return this.#binary(node as BinaryNode, environment);
    if (node.type === 'For') return this.#for(node as ForNode, environment);
    return super.evaluate(node, environment);
  }

  /** Counts the turns as steps: a loop with an empty body evaluates no nodes. */
  #for(node: ForNode, environment: Environment): Value {
    const select = node.iterable.type === 'SelectExpression' ? (node.iterable as SelectNode) : null;
    const items = this.evaluate(select?.lhs ?? node.iterable, environment);
    const contents: unknown = items.value;
    if (Array.isArray(contents)) this.#takeSteps(stepsPerTurn * contents.length);
    else if (contents instanceof Map) this.#takeSteps(stepsPerTurn * contents.size);
    const known = evaluated(items);
    const iterable = select === null ? known : { ...select, type: select.type, lhs: known };
    return super.evaluate({ ...node, type: node.type, iterable } as ForNode, environment);
  }

  #filter(node: FilterNode, environment: Environment): Value {
    const name = filterName(node.filter);
    let operand = this.evaluate(node.operand, environment);
    if (this.#lazy.has(operand)) {
      if (name === 'list') return sameItems(operand);
      if (name === 'tojson' || name === 'length' || name === 'count') {
        throw new TemplateFlaw(`a lazy sequence has no ${name}: "list" is missing before it`);
      }
    }
    if (operand.type === 'UndefinedValue' && !passThroughFilters.has(name)) {
      operand = runtimeValue(sequenceFilters.has(name) ? [] : '');
    } else if (operand.type === 'NullValue') {
      if (lazyFilters.has(name)) operand = runtimeValue([]);
      else if (textFilters.has(name)) operand = runtimeValue('None');
    }
    const filter = this.#evaluatedFilter(node.filter, name, environment);
    const result = super.evaluate(
      { type: node.type, operand: evaluated(operand), filter } as FilterNode,
      environment,
    );
    if (name === 'safe' && isText(result)) return this.#mark(result.value);
    if (lazyFilters.has(name)) this.#lazy.add(result);
    return result;
  }

  /** The filter with its arguments evaluated, where a huge one could cost memory at once. */
  #evaluatedFilter(
    filter: FilterNode['filter'],
    name: string,
    environment: Environment,
  ): FilterNode['filter'] {
    if (!('args' in filter) || (name !== 'indent' && name !== 'tojson')) return filter;
    const check = (node: Node): EvaluatedNode => {
      const value = this.evaluate(node, environment);
      if (typeof value.value === 'number' && value.value > this.#limits.indent) {
        throw new TemplateFlaw(`it indents by more than ${this.#limits.indent}`);
      }
      return evaluated(value);
    };
    const args = filter.args.map((argument): Node => {
      if (argument.type === 'KeywordArgumentExpression') {
        const { type, key, value } = argument as KeywordNode;
        return { type, key, value: check(value) } as KeywordNode;
      }
      if (argument.type.endsWith('SpreadExpression')) {
        throw new TemplateFlaw(`it unpacks arguments into ${name}`);
      }
      return check(argument);
    });
    return { type: filter.type, callee: filter.callee, args };
  }

  #binary(node: BinaryNode, environment: Environment): Value {
    const operator = node.operator.value;
    if (!['+', '~', '==', '!='].includes(operator)) return super.evaluate(node, environment);
    const left = this.evaluate(node.left, environment);
    const right = this.evaluate(node.right, environment);
    if (operator === '==') return runtimeValue(equal(left, right));
    if (operator === '!=') return runtimeValue(!equal(left, right));
    if (operator === '~') return runtimeValue(written(left) + written(right));
    if (isText(left) && isText(right)) return this.#join(left, right);
    if (isText(left) || isText(right)) {
      throw new TemplateFlaw(`it adds ${kindOf(right)} to ${kindOf(left)}`);
    }
    return super.evaluate(
      {
        type: node.type,
        operator: node.operator,
        left: evaluated(left),
        right: evaluated(right),
      } as BinaryNode,
      environment,
    );
  }

  #join(left: Value & { value: string }, right: Value & { value: string }): Value {
    const leftMarked = this.#marked.has(left);
    const rightMarked = this.#marked.has(right);
    if (leftMarked === rightMarked) {
      const joined = left.value + right.value;
      return leftMarked ? this.#mark(joined) : runtimeValue(joined);
    }
    return this.#mark(
      leftMarked ? left.value + escapeHtml(right.value) : escapeHtml(left.value) + right.value,
    );
  }

  #mark(text: string): Value {
    const value = runtimeValue(text);
    this.#marked.add(value);
    return value;
  }
}

function filterName(filter: FilterNode['filter']): string {
  const name = 'args' in filter ? filter.callee : filter;
  return name.type === 'Identifier' ? (name as IdentifierNode).value : '';
}

/** A list value of its own with the items of another. */
function sameItems(list: Value): Value {
  const copy = runtimeValue([]);
  copy.value = list.value;
  return copy;
}

function written(value: Value): string {
  if (value.type === 'NullValue') return 'None';
  if (value.type === 'UndefinedValue') return '';
  if (value.type === 'BooleanValue') return value.value === true ? 'True' : 'False';
  return value.toString();
}

function kindOf(value: Value): string {
  return value.type.replace(/Value$/, '').toLowerCase();
}

function equal(left: Value, right: Value): boolean {
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

function isNothing(value: Value): boolean {
  return value.type === 'NullValue' || value.type === 'UndefinedValue';
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}
