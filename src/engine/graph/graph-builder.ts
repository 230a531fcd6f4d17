/**
 * Describes one forward step as a `Graph`.
 *
 * An architecture calls one method per operator, with weights by name; each call checks the
 * operator's shape rule at once, so that a mistake points at the line that made it. The builder
 * computes nothing, holds no weight data and knows no backend. Every operator writes a new
 * activation (memory is the backend's business), except `rope`, which rotates in place.
 */
import { AppError } from '../../common/errors.ts';
import type {
  ActivationId,
  ActivationSpec,
  AttentionOp,
  EmbedOp,
  GateOp,
  Graph,
  HeadPart,
  NormOp,
  Op,
  RopeOp,
  RouteOp,
  RowExtent,
  SelectiveScanOp,
  WeightId,
} from './ops.ts';
import type { MatrixShape } from './shape-rules.ts';
import { checkGraph, checkOp, lookup } from './shape-rules.ts';

export interface NormOptions {
  readonly kind: NormOp['kind'];
  readonly weight: string | null;
  readonly bias?: string | null;
  readonly epsilon: number;
  /** Columns that are normalised together; the whole row unless given. */
  readonly groupSize?: number;
}

export type RopeOptions = Omit<RopeOp, 'op' | 'x'>;

type AttentionNumbers = Omit<AttentionOp, 'op' | 'q' | 'out' | 'causal' | 'valueDim' | 'sinks'>;

export interface AttentionOptions extends AttentionNumbers {
  /** True unless given. */
  readonly causal?: boolean;
  /** `headDim` unless given. */
  readonly valueDim?: number;
  readonly sinks?: string | null;
}

/** The weights of a selective scan by name. */
export interface ScanWeights {
  readonly rates: string;
  readonly skip: string;
}

export interface RouteOptions extends Pick<RouteOp, 'gating' | 'used' | 'normalise'> {
  readonly bias?: string | null;
  /** One group unless given. */
  readonly groups?: number;
  readonly groupsUsed?: number;
  readonly groupTop?: number;
  /** 1 unless given. */
  readonly scale?: number;
}

/** Columns `from` to `from + count` of every head of an activation, or of the one that heads share. */
export interface HeadColumns {
  readonly x: ActivationId;
  readonly from: number;
  readonly count: number;
  readonly shared?: boolean;
}

export interface ExpertCounts {
  readonly experts: number;
  readonly used: number;
}

export class GraphBuilder {
  readonly #shapes: ReadonlyMap<string, MatrixShape>;
  readonly #activations: ActivationSpec[] = [];
  readonly #weightIds = new Map<string, WeightId>();
  readonly #weightShapes: MatrixShape[] = [];
  readonly #ops: Op[] = [];
  /** Of a decoder that is used as an encoder: its last hidden states, instead of logits. */
  vectors: ActivationId | null = null;
  readonly wantsVectors: boolean;

  /** @param weights shapes of all weights the model has, by name; only those used enter the graph */
  constructor(weights: ReadonlyMap<string, MatrixShape>, wantsVectors = false) {
    this.#shapes = weights;
    this.wantsVectors = wantsVectors;
  }

  /** Whether the model has the weight: for optional biases and tied outputs. */
  hasWeight(name: string): boolean {
    return this.#shapes.has(name);
  }

  /** The rows of the tokens' ids, or of another number (`EmbedOp`). */
  embed(table: string, scale = 1, by: EmbedOp['by'] = 'token'): ActivationId {
    const id = this.#weight(table);
    const out = this.#activation('tokens', this.#shapeOf(id).columns);
    return this.#push({ op: 'embed', by, table: id, scale, out }, out);
  }

