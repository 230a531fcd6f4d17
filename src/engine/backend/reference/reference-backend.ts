/**
 * The readable backend: plain TypeScript, no quantised arithmetic, the truth for tests.
 *
 * Weights are dequantised exactly to float32, activations are float64 and every sum is accumulated
 * in double precision (`operators.ts`). Because nothing is rounded on purpose, three wishes of the
 * caller are noted and otherwise ignored: `WeightSpec.storage` (always dense), `StepInput.precision`
 * (4 computes what 8 computes) and `KvCacheSpec.type` (always float32).
 */
import { AppError, toAppError } from '../../../common/errors.ts';
import { quantType, rowBytes } from '../../formats/quants/registry.ts';
import { checkGraph } from '../../graph/shape-rules.ts';
import { graphNeeds } from '../../graph/graph-needs.ts';
import { checkPositions } from '../step-checks.ts';
import type { ActivationId, EmbedOp, Graph, HeadPart, Op, WeightId } from '../../graph/ops.ts';
import type {
  Backend,
  BackendMemory,
  CacheSegments,
  CompileOptions,
  Executable,
  KvCacheHandle,
  KvCacheSpec,
  KvLayerSpec,
  RecurrentSnapshot,
  StepInput,
  WeightHandle,
  WeightSpec,
  WeightWriter,
} from '../backend.ts';
import {
  expandRun,
  quantiseRun,
  segmentBytes,
  segmentRuns,
  type SegmentRun,
} from '../kv-segment.ts';
import { convertVectors, type KvPositions, type KvVectors } from '../kv-data.ts';
import type { CacheLayer } from './operators.ts';
import * as operators from './operators.ts';

export class ReferenceBackend implements Backend {
  readonly kind = 'reference';
  readonly description = 'Reference: TypeScript in double precision, 1 thread';
  readonly mostThreads = 1;
  readonly threadsUsed = 1;
  readonly segments: CacheSegments = {
    read: (cache, start, positions) => {
      const segment = new Uint8Array(segmentBytes(cache.spec.layers, positions));
      for (const run of segmentRuns(cache.spec.layers, positions, segment)) {
        quantiseRun(run, (cache as ReferenceCache).vectors(run, start, positions));
      }
      return segment;
    },
    write: (cache, start, positions, segment) => {
      for (const run of segmentRuns(cache.spec.layers, positions, segment)) {
        expandRun(run, (cache as ReferenceCache).vectors(run, start, positions));
      }
    },
  };
  readonly #weights = new Set<ReferenceWeight>();
  readonly #caches = new Set<ReferenceCache>();
  readonly #executables = new Set<ReferenceExecutable>();

  supports(op: Op): boolean {
    return knownOps.has(op.op);
  }

  beginWeight(spec: WeightSpec): WeightWriter {
    return new ReferenceWriter(new ReferenceWeight(spec), (weight) => {
      this.#weights.add(weight);
    });
  }

  releaseWeight(weight: WeightHandle): void {
    this.#weights.delete(weight as ReferenceWeight);
  }

  createCache(spec: KvCacheSpec): KvCacheHandle {
    const cache = new ReferenceCache(spec);
    this.#caches.add(cache);
    return cache;
  }

  releaseCache(cache: KvCacheHandle): void {
    this.#caches.delete(cache as ReferenceCache);
  }

  readCache(
    cache: KvCacheHandle,
    layer: number,
    first: number,
    count: number,
  ): Promise<KvPositions> {
    const { keys, values, shape } = (cache as ReferenceCache).shaped(layer);
    const { capacity } = cache.spec;
    if (first + count > capacity) {
      const message = 'There are no such keys in the conversation memory.';
      return Promise.reject(new AppError('invalid-argument', message));
    }
    const gather = (from: Float32Array, size: number): KvVectors => {
      const all = new Float32Array(shape.kvHeads * count * size);
      for (let head = 0; head < shape.kvHeads; head++) {
        const start = (head * capacity + first) * size;
        all.set(from.subarray(start, start + count * size), head * count * size);
      }
      return { type: 'f32', size, data: new Uint8Array(all.buffer), scales: null };
    };
    return Promise.resolve({
      keys: gather(keys, shape.headDim),
      values: gather(values, shape.valueDim),
    });
  }

