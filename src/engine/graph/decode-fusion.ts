/**
 * What a decode step can do in one command: one row passes through each matrix, so the work around
 * it is small, and waiting for other threads costs more than doing it again in each of them.
 *
 * - A normalisation whose result only products read is done by them.
 * - A product whose result is only added to something adds it.
 * - Two products of one input that a gate puts together are one (SwiGLU).
 * - Rotation, cache write and attention of a layer are one.
 *
 * Four or five commands that wait for each other remain of a layer. Everything gives the same bits as
 * the operators apart, so that a token computed alone equals one computed in a prompt.
 */
import type {
  ActivationId,
  AttentionOp,
  CacheWriteOp,
  GateOp,
  Graph,
  MatmulOp,
  NormOp,
  Op,
  RopeOp,
  RowExtent,
  WeightId,
} from './ops.ts';
import { operands } from './shape-rules.ts';

/** A product with its surroundings. */
export interface ProjectOp {
  readonly op: 'project';
  readonly rows: RowExtent;
  readonly x: ActivationId;
  /** Applied to x first. */
  readonly norm: NormOp | null;
  readonly weight: WeightId;
  readonly bias: WeightId | null;
  /** Then out = activation(product) * product with this matrix. */
  readonly gate: {
    readonly activation: GateOp['activation'];
    readonly weight: WeightId;
    readonly bias: WeightId | null;
  } | null;
  readonly residual: ActivationId | null;
  readonly out: ActivationId;
}

/** Attention of one token, which also rotates q and k and writes k and v into the cache. */
export interface AttendOp {
  readonly op: 'attend';
  readonly attention: AttentionOp;
  readonly write: CacheWriteOp;
  readonly rope: RopeOp | null;
}

export type FusedOp = Op | ProjectOp | AttendOp;

export interface FusedGraph {
  readonly ops: readonly FusedOp[];
  readonly result: ActivationId;
}

class Fusion {
  readonly #graph: Graph;
  /** Operators that read an activation, by number; `rope` also rewrites what it reads. */
  readonly #readers = new Map<ActivationId, number[]>();
  readonly #writer = new Map<ActivationId, number>();
  /** Rows that `take-outputs` keeps are all there are. */
  readonly #same = new Map<ActivationId, ActivationId>();
  /** What stands in the place of an operator; absent: itself. */
  readonly #instead = new Map<number, readonly FusedOp[]>();
  readonly #mostKvHeads: number;

  constructor(graph: Graph, mostKvHeads: number) {
    this.#graph = graph;
    this.#mostKvHeads = mostKvHeads;
    graph.ops.forEach((op, index) => {
      const { reads, writes } = operands(op);
      for (const id of new Set(reads)) {
        this.#readers.set(id, [...(this.#readers.get(id) ?? []), index]);
      }
      if (writes !== null && op.op !== 'rope') this.#writer.set(writes, index);
      if (op.op === 'take-outputs') this.#same.set(op.out, op.x);
    });
  }

  fuse(): FusedGraph {
    const { ops, result } = this.#graph;
    ops.forEach((op, index) => {
      if (op.op === 'attention') this.#fuseAttention(op, index);
      if (op.op === 'gate') this.#fuseGate(op, index);
      if (op.op === 'add') this.#fuseResidual(op.a, op.b, op.out, index);
      if (op.op === 'take-outputs') this.#instead.set(index, []);
    });
    ops.forEach((op, index) => {
      if (op.op === 'matmul' && !this.#instead.has(index)) {
        this.#instead.set(index, [this.#project(op)]);
      }
    });
    ops.forEach((op, index) => {
      if (op.op === 'norm' && this.#normIsAbsorbed(op)) this.#instead.set(index, []);
    });
    return {
      ops: ops.flatMap((op, index) => this.#instead.get(index) ?? [this.#renamed(op)]),
      result: this.#root(result),
    };
  }

  #op(index: number | undefined): Op | undefined {
    return index === undefined ? undefined : this.#graph.ops[index];
  }

  #root(id: ActivationId): ActivationId {
    const same = this.#same.get(id);
    return same === undefined ? id : this.#root(same);
  }

