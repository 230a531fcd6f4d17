/**
 * The shape rule of every operator of the catalogue (`ops.ts`).
 *
 * The builder applies them while an architecture is described, and a backend applies them again to
 * the weights it really holds, so that no kernel ever sees sizes that do not fit.
 */
import { AppError } from '../../common/errors.ts';
import type { ActivationId, ActivationSpec, Graph, Op, WeightId } from './ops.ts';

/** A weight as a matrix: `rows` of `columns` contiguous elements; a vector has one row. */
export interface MatrixShape {
  readonly rows: number;
  readonly columns: number;
}

/** Where the rules look shapes up; both throw for an unknown id. */
export interface ShapeLookup {
  activation(id: ActivationId): ActivationSpec;
  weight(id: WeightId): MatrixShape;
}

/**
 * Checks one operator against its rule.
 * @throws AppError `internal`: graphs are made by our own code, after the file's shapes were checked
 */
export function checkOp(op: Op, shapes: ShapeLookup): void {
  const check = (holds: boolean, rule: string): void => {
    if (!holds) throw shapeError(op, rule);
  };
  const same = (a: ActivationId, b: ActivationId, rule: string): void => {
    const [first, second] = [shapes.activation(a), shapes.activation(b)];
    check(first.rows === second.rows && first.columns === second.columns, rule);
  };
  const vector = (id: WeightId | null, length: number, rule: string): void => {
    if (id === null) return;
    const { rows, columns } = shapes.weight(id);
    check(rows === 1 && columns === length, rule);
  };
  const affine = (id: WeightId | null, size: number, columns: number, rule: string): void => {
    if (id === null) return;
    const weight = shapes.weight(id);
    check(weight.columns === size && [1, columns / size].includes(weight.rows), rule);
  };

  switch (op.op) {
    case 'embed': {
      const out = shapes.activation(op.out);
      check(out.rows === 'tokens', 'the result has one row per token');
      check(shapes.weight(op.table).columns === out.columns, 'the table has the columns of out');
      return;
    }
    case 'norm': {
      const { columns } = shapes.activation(op.x);
      same(op.x, op.out, 'x and out have one shape');
      check(isCount(op.groupSize) && columns % op.groupSize === 0, 'groups divide the columns');
      affine(op.weight, op.groupSize, columns, 'weight holds groupSize values, or a row a group');
      affine(op.bias, op.groupSize, columns, 'bias holds groupSize values, or a row a group');
      if (op.weight !== null && op.bias !== null) {
        const [weight, bias] = [shapes.weight(op.weight), shapes.weight(op.bias)];
        check(weight.rows === bias.rows, 'weight and bias have one shape');
      }
      check(op.epsilon >= 0, 'epsilon is not negative');
      return;
    }
    case 'matmul': {
      const [x, out] = [shapes.activation(op.x), shapes.activation(op.out)];
      const weight = shapes.weight(op.weight);
      check(x.rows === out.rows, 'x and out have the same rows');
      check(weight.columns === x.columns, 'weight columns equal x columns');
      check(weight.rows === out.columns, 'weight rows equal out columns');
      vector(op.bias, out.columns, 'bias holds a value per out column');
      return;
    }
    case 'rope': {
      const x = shapes.activation(op.x);
      check(x.rows === 'tokens', 'positions are those of the tokens');
      check(x.columns === op.heads * op.headDim, 'columns are heads * headDim');
      check(2 * op.inverseFrequencies.length <= op.headDim, 'the rotated pairs lie inside a head');
      return;
    }
    case 'cache-write': {
      check(shapes.activation(op.k).rows === 'tokens', 'there is a key for every token');
      check(shapes.activation(op.v).rows === 'tokens', 'there is a value for every token');
      return;
    }
    case 'attention': {
      const [q, out] = [shapes.activation(op.q), shapes.activation(op.out)];
      check(q.rows === 'tokens' && out.rows === 'tokens', 'there is a query for every token');
      check(out.columns === op.heads * op.valueDim, 'out has columns heads * valueDim');
      vector(op.sinks, op.heads, 'sinks holds a number per head');
      check(q.columns === op.heads * op.headDim, 'columns are heads * headDim');
      check(isCount(op.kvHeads) && op.heads % op.kvHeads === 0, 'kvHeads divides heads');
      check(op.window >= 0 && op.softcap >= 0, 'window and softcap are not negative');
      return;
    }
    case 'gate':
      same(op.gate, op.up, 'gate and up have one shape');
      same(op.gate, op.out, 'gate and out have one shape');
      return;
    case 'activate':
      same(op.x, op.out, 'x and out have one shape');
      return;
    case 'route': {
      const [scores, out] = [shapes.activation(op.scores), shapes.activation(op.out)];
      const experts = scores.columns;
      check(scores.rows === out.rows, 'scores and out have the same rows');
      check(isCount(op.used) && op.used <= experts, 'used is at most the experts');
      check(out.columns === 2 * op.used, 'out has a number and a weight for every expert used');
      check(isCount(op.groups) && experts % op.groups === 0, 'groups divide the experts');
      check(isCount(op.groupsUsed) && op.groupsUsed <= op.groups, 'used groups are groups');
      const size = experts / op.groups;
      check(isCount(op.groupTop) && op.groupTop <= size, 'groupTop is at most a group');
      check(op.used <= op.groupsUsed * size, 'the used groups have enough experts');
      vector(op.bias, experts, 'bias holds a value per expert');
      return;
    }
    case 'expert-matmul': {
      const [x, routes, out] = [op.x, op.routes, op.out].map((id) => shapes.activation(id)) as [
        ActivationSpec,
        ActivationSpec,
        ActivationSpec,
      ];
      const weight = shapes.weight(op.weight);
      const rows = weight.rows / op.experts;
      check(x.rows === out.rows && x.rows === routes.rows, 'x, routes and out have the same rows');
      check(isCount(op.used) && routes.columns === 2 * op.used, 'routes are those of `route`');
      check(isCount(op.experts) && isCount(rows), 'the experts have matrices of one size');
      check([1, op.used].includes(x.columns / weight.columns), 'x is one row, or one an expert');
      check(out.columns === op.used * rows, 'out has a part for every expert used');
      if (op.bias !== null) {
        const bias = shapes.weight(op.bias);
        check(bias.rows === op.experts && bias.columns === rows, 'bias has a row an expert');
      }
      return;
    }
    case 'expert-sum': {
      const [x, out] = [shapes.activation(op.x), shapes.activation(op.out)];
      const routes = shapes.activation(op.routes);
      check(x.rows === out.rows && x.rows === routes.rows, 'x, routes and out have the same rows');
      check(isCount(op.used) && routes.columns === 2 * op.used, 'routes are those of `route`');
      check(x.columns === op.used * out.columns, 'x has a part for every expert used');
      return;
    }
    case 'causal-convolution': {
      const x = shapes.activation(op.x);
      const weight = shapes.weight(op.weight);
      same(op.x, op.out, 'x and out have one shape');
      check(x.rows === 'tokens', 'there is an input for every token');
      check(weight.rows === x.columns && weight.columns > 1, 'weight has taps for every column');
      vector(op.bias, x.columns, 'bias holds a value per column');
      return;
    }
    case 'selective-scan': {
      const [x, inputs] = [shapes.activation(op.x), shapes.activation(op.inputs)];
      const rates = shapes.weight(op.rates);
      same(op.x, op.steps, 'x and steps have one shape');
      same(op.x, op.out, 'x and out have one shape');
      same(op.inputs, op.reads, 'inputs and reads have one shape');
      check(x.rows === 'tokens' && inputs.rows === 'tokens', 'there is an input for every token');
      check(rates.rows === x.columns, 'there are rates for every column');
      check(rates.columns === inputs.columns, 'there is an input for every state');
      vector(op.skip, x.columns, 'skip holds a value per column');
      return;
    }
    case 'add':
      same(op.a, op.b, 'a and b have one shape');
      same(op.a, op.out, 'a and out have one shape');
      return;
    case 'scale':
      same(op.x, op.out, 'x and out have one shape');
      return;
    case 'join-heads': {
      const [a, b, out] = [op.a, op.b, op.out].map((id) => shapes.activation(id)) as [
        ActivationSpec,
        ActivationSpec,
        ActivationSpec,
      ];
      check(isCount(op.heads), 'there are heads');
      check(a.rows === out.rows && b.rows === out.rows, 'a, b and out have the same rows');
      for (const [{ columns }, { heads, from, count }] of [
        [a, op.aPart],
        [b, op.bPart],
      ] as const) {
        check([1, op.heads].includes(heads) && columns % heads === 0, 'a part has whole heads');
        check(from >= 0 && count >= 0 && from + count <= columns / heads, 'parts lie inside heads');
      }
      const size = op.aPart.count + op.bPart.count;
      check(isCount(size) && out.columns === op.heads * size, 'out has both parts of every head');
      return;
    }
    case 'take-outputs': {
      const [x, out] = [shapes.activation(op.x), shapes.activation(op.out)];
      check(x.rows === 'tokens' && out.rows === 'outputs', 'rows go from tokens to outputs');
      check(x.columns === out.columns, 'the columns stay');
      return;
    }
    default:
      op satisfies never;
  }
}

