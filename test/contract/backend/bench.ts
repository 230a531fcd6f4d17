/** Puts weights into a backend under test, runs small graphs on it and measures how far they are off. */
import { equalLayers } from '../../../src/engine/backend/backend.ts';
import type {
  Backend,
  KvCacheHandle,
  Precision,
  WeightHandle,
  WeightStorage,
} from '../../../src/engine/backend/backend.ts';
import { quantizer, quantType, rowBytes } from '../../../src/engine/formats/quants/registry.ts';
import type { TensorType } from '../../../src/engine/graph/dtype.ts';
import { GraphBuilder } from '../../../src/engine/graph/graph-builder.ts';
import type { ActivationId, Graph } from '../../../src/engine/graph/ops.ts';
import { randomRows } from '../../fixtures/random-blocks.ts';
import { randomValues } from '../../fixtures/random-values.ts';
import type { Rows } from './truth.ts';
import { toRows } from './truth.ts';

export interface WeightInput {
  readonly rows: number;
  readonly columns: number;
  readonly type?: TensorType;
  readonly storage?: WeightStorage;
  readonly experts?: number;
  readonly values?: Float32Array<ArrayBuffer>;
}

export interface Step {
  /** Rows of the input tables; one a token. */
  readonly tokens: readonly number[];
  readonly position?: number;
  /** Result rows wanted; as many as tokens unless given. */
  readonly outputs?: number;
  readonly precision?: Precision;
}

export class Bench {
  readonly backend: Backend;
  readonly handles = new Map<string, WeightHandle>();
  readonly #values = new Map<string, Float32Array>();
  #seed: number;

  constructor(backend: Backend, seed = 1) {
    this.backend = backend;
    this.#seed = seed;
  }

  /** Encodes random (or given) values, writes them piece by piece, remembers what they decode to. */
  weight(name: string, input: WeightInput): void {
    const { rows, columns, type = 'F32', storage = 'dense', experts = 1 } = input;
    const values = input.values ?? randomValues(rows * columns, this.#seed++);
    const bytes = encode(type, columns, values);
    const decoded = new Float32Array(values.length);
    quantType(type).dequantize(bytes, decoded);
    const writer = this.backend.beginWeight({ name, type, rows, columns, storage, experts });
    const pieceBytes = writer.rowsPerPiece * rowBytes(type, columns);
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      writer.write(bytes.subarray(start, start + pieceBytes));
    }
    this.handles.set(name, writer.finish());
    this.#values.set(name, decoded);
  }

  /** An activation input: float32 rows that the tokens 0, 1, 2 ... select through `embed`. */
  input(name: string, rows: number, columns: number, values?: Float32Array<ArrayBuffer>): void {
    this.weight(name, { rows, columns, ...(values && { values }) });
  }

  /** What the weight decodes to, (rows, columns). */
  rows(name: string): number[][] {
    return toRows(this.flat(name), this.handles.get(name)?.spec.columns ?? 1);
  }

  flat(name: string): number[] {
    return Array.from(this.#values.get(name) ?? []);
  }

  graph(describe: (g: GraphBuilder) => ActivationId): Graph {
    const shapes = new Map([...this.handles].map(([name, { spec }]) => [name, spec]));
    const builder = new GraphBuilder(shapes);
    return builder.finish(describe(builder));
  }

  supports(graph: Graph): boolean {
    return graph.ops.every((op) => this.backend.supports(op));
  }

  /** Compiles once and runs the steps in order; the rows of every step's result. */
  async run(graph: Graph, steps: readonly Step[], cache = this.cache()): Promise<number[][][]> {
    const maxTokens = Math.max(...steps.map(({ tokens }) => tokens.length));
    const executable = this.backend.compile(graph, {
      weights: this.handles,
      maxTokens,
      maxOutputs: maxTokens,
    });
    const columns = graph.activations[graph.result]?.columns ?? 1;
    const results: number[][][] = [];
    for (const { tokens, position = 0, outputs = tokens.length, precision = 8 } of steps) {
      const result = await this.backend.run(executable, {
        tokens: Int32Array.from(tokens),
        position,
        outputs,
        precision,
        cache,
      });
      results.push(toRows(result, columns));
    }
    return results;
  }

  /** A KV cache for graphs that use none. */
  cache(): KvCacheHandle {
    return this.backend.createCache({
      layers: equalLayers(1, 1, 8),
      capacity: 256,
      type: 'f32',
    });
  }
}

/** The values' blocks; for a type that cannot be written, noise of the same size as the values. */
export function encode(
  type: TensorType,
  columns: number,
  values: Float32Array,
): Uint8Array<ArrayBuffer> {
  if (quantType(type).quantize === null) {
    const size = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
    return randomRows(type, values.length / columns, columns, values.length, size);
  }
  const bytes = new Uint8Array((values.length / columns) * rowBytes(type, columns));
  quantizer(type)(values, bytes);
  return bytes;
}

/** The next number of columns that is whole blocks of the type. */
export function wholeBlocks(type: TensorType, columns: number): number {
  const { blockElements } = quantType(type);
  return Math.ceil(columns / blockElements) * blockElements;
}

/** The numbers 0 .. count - 1. */
export function range(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Squared error over squared truth. Infinity where the shapes differ. */
export function relativeError(actual: Rows, expected: Rows): number {
  const [a, e] = [actual.flat(), expected.flat()];
  if (a.length !== e.length || actual.length !== expected.length) return Infinity;
  let error = 0;
  let power = 0;
  for (const [index, value] of e.entries()) {
    error += ((a[index] ?? NaN) - value) ** 2;
    power += value ** 2;
  }
  return error / (power || 1);
}