  writeCache(cache: KvCacheHandle, layer: number, first: number, positions: KvPositions): void {
    const { keys, values, shape } = (cache as ReferenceCache).shaped(layer);
    const { capacity } = cache.spec;
    const scatter = (given: KvVectors, to: Float32Array): void => {
      const { data, size } = convertVectors(given, 'f32');
      const all = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
      const each = all.length / shape.kvHeads;
      for (let head = 0; head < shape.kvHeads; head++) {
        const part = all.subarray(head * each, (head + 1) * each);
        to.set(part, (head * capacity + first) * size);
      }
    };
    scatter(positions.keys, keys);
    scatter(positions.values, values);
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  saveRecurrent(cache: KvCacheHandle): RecurrentSnapshot {
    return new ReferenceSnapshot((cache as ReferenceCache).recurrent.map((block) => block.slice()));
  }

  restoreRecurrent(cache: KvCacheHandle, snapshot: RecurrentSnapshot | null): void {
    (cache as ReferenceCache).recurrent.forEach((block, slot) => {
      const saved = (snapshot as ReferenceSnapshot | null)?.blocks[slot];
      if (saved === undefined) block.fill(0);
      else block.set(saved);
    });
  }

  compile(graph: Graph, options: CompileOptions): Executable {
    const weights = graph.weights.map((name) => {
      const weight = options.weights.get(name);
      if (weight instanceof ReferenceWeight) return weight;
      throw new AppError('model-file/missing-tensor', `The model has no weight "${name}".`, {
        details: { weight: name },
      });
    });
    checkGraph(
      graph,
      weights.map(({ spec }) => spec),
    );
    const executable = new ReferenceExecutable(graph, weights, options);
    this.#executables.add(executable);
    return executable;
  }

  run(executable: Executable, input: StepInput): Promise<Float32Array> {
    try {
      return Promise.resolve((executable as ReferenceExecutable).run(input));
    } catch (error) {
      return Promise.reject(toAppError(error));
    }
  }

  memory(): BackendMemory {
    const weightBytes = totalBytes(this.#weights);
    const cacheBytes = totalBytes(this.#caches);
    const activationBytes = totalBytes(this.#executables);
    return {
      weightBytes,
      cacheBytes,
      activationBytes,
      totalBytes: weightBytes + cacheBytes + activationBytes,
      freeBytes: 0,
    };
  }

  dispose(): void {
    this.#weights.clear();
    this.#caches.clear();
    this.#executables.clear();
  }
}

const knownOps: ReadonlySet<Op['op']> = new Set([
  'embed',
  'norm',
  'matmul',
  'rope',
  'cache-write',
  'attention',
  'gate',
  'activate',
  'route',
  'expert-matmul',
  'expert-sum',
  'causal-convolution',
  'selective-scan',
  'add',
  'scale',
  'take-outputs',
  'join-heads',
]);

class ReferenceWeight implements WeightHandle {
  readonly spec: WeightSpec;
  readonly lowBytes = 0;
  readonly lowError = 0;
  sensitive = false;
  /** (rows, columns) */
  readonly values: Float32Array<ArrayBuffer>;

  constructor(spec: WeightSpec) {
    this.spec = spec;
    this.values = new Float32Array(spec.rows * spec.columns);
  }

  get bytes(): number {
    return this.values.byteLength;
  }
}

class ReferenceWriter implements WeightWriter {
  readonly rowsPerPiece = 1;
  readonly #weight: ReferenceWeight;
  readonly #done: (weight: ReferenceWeight) => void;
  #rowsWritten = 0;

  constructor(weight: ReferenceWeight, done: (weight: ReferenceWeight) => void) {
    this.#weight = weight;
    this.#done = done;
  }

  write(rows: Uint8Array): void {
    const { type, columns, rows: total } = this.#weight.spec;
    const count = rows.byteLength / rowBytes(type, columns);
    if (!Number.isInteger(count) || this.#rowsWritten + count > total) {
      throw new AppError('invalid-argument', 'A piece of a weight must be whole rows of it.');
    }
    const start = this.#rowsWritten * columns;
    quantType(type).dequantize(rows, this.#weight.values.subarray(start, start + count * columns));
    this.#rowsWritten += count;
  }

  finish(): WeightHandle {
    const { name, rows } = this.#weight.spec;
    if (this.#rowsWritten < rows) {
      throw new AppError('model-file/truncated', `Rows of the tensor "${name}" are missing.`, {
        details: { tensor: name, rows, rowsWritten: this.#rowsWritten },
      });
    }
    if (!this.#weight.values.every(Number.isFinite)) {
      throw new AppError(
        'model-file/invalid-numbers',
        `The tensor "${name}" holds numbers that are not finite. The file is damaged or was made by a faulty tool: get it again or choose another one.`,
        { details: { tensor: name } },
      );
    }
    this.#done(this.#weight);
    return this.#weight;
  }

  abandon(): void {
    // nothing is registered before `finish`; the garbage collector takes the array
  }
}

class ReferenceSnapshot implements RecurrentSnapshot {
  readonly blocks: readonly Float64Array[];

  constructor(blocks: readonly Float64Array[]) {
    this.blocks = blocks;
  }

  get bytes(): number {
    return this.blocks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

class ReferenceCache implements KvCacheHandle {
  readonly spec: KvCacheSpec;
  readonly layers: readonly CacheLayer[];
  readonly recurrent: readonly Float64Array[];

  constructor(spec: KvCacheSpec) {
    this.spec = spec;
    const { capacity } = spec;
    this.layers = spec.layers.map(({ kvHeads, headDim, valueDim }) => ({
      keys: new Float32Array(kvHeads * capacity * headDim),
      values: new Float32Array(kvHeads * capacity * valueDim),
      capacity,
    }));
    this.recurrent = (spec.recurrent ?? []).map((size) => new Float64Array(size));
  }

  get bytes(): number {
    const arrays = this.layers.flatMap(({ keys, values }) => [keys, values]);
    return [...arrays, ...this.recurrent].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  shaped(index: number): CacheLayer & { readonly shape: KvLayerSpec } {
    const shape = required(this.spec.layers[index], 'the layer in the KV cache');
    return { ...this.layer(index), shape };
  }

  block(slot: number): Float64Array {
    return required(this.recurrent[slot], 'the block of recurrent state');
  }

  /** Vectors of one head at positions [start, start + positions). */
  vectors({ layer, part, head, size }: SegmentRun, start: number, positions: number): Float32Array {
    const first = (head * this.spec.capacity + start) * size;
    return this.layer(layer)[part].subarray(first, first + positions * size);
  }

  layer(index: number): CacheLayer {
    return required(this.layers[index], 'the layer in the KV cache');
  }
}

class ReferenceExecutable implements Executable {
  readonly maxTokens: number;
  readonly #maxOutputs: number;
  readonly #graph: Graph;
  readonly #weights: readonly ReferenceWeight[];
  readonly #buffers: readonly Float64Array[];
  readonly #result: Float32Array;
  readonly #positions: number;

  constructor(graph: Graph, weights: readonly ReferenceWeight[], options: CompileOptions) {
    this.maxTokens = options.maxTokens;
    this.#maxOutputs = options.maxOutputs;
    this.#graph = graph;
    this.#weights = weights;
    const shapes = weights.map(({ spec }) => spec);
    this.#positions = graphNeeds(graph, shapes).positions;
    this.#buffers = graph.activations.map(
      ({ rows, columns }) =>
        new Float64Array(columns * (rows === 'tokens' ? options.maxTokens : options.maxOutputs)),
    );
    this.#result = new Float32Array(options.maxOutputs * this.#columns(graph.result));
  }

  get bytes(): number {
    return totalBytes(this.#buffers.map(({ byteLength }) => ({ bytes: byteLength })));
  }

  run(input: StepInput): Float32Array {
    this.#check(input);
    for (const op of this.#graph.ops) this.#execute(op, input);
    const elements = input.outputs * this.#columns(this.#graph.result);
    this.#result.set(this.#buffer(this.#graph.result).subarray(0, elements));
    return this.#result.subarray(0, elements);
  }

  #check({ tokens, position, outputs, cache }: StepInput): void {
    const fits =
      tokens.length > 0 &&
      tokens.length <= this.maxTokens &&
      outputs >= 0 &&
      outputs <= Math.min(tokens.length, this.#maxOutputs) &&
      position >= 0 &&
      position + tokens.length <= cache.spec.capacity;
    if (fits) {
      checkPositions(this.#positions, position + tokens.length);
      return;
    }
    throw new AppError('invalid-argument', 'A step does not fit its graph or its KV cache.', {
      details: { tokens: tokens.length, outputs, position, capacity: cache.spec.capacity },
    });
  }

  #execute(op: Op, input: StepInput): void {
    const tokens = input.tokens.length;
    const { position } = input;
    const cache = input.cache as ReferenceCache;
    const buffer = (id: ActivationId): Float64Array => this.#buffer(id);
    switch (op.op) {
      case 'embed': {
        const table = this.#weight(op.table);
        const rows = embeddedRows(op.by, input);
        return operators.embed(table, rows, op.scale, this.#columns(op.out), buffer(op.out));
      }
      case 'norm': {
        const weight = this.#optional(op.weight);
        const bias = this.#optional(op.bias);
        const elements = this.#elements(op.x, input);
        return operators.norm(op, buffer(op.x), weight, bias, buffer(op.out), elements);
      }
      case 'matmul': {
        const columns = this.#columns(op.x);
        const rows = this.#elements(op.x, input) / columns;
        const size = { rows, columns, outColumns: this.#columns(op.out) };
        const bias = this.#optional(op.bias);
        return operators.matmul(buffer(op.x), this.#weight(op.weight), bias, buffer(op.out), size);
      }
      case 'rope':
        return operators.rope(op, buffer(op.x), tokens, position);
      case 'cache-write': {
        const { keys, values, capacity } = cache.layer(op.layer);
        const shape = required(cache.spec.layers[op.layer], 'the layer in the KV cache');
        const { kvHeads, headDim, valueDim } = shape;
        const size = { rows: tokens, kvHeads, headDim };
        operators.cacheWrite(buffer(op.k), keys, size, position, capacity);
        const valueSize = { ...size, headDim: valueDim };
        return operators.cacheWrite(buffer(op.v), values, valueSize, position, capacity);
      }
      case 'attention': {
        const layer = cache.layer(op.layer);
        const sinks = this.#optional(op.sinks);
        const [q, out] = [buffer(op.q), buffer(op.out)];
        return operators.attention(op, q, layer, sinks, out, tokens, position);
      }
      case 'gate': {
        const elements = this.#elements(op.gate, input);
        return operators.gate(op, buffer(op.gate), buffer(op.up), buffer(op.out), elements);
      }
      case 'activate': {
        const elements = this.#elements(op.x, input);
        return operators.activate(op, buffer(op.x), buffer(op.out), elements);
      }
      case 'causal-convolution': {
        const columns = this.#columns(op.x);
        const weight = this.#weight(op.weight);
        const shape = { rows: tokens, columns, taps: weight.length / columns };
        const [bias, state] = [this.#optional(op.bias), cache.block(op.slot)];
        return operators.causalConvolution(
          buffer(op.x),
          weight,
          bias,
          state,
          buffer(op.out),
          shape,
        );
      }
      case 'selective-scan': {
        const shape = {
          rows: tokens,
          columns: this.#columns(op.x),
          states: this.#columns(op.inputs),
        };
        const inputs = {
          x: buffer(op.x),
          steps: buffer(op.steps),
          inputs: buffer(op.inputs),
          reads: buffer(op.reads),
          rates: this.#weight(op.rates),
          skip: this.#weight(op.skip),
        };
        return operators.selectiveScan(inputs, cache.block(op.slot), buffer(op.out), shape);
      }
      case 'route': {
        const experts = this.#columns(op.scores);
        const scores = buffer(op.scores).subarray(0, this.#elements(op.scores, input));
        const bias = this.#optional(op.bias);
        return operators.route(op, scores, bias, buffer(op.out), experts);
      }
      case 'expert-matmul': {
        const { used } = op;
        const columns = required(this.#weights[op.weight], 'a weight').spec.columns;
        const ownInputs = this.#columns(op.x) !== columns;
        const rows = this.#elements(op.x, input) / this.#columns(op.x);
        const shape = { rows, used, columns, outColumns: this.#columns(op.out) / used, ownInputs };
        const [weight, bias] = [this.#weight(op.weight), this.#optional(op.bias)];
        const [x, routes, out] = [buffer(op.x), buffer(op.routes), buffer(op.out)];
        return operators.expertMatmul(x, routes, weight, bias, out, shape);
      }
      case 'expert-sum': {
        const columns = this.#columns(op.out);
        const rows = this.#elements(op.out, input) / columns;
        const shape = { rows, used: op.used, columns };
        return operators.expertSum(buffer(op.x), buffer(op.routes), buffer(op.out), shape);
      }
      case 'add': {
        const elements = this.#elements(op.a, input);
        return operators.add(buffer(op.a), buffer(op.b), buffer(op.out), elements);
      }
      case 'scale': {
        const elements = this.#elements(op.x, input);
        return operators.scale(buffer(op.x), op.factor, op.softcap, buffer(op.out), elements);
      }
      case 'join-heads': {
        const rows = this.#elements(op.a, input) / this.#columns(op.a);
        const part = (x: ActivationId, of: HeadPart): operators.HeadSource => ({
          ...{ ...of, values: buffer(x), columns: this.#columns(x) },
        });
        const parts = [part(op.a, op.aPart), part(op.b, op.bPart)] as const;
        return operators.joinHeads(parts, op.heads, rows, buffer(op.out));
      }
      case 'take-outputs': {
        const columns = this.#columns(op.x);
        const first = (tokens - input.outputs) * columns;
        buffer(op.out).set(buffer(op.x).subarray(first, tokens * columns));
        return;
      }
      default:
        op satisfies never;
    }
  }

  #columns(id: ActivationId): number {
    return required(this.#graph.activations[id], 'an activation').columns;
  }

  #elements(id: ActivationId, input: StepInput): number {
    const { rows, columns } = required(this.#graph.activations[id], 'an activation');
    return columns * (rows === 'tokens' ? input.tokens.length : input.outputs);
  }

  #buffer(id: ActivationId): Float64Array {
    return required(this.#buffers[id], 'an activation');
  }

  #weight(id: WeightId): Float32Array {
    return required(this.#weights[id], 'a weight').values;
  }

  #optional(id: WeightId | null): Float32Array | null {
    return id === null ? null : this.#weight(id);
  }
}

/** Which row of a table each token of a step gets. */
function embeddedRows(by: EmbedOp['by'], { tokens, position }: StepInput): Int32Array {
  if (by === 'token') return tokens;
  return tokens.map((_, t) => (by === 'position' ? position + t : 0));
}

function totalBytes(things: Iterable<{ readonly bytes: number }>): number {
  let sum = 0;
  for (const { bytes } of things) sum += bytes;
  return sum;
}

/** What the checks at compile time guarantee to exist. */
function required<T>(value: T | undefined, what: string): T {
  if (value === undefined)
    throw new AppError('internal', `The graph names ${what} that is absent.`);
  return value;
}