/** Activations an operator reads, and the one it writes (null for the KV cache). */
export function operands(op: Op): { reads: readonly ActivationId[]; writes: ActivationId | null } {
  switch (op.op) {
    case 'embed':
      return { reads: [], writes: op.out };
    case 'norm':
    case 'matmul':
    case 'activate':
    case 'scale':
    case 'take-outputs':
      return { reads: [op.x], writes: op.out };
    case 'rope':
      return { reads: [op.x], writes: op.x };
    case 'cache-write':
      return { reads: [op.k, op.v], writes: null };
    case 'attention':
      return { reads: [op.q], writes: op.out };
    case 'gate':
      return { reads: [op.gate, op.up], writes: op.out };
    case 'causal-convolution':
      return { reads: [op.x], writes: op.out };
    case 'selective-scan':
      return { reads: [op.x, op.steps, op.inputs, op.reads], writes: op.out };
    case 'route':
      return { reads: [op.scores], writes: op.out };
    case 'expert-matmul':
    case 'expert-sum':
      return { reads: [op.x, op.routes], writes: op.out };
    case 'add':
    case 'join-heads':
      return { reads: [op.a, op.b], writes: op.out };
  }
}

/**
 * Checks a whole graph: every operator's rule, and that activations are written before they are read.
 * @throws AppError `internal`
 */
export function checkGraph(graph: Graph, weights: readonly MatrixShape[]): void {
  const shapes = lookup(graph.activations, weights);
  const written = new Set<ActivationId>();
  for (const op of graph.ops) {
    checkOp(op, shapes);
    const { reads, writes } = operands(op);
    for (const id of reads) {
      if (!written.has(id)) throw shapeError(op, `activation ${id} is read before it is written`);
    }
    if (writes !== null) written.add(writes);
  }
  if (!written.has(graph.result) || shapes.activation(graph.result).rows !== 'outputs') {
    throw new AppError('internal', 'The result of a graph must be written and have output rows.');
  }
}

/** Shape lookup over plain arrays. */
export function lookup(
  activations: readonly ActivationSpec[],
  weights: readonly MatrixShape[],
): ShapeLookup {
  return {
    activation: (id) => found(activations[id], `activation ${id}`),
    weight: (id) => found(weights[id], `weight ${id}`),
  };
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new AppError('internal', `A graph names an unknown ${what}.`);
  return value;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function shapeError(op: Op, rule: string): AppError {
  return new AppError('internal', `Operator "${op.op}" breaks its shape rule: ${rule}.`, {
    details: { op: op.op, rule },
  });
}