  /** The operator with the names that `take-outputs` gave replaced by those before it. */
  #renamed(op: Op): Op {
    const entries = Object.entries(op).map(([key, value]) => [
      key,
      ['x', 'a', 'b', 'q', 'k', 'v', 'gate', 'up', 'out', 'scores', 'routes'].includes(key)
        ? this.#root(value as ActivationId)
        : (value as unknown),
    ]);
    return Object.fromEntries(entries) as Op;
  }

  #rowsOf(id: ActivationId): RowExtent {
    return this.#graph.activations[id]?.rows ?? 'tokens';
  }

  /** The normalisation of whole rows that makes `x`, if products are all that read it. */
  #normOf(x: ActivationId): NormOp | null {
    const norm = this.#op(this.#writer.get(this.#root(x)));
    return norm?.op === 'norm' && this.#normIsAbsorbed(norm) ? norm : null;
  }

  #normIsAbsorbed(norm: NormOp): boolean {
    const { columns } = this.#graph.activations[norm.x] ?? { columns: 0 };
    if (norm.groupSize !== columns) return false;
    return this.#finalReaders(norm.out).every((index) => this.#op(index)?.op === 'matmul');
  }

  /** Readers of an activation, with those of what `take-outputs` makes of it in its place. */
  #finalReaders(id: ActivationId): number[] {
    if (id === this.#graph.result) return [-1];
    return (this.#readers.get(id) ?? []).flatMap((index) => {
      const op = this.#op(index);
      return op?.op === 'take-outputs' ? this.#finalReaders(op.out) : [index];
    });
  }

  #project(op: MatmulOp): ProjectOp {
    const norm = this.#normOf(op.x);
    return {
      op: 'project',
      rows: this.#rowsOf(op.out),
      x: this.#root(norm?.x ?? op.x),
      norm,
      weight: op.weight,
      bias: op.bias,
      gate: null,
      residual: null,
      out: this.#root(op.out),
    };
  }

  /** A product that nothing but the operator `reader` reads, and not yet part of another command. */
  #productOnlyFor(id: ActivationId, reader: number): { op: MatmulOp; index: number } | null {
    const index = this.#writer.get(id);
    const op = this.#op(index);
    const readers = this.#readers.get(id) ?? [];
    const fits =
      index !== undefined &&
      op?.op === 'matmul' &&
      !this.#instead.has(index) &&
      readers.length === 1 &&
      readers[0] === reader &&
      id !== this.#graph.result;
    return fits ? { op, index } : null;
  }

  #fuseGate(gate: GateOp, index: number): void {
    const first = this.#productOnlyFor(gate.gate, index);
    const second = this.#productOnlyFor(gate.up, index);
    if (first === null || second === null || first.op.x !== second.op.x) return;
    const { weight, bias } = second.op;
    this.#instead.set(first.index, []);
    this.#instead.set(second.index, []);
    this.#instead.set(index, [
      {
        ...this.#project(first.op),
        gate: { activation: gate.activation, weight, bias },
        out: this.#root(gate.out),
      },
    ]);
  }

  #fuseResidual(a: ActivationId, b: ActivationId, out: ActivationId, index: number): void {
    for (const [product, residual] of [
      [b, a],
      [a, b],
    ] as const) {
      const found = this.#productOnlyFor(product, index);
      if (found === null || product === residual) continue;
      this.#instead.set(found.index, []);
      this.#instead.set(index, [
        {
          ...this.#project(found.op),
          residual: this.#root(residual),
          out: this.#root(out),
        },
      ]);
      return;
    }
  }

  #fuseAttention(attention: AttentionOp, index: number): void {
    const written = this.#graph.ops.findLastIndex(
      (op, at) => at < index && op.op === 'cache-write' && op.layer === attention.layer,
    );
    const write = this.#op(written);
    if (write?.op !== 'cache-write' || !attention.causal) return;
    if (attention.kvHeads > this.#mostKvHeads) return;
    if (attention.sinks !== null || attention.valueDim !== attention.headDim) return;
    const queryRope = this.#onlyRope(attention.q, index);
    const keyRope = this.#onlyRope(write.k, written);
    const values = this.#readers.get(write.v) ?? [];
    if (queryRope === undefined || keyRope === undefined || values.length !== 1) return;
    if (!sameRotation(queryRope?.rope ?? null, keyRope?.rope ?? null)) return;
    for (const found of [queryRope, keyRope])
      if (found !== null) this.#instead.set(found.index, []);
    this.#instead.set(written, []);
    this.#instead.set(index, [
      {
        op: 'attend',
        attention: this.#renamed(attention) as AttentionOp,
        write: this.#renamed(write) as CacheWriteOp,
        rope: queryRope?.rope ?? null,
      },
    ]);
  }

  /** The rotation of what `reader` alone reads besides; null for none, undefined where there is more. */
  #onlyRope(id: ActivationId, reader: number): { rope: RopeOp; index: number } | null | undefined {
    const others = (this.#readers.get(id) ?? []).filter((index) => index !== reader);
    if (others.length === 0) return null;
    const [index] = others;
    const rope = this.#op(index);
    if (others.length > 1 || index === undefined || rope?.op !== 'rope') return undefined;
    return { rope, index };
  }
}

function sameRotation(a: RopeOp | null, b: RopeOp | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.layout === b.layout &&
    a.headDim === b.headDim &&
    a.magnitude === b.magnitude &&
    a.inverseFrequencies.length === b.inverseFrequencies.length &&
    a.inverseFrequencies.every((value, i) => value === b.inverseFrequencies[i])
  );
}

/**
 * The operators of a graph for steps of one token.
 * @param mostKvHeads with more, attention stays apart
 */
export function fuseForDecode(graph: Graph, mostKvHeads: number): FusedGraph {
  return new Fusion(graph, mostKvHeads).fuse();
}