  norm(x: ActivationId, options: NormOptions): ActivationId {
    const out = this.#like(x);
    return this.#push(
      {
        op: 'norm',
        kind: options.kind,
        x,
        weight: options.weight === null ? null : this.#weight(options.weight),
        bias: this.#optional(options.bias),
        epsilon: options.epsilon,
        groupSize: options.groupSize ?? this.#spec(x).columns,
        out,
      },
      out,
    );
  }

  /** RMSNorm over the whole row, what most decoders use. */
  rmsNorm(x: ActivationId, weight: string, epsilon: number): ActivationId {
    return this.norm(x, { kind: 'rms', weight, epsilon });
  }

  matmul(x: ActivationId, weight: string, bias: string | null = null): ActivationId {
    const id = this.#weight(weight);
    const out = this.#activation(this.#spec(x).rows, this.#shapeOf(id).rows);
    return this.#push({ op: 'matmul', x, weight: id, bias: this.#optional(bias), out }, out);
  }

  /** Rotates `x` in place and returns it. */
  rope(x: ActivationId, options: RopeOptions): ActivationId {
    return this.#push({ op: 'rope', x, ...options }, x);
  }

  cacheWrite(layer: number, k: ActivationId, v: ActivationId): void {
    this.#push({ op: 'cache-write', layer, k, v }, k);
  }

  attention(q: ActivationId, options: AttentionOptions): ActivationId {
    const { causal = true, valueDim = options.headDim, sinks = null, ...numbers } = options;
    const out = this.#activation(this.#spec(q).rows, options.heads * valueDim);
    const more = { causal, valueDim, sinks: this.#optional(sinks) };
    return this.#push({ op: 'attention', q, ...numbers, ...more, out }, out);
  }

  gate(activation: GateOp['activation'], gate: ActivationId, up: ActivationId): ActivationId {
    const out = this.#like(gate);
    return this.#push({ op: 'gate', activation, gate, up, out }, out);
  }

  /** a * b, element by element. */
  multiply(a: ActivationId, b: ActivationId): ActivationId {
    return this.gate('identity', a, b);
  }

  activate(activation: GateOp['activation'], x: ActivationId): ActivationId {
    const out = this.#like(x);
    return this.#push({ op: 'activate', activation, x, out }, out);
  }

  /** Which experts every row goes to, and with what weights. */
  route(scores: ActivationId, options: RouteOptions): ActivationId {
    const out = this.#activation(this.#spec(scores).rows, 2 * options.used);
    const [groups, groupsUsed] = [options.groups ?? 1, options.groupsUsed ?? 1];
    const { gating, used, normalise, groupTop = 1, scale = 1 } = options;
    const bias = this.#optional(options.bias);
    const numbers = { groups, groupsUsed, groupTop, used, normalise, scale };
    return this.#push({ op: 'route', scores, gating, bias, ...numbers, out }, out);
  }

  expertMatmul(
    x: ActivationId,
    routes: ActivationId,
    weight: string,
    { experts, used }: ExpertCounts,
    bias: string | null = null,
  ): ActivationId {
    const id = this.#weight(weight);
    const columns = (used * this.#shapeOf(id).rows) / experts;
    const out = this.#activation(this.#spec(x).rows, columns);
    const weights = { weight: id, bias: this.#optional(bias) };
    return this.#push({ op: 'expert-matmul', x, routes, ...weights, experts, used, out }, out);
  }

  /** The weighted sum of what the chosen experts say. */
  expertSum(x: ActivationId, routes: ActivationId, used: number): ActivationId {
    const { rows, columns } = this.#spec(x);
    const out = this.#activation(rows, columns / used);
    return this.#push({ op: 'expert-sum', x, routes, used, out }, out);
  }

  causalConvolution(
    slot: number,
    x: ActivationId,
    weight: string,
    bias: string | null = null,
  ): ActivationId {
    const out = this.#like(x);
    const weights = { weight: this.#weight(weight), bias: this.#optional(bias) };
    return this.#push({ op: 'causal-convolution', slot, x, ...weights, out }, out);
  }

  selectiveScan(
    slot: number,
    activations: Pick<SelectiveScanOp, 'x' | 'steps' | 'inputs' | 'reads'>,
    { rates, skip }: ScanWeights,
  ): ActivationId {
    const out = this.#like(activations.x);
    const weights = { rates: this.#weight(rates), skip: this.#weight(skip) };
    return this.#push({ op: 'selective-scan', slot, ...activations, ...weights, out }, out);
  }

  add(a: ActivationId, b: ActivationId): ActivationId {
    const out = this.#like(a);
    return this.#push({ op: 'add', a, b, out }, out);
  }

  /** x * factor, then the soft cap when it is above 0. */
  scale(x: ActivationId, factor: number, softcap = 0): ActivationId {
    const out = this.#like(x);
    return this.#push({ op: 'scale', x, factor, softcap, out }, out);
  }

  /** Heads that begin with a part of `a` and end with one of `b`. */
  joinHeads(heads: number, a: HeadColumns, b: HeadColumns = { ...a, count: 0 }): ActivationId {
    const out = this.#activation(this.#spec(a.x).rows, heads * (a.count + b.count));
    const [aPart, bPart] = [a, b].map(({ from, count, shared = false }) => ({
      ...{ heads: shared ? 1 : heads, from, count },
    })) as [HeadPart, HeadPart];
    return this.#push({ op: 'join-heads', heads, a: a.x, aPart, b: b.x, bPart, out }, out);
  }

  takeOutputs(x: ActivationId): ActivationId {
    const out = this.#activation('outputs', this.#spec(x).columns);
    return this.#push({ op: 'take-outputs', x, out }, out);
  }

  /**
   * The finished graph, checked as a whole.
   * @throws AppError `internal` when `result` has no `outputs` rows
   */
  finish(result: ActivationId): Graph {
    const graph: Graph = {
      activations: [...this.#activations],
      weights: [...this.#weightIds.keys()],
      ops: [...this.#ops],
      result,
    };
    checkGraph(graph, this.#weightShapes);
    return graph;
  }

  #push(op: Op, result: ActivationId): ActivationId {
    checkOp(op, lookup(this.#activations, this.#weightShapes));
    this.#ops.push(op);
    return result;
  }

  #activation(rows: RowExtent, columns: number): ActivationId {
    return this.#activations.push({ rows, columns }) - 1;
  }

  #like(x: ActivationId): ActivationId {
    const { rows, columns } = this.#spec(x);
    return this.#activation(rows, columns);
  }

  #spec(x: ActivationId): ActivationSpec {
    return lookup(this.#activations, []).activation(x);
  }

  #shapeOf(id: WeightId): MatrixShape {
    return lookup([], this.#weightShapes).weight(id);
  }

  #optional(name: string | null | undefined): WeightId | null {
    return name === null || name === undefined ? null : this.#weight(name);
  }

  #weight(name: string): WeightId {
    const known = this.#weightIds.get(name);
    if (known !== undefined) return known;
    const shape = this.#shapes.get(name);
    if (shape === undefined) {
      throw new AppError(
        'internal',
        `A graph uses the weight "${name}", which no tensor declares.`,
      );
    }
    const id: WeightId = this.#weightShapes.push(shape) - 1;
    this.#weightIds.set(name, id);
    return id;
  }
}
