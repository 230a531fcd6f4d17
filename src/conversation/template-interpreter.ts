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
 * - `map`, `select`, `reject` and their kin take every filter and test by name, and an attribute that
 *   is missing is undefined to the test.
 * - The lazy sequence filters give something without length and JSON form until `list` is applied.
 */
import { Interpreter } from '@huggingface/jinja';
import type { Environment } from '@huggingface/jinja';
import {
  evaluatedType,
  TemplateFlaw,
  escapeHtml,
  runtimeValue,
  evaluated,
  isText,
  filterName,
  isIterable,
  itemsOf,
  listOf,
  testOf,
  written,
  kindOf,
  equal,
} from './template-values.ts';
import type {
  Value,
  Node,
  IdentifierNode,
  FilterNode,
  BinaryNode,
  ForNode,
  SelectNode,
  KeywordNode,
  EvaluatedNode,
} from './template-values.ts';

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
/** The package makes scopes and closures for each turn: 2.7 microseconds measured, 4 other nodes. */
const stepsPerTurn = 4;

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
      if (name === 'list') return listOf(itemsOf(operand));
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
    if (lazyFilters.has(name) && isIterable(operand)) {
      const result = listOf(this.#lazyFilter(name, operand, node.filter, environment));
      this.#lazy.add(result);
      return result;
    }
    const filter = this.#evaluatedFilter(node.filter, name, environment);
    const result = super.evaluate(
      { type: node.type, operand: evaluated(operand), filter } as FilterNode,
      environment,
    );
    if (name === 'safe' && isText(result)) return this.#mark(result.value);
    return result;
  }

  /** `map`, `select`, `reject`, `selectattr`, `rejectattr` with filters and tests by name. */
  #lazyFilter(
    name: string,
    operand: Value,
    filter: FilterNode['filter'],
    environment: Environment,
  ): Value[] {
    const items = itemsOf(operand);
    this.#takeSteps(items.length);
    const { positional, keyword } = this.#arguments(filter, environment);
    if (name === 'map')
      return items.map((item) => this.#mapItem(item, filter, positional, keyword, environment));
    const byAttribute = name.endsWith('attr');
    const attribute = byAttribute ? positional.shift() : undefined;
    if (byAttribute && attribute === undefined)
      throw new TemplateFlaw(`${name} names no attribute`);
    const test = testOf(positional, environment);
    const wanted = name.startsWith('select');
    return items.filter((item) => {
      const tested =
        attribute === undefined ? item : this.#attribute(item, written(attribute), environment);
      return test(tested) === wanted;
    });
  }

  #mapItem(
    item: Value,
    filter: FilterNode['filter'],
    positional: readonly Value[],
    keyword: ReadonlyMap<string, Value>,
    environment: Environment,
  ): Value {
    const attribute = keyword.get('attribute');
    if (attribute !== undefined) {
      const value = this.#attribute(item, written(attribute), environment);
      return value.type === 'UndefinedValue' ? (keyword.get('default') ?? value) : value;
    }
    const [name, ...rest] = positional;
    if (name === undefined || !isText(name)) throw new TemplateFlaw('map names no filter');
    const identifier: IdentifierNode = { type: 'Identifier', value: name.value };
    const args = rest.map(evaluated);
    const each = args.length === 0 ? identifier : { ...filter, callee: identifier, args };
    return this.#filter(
      { type: 'FilterExpression', operand: evaluated(item), filter: each },
      environment,
    );
  }

  /** `a.b` of a value; undefined where it has none. */
  #attribute(item: Value, path: string, environment: Environment): Value {
    return path.split('.').reduce((value, part): Value => {
      if (value.type === 'UndefinedValue') {
        throw new TemplateFlaw(`it reads ${part} of something undefined`);
      }
      if (value.type === 'NullValue') return runtimeValue(undefined);
      const property = evaluated(runtimeValue(/^\d+$/.test(part) ? Number(part) : part));
      const member = {
        type: 'MemberExpression',
        object: evaluated(value),
        property,
        computed: true,
      };
      return super.evaluate(member, environment);
    }, item);
  }

  #arguments(
    filter: FilterNode['filter'],
    environment: Environment,
  ): { readonly positional: Value[]; readonly keyword: ReadonlyMap<string, Value> } {
    const positional: Value[] = [];
    const keyword = new Map<string, Value>();
    for (const argument of 'args' in filter ? filter.args : []) {
      if (argument.type === 'KeywordArgumentExpression') {
        const { key, value } = argument as KeywordNode;
        keyword.set((key as IdentifierNode).value, this.evaluate(value, environment));
      } else if (argument.type.endsWith('SpreadExpression')) {
        throw new TemplateFlaw('it unpacks arguments into a filter');
      } else {
        positional.push(this.evaluate(argument, environment));
      }
    }
    return { positional, keyword };
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
