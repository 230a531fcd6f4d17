/**
 * Compiles a graph of operators into dispatches: everything but grids and the step's numbers is fixed
 * here, once, so that a token costs no allocation and no bind group.
 *
 * An operator that writes an activation writes a new version of it, so that no kernel works in place;
 * memory is shared by lifetimes. One quantisation serves all matrices that read the same input.
 */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import { planMemory, type PlannedBuffer } from '../../graph/memory-planner.ts';
import type {
  ActivationId,
  ActivationSpec,
  AttentionOp,
  CacheWriteOp,
  EmbedOp,
  ExpertMatmulOp,
  Graph,
  MatmulOp,
  NormOp,
  Op,
  RopeOp,
  RouteOp,
  RowExtent,
  WeightId,
} from '../../graph/ops.ts';
import { bitsRead, type CompileOptions, type KvType, type Precision } from '../backend.ts';
import { kvElementBytes } from '../kv-data.ts';
import { learnedPositions } from '../learned-positions.ts';
import { embedCodes, floatWord, gateCodes } from '../wasm/command-layout.ts';
import { BLOCK_COLUMNS } from '../wasm/plane-formats.ts';
import { findWeights, inconsistent } from './check-graph.ts';
import type { Cost } from './cost.ts';
import {
  flatGrid,
  MOST_SPLITS,
  moved,
  SPLIT_TOKENS,
  type Dispatch,
  type Grid,
  type StepNumbers,
} from './dispatch.ts';
import type { CacheLayer, GpuCache } from './gpu-cache.ts';
import type { GpuFeatures } from './gpu-device.ts';
import type { CacheLayerNeeds, CompiledGraph, RopeTable } from './gpu-executable.ts';
import { BINDING_ALIGNMENT, bufferUsage, type GpuMemory, type Slice } from './gpu-memory.ts';
import type { GpuWeight } from './gpu-weight.ts';
import { FLOAT32_TILE_TOKENS, TILE_TOKENS, type KernelName } from './kernel-sources.ts';
import { matmulCost, matrixWords, rowBytesOf, wholeSlab } from './matrix-parameters.ts';
import type { Pipelines } from './pipelines.ts';

/** Up to this many rows a matrix is read once per row (from the cache after the first). */
export const MATVEC_ROWS = 4;
const WORD = 4;
/** Bytes of the uniform with the step's numbers, and of the parameters of one dispatch. */
const STEP_BYTES = 32;
const PARAMETER_BYTES = 256;

/** Index of a buffer of activation memory; its place is known after planning. */
type BufferId = number;

/** Where a resource of a dispatch lies, before planning. */
type Place =
  | { readonly buffer: BufferId; readonly offset?: number; readonly size?: number }
  | Slice
  | ((cache: GpuCache) => Slice);

interface Step {
  readonly label: string;
  readonly kernel: KernelName;
  /** For one type of cache only. */
  readonly only: KvType | null;
  /** The weight on planes that the kernel reads. */
  readonly planes: GpuWeight | null;
  readonly parameters: readonly number[];
  /** After the step's numbers and the parameters, in the order of the bindings. */
  readonly places: readonly Place[];
  readonly grid: Dispatch['grid'];
  readonly cost: Dispatch['cost'];
  readonly leastBytes?: Dispatch['leastBytes'];
  readonly touches: readonly BufferId[];
}

export interface CompilerDevice {
  readonly device: GPUDevice;
  readonly features: GpuFeatures;
  readonly memory: GpuMemory;
  readonly pipelines: Pipelines;
  readonly bindingBytes: number;
}

class GraphCompiler {
  readonly #graph: Graph;
  readonly #options: CompileOptions;
  readonly #on: CompilerDevice;
  readonly #weights: readonly GpuWeight[];
  readonly #steps: Step[] = [];
  readonly #bufferBytes: number[] = [];
  /** The buffer that holds each activation's present value. */
  readonly #versions = new Map<ActivationId, BufferId>();
  readonly #quantized = new Map<
    BufferId,
    { readonly digits: BufferId; readonly scales: BufferId }
  >();
  readonly #ropeTables: RopeTable[] = [];
  readonly #buffers: GPUBuffer[] = [];
  readonly #step: Slice;
  readonly #tokens: Slice;
  /** Stand in for a bias, a weight or routes that are absent. */
  readonly #nothing: Slice;
  readonly #nothingWritable: Slice;
  readonly #cache = new Map<number, CacheLayerNeeds>();
  #vocabularySize = Infinity;
  #sliceable = true;
  #bytes = 0;

  constructor(graph: Graph, options: CompileOptions, on: CompilerDevice) {
    this.#graph = graph;
    this.#options = options;
    this.#on = on;
    this.#weights = findWeights(graph, options, on.memory);
    const { uniform, storage, copyTarget } = bufferUsage;
    this.#step = this.#whole('step', STEP_BYTES, uniform | copyTarget);
    this.#tokens = this.#whole('tokens', options.maxTokens * WORD, storage | copyTarget);
    this.#nothing = this.#whole('nothing', 16, storage);
    this.#nothingWritable = this.#whole('nothing', 16, storage);
  }

  compile(): CompiledGraph {
    try {
      for (const op of this.#graph.ops) this.#addOp(op);
      return this.#emit();
    } catch (error) {
      for (const buffer of this.#buffers) this.#on.memory.free(buffer);
      throw error;
    }
  }

  // ---- operators ----

  #addOp(op: Op): void {
    switch (op.op) {
      case 'embed':
        this.#addEmbed(op);
        return;
      case 'norm':
        this.#addNorm(op);
        return;
      case 'matmul':
        this.#addMatmul(op);
        return;
      case 'rope':
        this.#addRope(op);
        return;
      case 'cache-write':
        this.#addCacheWrite(op);
        return;
      case 'attention':
        this.#addAttention(op);
        return;
      case 'gate': {
        const inputs = [op.gate, op.up];
        this.#addElementwise('gate_f32', inputs, op.out, [gateCodes[op.activation]]);
        return;
      }
      case 'activate':
        this.#addElementwise('activate_f32', [op.x], op.out, [gateCodes[op.activation]]);
        return;
      case 'add':
        this.#addElementwise('add_f32', [op.a, op.b], op.out, []);
        return;
      case 'scale': {
        const numbers = [floatWord(op.factor), floatWord(op.softcap)];
        this.#addElementwise('scale_f32', [op.x], op.out, numbers);
        return;
      }
      case 'take-outputs': {
        const { columns } = this.#activation(op.out);
        const x = this.#read(op.x);
        const out = this.#write(op.out);
        this.#add({
          label: 'take-outputs',
          kernel: 'take_outputs_f32',
          parameters: [columns],
          places: [{ buffer: x }, { buffer: out }],
          grid: ({ outputs }) => flatGrid(Math.ceil((outputs * columns) / 256)),
          cost: ({ outputs }) => moved(outputs * columns, outputs * columns),
        });
        return;
      }
      case 'route':
        this.#addRoute(op);
        return;
      case 'expert-matmul':
        this.#addExpertMatmul(op);
        return;
      case 'expert-sum': {
        const { rows, columns } = this.#activation(op.out);
        const [x, routes] = [this.#read(op.x), this.#read(op.routes)];
        const out = this.#write(op.out);
        this.#add({
          label: 'expert-sum',
          kernel: 'expert_sum_f32',
          parameters: [columns, areOutputs(rows), op.used],
          places: [{ buffer: x }, { buffer: routes }, { buffer: out }],
          grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / 256)),
          cost: (step) => {
            const elements = rowsOf(step, rows) * columns;
            return moved(op.used * elements, elements);
          },
        });
        return;
      }
      case 'causal-convolution':
      case 'selective-scan':
      case 'join-heads':
        throw inconsistent(`the operator ${op.op} was said to be unsupported`);
      default:
        op satisfies never;
    }
  }

  #addElementwise(
    kernel: KernelName,
    inputs: readonly ActivationId[],
    target: ActivationId,
    parameters: readonly number[],
  ): void {
    const { rows, columns } = this.#activation(target);
    const places = inputs.map((id) => ({ buffer: this.#read(id) }));
    const out = this.#write(target);
    this.#add({
      label: kernel.replace('_f32', ''),
      kernel,
      parameters: [columns, areOutputs(rows), ...parameters],
      places: [...places, { buffer: out }],
      grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / 256)),
      cost: (step) => {
        const elements = rowsOf(step, rows) * columns;
        return moved(inputs.length * elements, elements);
      },
    });
  }

  #addEmbed(op: EmbedOp): void {
    const weight = this.#weight(op.table);
    const { spec } = weight;
    if (op.by === 'token') this.#vocabularySize = Math.min(this.#vocabularySize, spec.rows);
    const { columns } = spec;
    const by = embedCodes[op.by];
    const out = this.#write(op.out);
    const isPlanes = spec.storage === 'planes';
    for (const part of weight.parts) {
      const own = isPlanes
        ? [...matrixWords(weight, part), columns, by, floatWord(op.scale)]
        : [columns, by, part.firstRow, part.rows, floatWord(op.scale)];
      this.#add({
        label: `embed ${spec.name}`,
        kernel: isPlanes ? 'embed_planes' : 'embed_f32',
        planes: isPlanes ? weight : null,
        parameters: own,
        places: [this.#tokens, isPlanes ? wholeSlab(part) : part.slice, { buffer: out }],
        grid: ({ tokens }) => flatGrid(Math.ceil((tokens * columns) / 256)),
        cost: ({ tokens }, bits) => ({
          ...moved(0, tokens * columns),
          bytesRead: rowBytesOf(weight, tokens, bits),
        }),
        leastBytes: ({ tokens }, bits) => rowBytesOf(weight, tokens, bits),
      });
    }
  }

  #addNorm(op: NormOp): void {
    const { rows, columns } = this.#activation(op.x);
    const groups = columns / op.groupSize;
    const affine = op.weight ?? op.bias;
    const affineRows = affine === null ? 1 : this.#weight(affine).spec.rows;
    const x = this.#read(op.x);
    const out = this.#write(op.out);
    this.#add({
      label: 'norm',
      kernel: 'norm_f32',
      parameters: [
        op.groupSize,
        groups,
        areOutputs(rows),
        op.kind === 'layer' ? 1 : 0,
        floatWord(op.epsilon),
        op.groupSize * affineRows,
        op.weight === null ? 0 : 1,
        op.bias === null ? 0 : 1,
      ],
      places: [{ buffer: x }, this.#vector(op.weight), this.#vector(op.bias), { buffer: out }],
      grid: (step) => flatGrid(rowsOf(step, rows) * groups),
      cost: (step) => {
        const elements = rowsOf(step, rows) * columns;
        return moved(elements, elements);
      },
    });
  }

  #addRope(op: RopeOp): void {
    const { columns } = this.#activation(op.x);
    const table = this.#ropeTable(op);
    const x = this.#read(op.x);
    const out = this.#write(op.x);
    const pairs = op.inverseFrequencies.length;
    this.#add({
      label: 'rope',
      kernel: 'rope_f32',
      parameters: [columns, op.headDim, pairs, op.layout === 'interleaved' ? 1 : 0],
      places: [{ buffer: x }, table.slice, { buffer: out }],
      grid: ({ tokens }) => flatGrid(Math.ceil((tokens * columns) / 256)),
      cost: ({ tokens }) => moved(tokens * columns, tokens * columns),
    });
  }

  #addCacheWrite(op: CacheWriteOp): void {
    const { columns } = this.#activation(op.k);
    this.#noteCache(op.layer, columns, null);
    const { layer } = op;
    // The size of a head is known from attention alone, which may stand later in the graph.
    const headDim = headDimOf(this.#graph, layer) ?? columns;
    const [k, v] = [this.#read(op.k), this.#read(op.v)];
    const at = (cache: GpuCache) => layerOf(cache, layer);
    const grids: Readonly<Record<KvType, (tokens: number) => Grid | null>> = {
      f32: (tokens) => flatGrid(Math.ceil((tokens * columns) / 256)),
      f16: (tokens) => flatGrid(Math.ceil((tokens * columns) / 512)),
      q8: (tokens) => [columns / headDim, tokens, 2],
    };
    for (const type of ['f32', 'f16', 'q8'] as const) {
      this.#add({
        label: 'cache-write',
        kernel: `cache_write_${type}`,
        only: type,
        parameters: [columns, headDim],
        places: [
          (cache) => cache.info,
          { buffer: k },
          { buffer: v },
          (cache) => at(cache).keys,
          (cache) => at(cache).values,
          ...(type === 'q8' ? [(cache: GpuCache) => scalesOf(at(cache).scales)] : []),
        ],
        grid: ({ tokens }) => grids[type](tokens),
        cost: ({ tokens }) => ({
          ...moved(2 * tokens * columns, 0),
          bytesWritten: 2 * tokens * columns * kvElementBytes[type],
        }),
        leastBytes: ({ tokens }) => 2 * tokens * columns * kvElementBytes[type],
      });
    }
  }

  #addAttention(op: AttentionOp): void {
    const { heads, kvHeads, headDim, layer, window, causal } = op;
    this.#noteCache(layer, kvHeads * headDim, headDim);
    if (!causal) this.#sliceable = false;
    const at = (cache: GpuCache) => layerOf(cache, layer);
    const q = this.#read(op.q);
    const out = this.#write(op.out);
    const splitTokens = Math.min(SPLIT_TOKENS, this.#options.maxTokens);
    const parts = this.#buffer(splitTokens * MOST_SPLITS * heads * (headDim + 4) * WORD);
    const seen = ({ position, tokens }: StepNumbers): number => {
      const all = position + tokens;
      return tokens * (window > 0 ? Math.min(window, all) : causal ? position + tokens / 2 : all);
    };
    const memoryBytes =
      (type: KvType) =>
      (step: StepNumbers): number =>
        2 * (seen(step) / step.tokens) * kvHeads * headDim * kvElementBytes[type];
    const cost =
      (type: KvType) =>
      (step: StepNumbers): Cost => {
        const queries = step.tokens * heads * headDim;
        return {
          bytesRead: memoryBytes(type)(step) + queries * 4,
          bytesWritten: queries * step.splits * 4,
          multiplyAdds: 2 * seen(step) * heads * headDim,
        };
      };
    const numbers = [floatWord(op.scale), floatWord(op.softcap)];
    for (const type of ['f32', 'f16', 'q8'] as const) {
      for (const split of [false, true]) {
        this.#add({
          label: 'attention',
          kernel: `attention_cache_${type}`,
          only: type,
          parameters: [heads, kvHeads, headDim, window, causal ? 1 : 0, ...numbers],
          places: [
            (cache) => cache.info,
            { buffer: q },
            (cache) => at(cache).keys,
            (cache) => at(cache).values,
            { buffer: split ? parts : out },
            ...(type === 'q8' ? [(cache: GpuCache) => scalesOf(at(cache).scales)] : []),
          ],
          grid: ({ tokens, splits }) => (splits > 1 === split ? [heads, tokens, splits] : null),
          cost: cost(type),
          leastBytes: memoryBytes(type),
        });
      }
    }
    this.#add({
      label: 'attention reduce',
      kernel: 'attention_reduce_f32',
      parameters: [heads, headDim],
      places: [{ buffer: parts }, { buffer: out }],
      grid: ({ tokens, splits }) => (splits > 1 ? [heads, tokens, 1] : null),
      cost: ({ tokens, splits }) => {
        const elements = tokens * heads * headDim;
        return moved(splits * elements, elements);
      },
    });
  }

  #addMatmul(op: MatmulOp): void {
    const { rows } = this.#activation(op.x);
    const weight = this.#weight(op.weight);
    const { spec } = weight;
    const bias = this.#vector(op.bias);
    const hasBias = op.bias === null ? 0 : 1;
    const x = this.#read(op.x);
    const integers = spec.storage === 'planes' && this.#on.features.packedDot;
    const quantized = integers ? this.#quantize(op.x, x) : null;
    const out = this.#write(op.out);
    const inputs =
      quantized === null
        ? [{ buffer: x }]
        : [{ buffer: quantized.digits }, { buffer: quantized.scales }];
    const few = (step: StepNumbers): boolean => rowsOf(step, rows) <= MATVEC_ROWS;
    for (const part of weight.parts) {
      const tail = [spec.rows, areOutputs(rows), hasBias];
      const isPlanes = spec.storage === 'planes';
      const shared = {
        label: `matmul ${spec.name}`,
        planes: isPlanes ? weight : null,
        parameters: isPlanes
          ? [...matrixWords(weight, part), ...tail]
          : [spec.columns, ...tail, part.firstRow, part.rows],
        places: [isPlanes ? wholeSlab(part) : part.slice, ...inputs, bias, { buffer: out }],
        cost: (step: StepNumbers, bits: 8 | 4) =>
          matmulCost(weight, part, rowsOf(step, rows), bits, integers),
        leastBytes: (step: StepNumbers, bits: 8 | 4) =>
          rowsOf(step, rows) === 0 ? 0 : matmulCost(weight, part, 0, bits, integers).bytesRead,
      };
      const { vector, matrix, vectorRows, tileRows, tileTokens } = this.#matmulKernels(isPlanes);
      this.#add({
        ...shared,
        kernel: vector,
        places: [...shared.places, this.#nothingWritable],
        grid: (step) =>
          few(step) ? flatGrid(Math.ceil(part.rows / vectorRows), rowsOf(step, rows)) : null,
      });
      this.#add({
        ...shared,
        kernel: matrix,
        grid: (step) =>
          few(step)
            ? null
            : flatGrid(Math.ceil(part.rows / tileRows), Math.ceil(rowsOf(step, rows) / tileTokens)),
      });
    }
  }

  #addRoute(op: RouteOp): void {
    const { rows, columns } = this.#activation(op.scores);
    const scores = this.#read(op.scores);
    const out = this.#write(op.out);
    this.#add({
      label: 'route',
      kernel: 'route_f32',
      parameters: [
        columns,
        areOutputs(rows),
        gatingCodes[op.gating],
        op.groups,
        op.groupsUsed,
        op.groupTop,
        op.used,
        op.normalise ? 1 : 0,
        floatWord(op.scale),
        op.bias === null ? 0 : 1,
      ],
      places: [{ buffer: scores }, this.#vector(op.bias), { buffer: out }],
      grid: (step) => flatGrid(Math.ceil(rowsOf(step, rows) / 64)),
      cost: (step) => moved(rowsOf(step, rows) * columns, rowsOf(step, rows) * 2 * op.used),
    });
  }

  /** One matrix-vector product for each expert of each row; which matrix, the kernel reads itself. */
  #addExpertMatmul(op: ExpertMatmulOp): void {
    const { rows, columns } = this.#activation(op.x);
    const weight = this.#weight(op.weight);
    const { spec } = weight;
    const isPlanes = spec.storage === 'planes';
    const expertRows = spec.rows / op.experts;
    const ownInputs = columns === spec.columns ? 0 : 1;
    const [x, routes] = [this.#read(op.x), this.#read(op.routes)];
    const quantized = isPlanes && this.#on.features.packedDot ? this.#quantize(op.x, x) : null;
    const out = this.#write(op.out);
    const inputs =
      quantized === null
        ? [{ buffer: x }]
        : [{ buffer: quantized.digits }, { buffer: quantized.scales }];
    const { vector, vectorRows } = this.#matmulKernels(isPlanes);
    const hasBias = op.bias === null ? 0 : 1;
    const tail = [op.used * expertRows, areOutputs(rows), hasBias];
    const choice = [op.used, expertRows, ownInputs];
    const share = (op.used * expertRows) / spec.rows;
    for (const part of weight.parts) {
      this.#add({
        label: `experts ${spec.name}`,
        kernel: vector,
        planes: isPlanes ? weight : null,
        parameters: isPlanes
          ? [...matrixWords(weight, part), ...tail, ...choice]
          : [spec.columns, ...tail, part.firstRow, part.rows, ...choice],
        places: [
          isPlanes ? wholeSlab(part) : part.slice,
          ...inputs,
          this.#vector(op.bias),
          { buffer: out },
          { buffer: routes },
        ],
        grid: (step) => flatGrid(Math.ceil(expertRows / vectorRows), rowsOf(step, rows) * op.used),
        cost: (step, bits) => {
          const whole = matmulCost(weight, part, 1, bits, quantized !== null);
          const count = rowsOf(step, rows) * share;
          return {
            bytesRead: whole.bytesRead * count,
            bytesWritten: whole.bytesWritten * count,
            multiplyAdds: whole.multiplyAdds * count,
          };
        },
        leastBytes: (step, bits) =>
          matmulCost(weight, part, 0, bits, false).bytesRead * rowsOf(step, rows) * share,
      });
    }
  }

  #matmulKernels(isPlanes: boolean): {
    readonly vector: KernelName;
    readonly matrix: KernelName;
    readonly vectorRows: number;
    readonly tileRows: number;
    readonly tileTokens: number;
  } {
    const { packedDot, f16 } = this.#on.features;
    if (!isPlanes) {
      return {
        vector: 'matvec_dense_f32',
        matrix: 'matmat_dense_f32',
        vectorRows: 1,
        tileRows: 16,
        tileTokens: 16,
      };
    }
    const rows = { vectorRows: 32, tileRows: 64 };
    if (packedDot) {
      return {
        vector: 'matvec_planes_i8',
        matrix: 'matmat_planes_i8',
        tileTokens: TILE_TOKENS,
        ...rows,
      };
    }
    return {
      vector: 'matvec_planes_f32',
      matrix: f16 ? 'matmat_planes_f16' : 'matmat_planes_f32',
      tileTokens: f16 ? TILE_TOKENS : FLOAT32_TILE_TOKENS,
      ...rows,
    };
  }

  /** The quantised copy of an activation's present value, made at its first use. */
  #quantize(
    id: ActivationId,
    x: BufferId,
  ): { readonly digits: BufferId; readonly scales: BufferId } {
    const known = this.#quantized.get(x);
    if (known !== undefined) return known;
    const { rows, columns } = this.#activation(id);
    const count = this.#rowCount(rows);
    const quantized = {
      digits: this.#buffer(count * columns),
      scales: this.#buffer(count * (columns / BLOCK_COLUMNS) * 8),
    };
    this.#quantized.set(x, quantized);
    this.#add({
      label: 'quantize',
      kernel: 'quantize_i8',
      parameters: [columns, areOutputs(rows)],
      places: [{ buffer: x }, { buffer: quantized.digits }, { buffer: quantized.scales }],
      grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / 256)),
      cost: (step) => {
        const elements = rowsOf(step, rows) * columns;
        return { ...moved(elements, 0), bytesWritten: (elements * 40) / 32 };
      },
    });
    return quantized;
  }

  #ropeTable(op: RopeOp): RopeTable {
    const { inverseFrequencies, magnitude } = op;
    const known = this.#ropeTables.find(
      (table) =>
        table.magnitude === magnitude &&
        table.inverseFrequencies.length === inverseFrequencies.length &&
        table.inverseFrequencies.every((value, i) => value === inverseFrequencies[i]),
    );
    if (known !== undefined) return known;
    const bytes = this.#options.maxTokens * 2 * inverseFrequencies.length * 4;
    const slice = this.#whole('rope', bytes, bufferUsage.storage | bufferUsage.copyTarget);
    const table = { inverseFrequencies, magnitude, slice };
    this.#ropeTables.push(table);
    return table;
  }

  /** What this operator says of a layer of the cache must be what the others say of it. */
  #noteCache(layer: number, width: number, headDim: number | null): void {
    const before = this.#cache.get(layer);
    const known = before?.headDim ?? headDim;
    const consistent =
      Number.isSafeInteger(layer) &&
      layer >= 0 &&
      (before === undefined || before.width === width) &&
      (headDim === null || headDim === known);
    if (!consistent) {
      throw inconsistent(`the operators of layer ${layer} differ in the shape of its keys`);
    }
    this.#cache.set(layer, { width, headDim: known });
  }

  // ---- memory and steps ----

  #add(
    step: Omit<Step, 'planes' | 'only' | 'touches'> & Partial<Pick<Step, 'planes' | 'only'>>,
  ): void {
    const touches = step.places.flatMap((place) =>
      typeof place === 'object' && typeof place.buffer === 'number' ? [place.buffer] : [],
    );
    this.#steps.push({ planes: null, only: null, ...step, touches });
  }

  #rowCount(rows: RowExtent): number {
    return rows === 'outputs' ? this.#options.maxOutputs : this.#options.maxTokens;
  }

  #activation(id: ActivationId): ActivationSpec {
    return this.#graph.activations[id] as ActivationSpec;
  }

  #weight(id: WeightId): GpuWeight {
    return this.#weights[id] as GpuWeight;
  }

  #vector(id: WeightId | null): Slice {
    if (id === null) return this.#nothing;
    const { spec, parts } = this.#weight(id);
    const [part] = parts;
    if (spec.storage !== 'dense' || part === undefined || parts.length > 1) {
      throw inconsistent(`the vector "${spec.name}" was not stored dense`);
    }
    return part.slice;
  }

  #buffer(bytes: number): BufferId {
    return this.#bufferBytes.push(bytes) - 1;
  }

  #read(id: ActivationId): BufferId {
    const buffer = this.#versions.get(id);
    if (buffer === undefined) throw inconsistent(`activation ${id} is read before it is written`);
    return buffer;
  }

  #write(id: ActivationId): BufferId {
    const { rows, columns } = this.#activation(id);
    const buffer = this.#buffer(this.#rowCount(rows) * columns * WORD);
    this.#versions.set(id, buffer);
    return buffer;
  }

  #whole(label: string, bytes: number, usage: number): Slice {
    const buffer = this.#on.memory.buffer(label, bytes, usage);
    this.#buffers.push(buffer);
    this.#bytes += buffer.size;
    return { buffer, offset: 0, size: buffer.size };
  }

  // ---- emitting ----

  /** Lifetimes in steps; the result lives to the end. */
  #lifetimes(): PlannedBuffer[] {
    const first = new Array<number>(this.#bufferBytes.length).fill(0);
    const last = new Array<number>(this.#bufferBytes.length).fill(-1);
    this.#steps.forEach((step, index) => {
      for (const buffer of step.touches) {
        if (last[buffer] === -1) first[buffer] = index;
        last[buffer] = index;
      }
    });
    last[this.#read(this.#graph.result)] = this.#steps.length;
    return this.#bufferBytes.map((bytes, i) => ({
      bytes: last[i] === -1 ? 0 : alignUp(bytes, 16),
      firstStep: first[i] as number,
      lastStep: last[i] as number,
    }));
  }

  #emit(): CompiledGraph {
    const { device, bindingBytes } = this.#on;
    const lifetimes = this.#lifetimes();
    const plan = planMemory(lifetimes, BINDING_ALIGNMENT);
    const largest = Math.max(0, ...lifetimes.map(({ bytes }) => bytes));
    if (largest > bindingBytes) throw tooManyTokens(largest, bindingBytes);
    const { storage, copySource, copyTarget, uniform } = bufferUsage;
    const arena = this.#whole('activations', plan.totalBytes, storage | copySource);
    const parameterBytes = this.#steps.length * PARAMETER_BYTES;
    const parameters = this.#whole('parameters', parameterBytes, uniform | copyTarget);
    const words = new Uint32Array(parameterBytes / WORD);
    this.#steps.forEach((step, index) => {
      words.set(step.parameters, (index * PARAMETER_BYTES) / WORD);
    });
    device.queue.writeBuffer(parameters.buffer, 0, words);
    const place = (at: Place): Slice | ((cache: GpuCache) => Slice) => {
      if (typeof at === 'function' || typeof at.buffer !== 'number') return at as Slice;
      const offset = plan.offsets[at.buffer] as number;
      const size = Math.max(16, alignUp(this.#bufferBytes[at.buffer] as number, 16));
      return { buffer: arena.buffer, offset, size };
    };
    const dispatches = (type: KvType): Dispatch[] =>
      this.#steps.flatMap((step, index) => {
        if (step.only !== null && step.only !== type) return [];
        const offset = index * PARAMETER_BYTES;
        const own = { buffer: parameters.buffer, offset, size: PARAMETER_BYTES };
        const { label, grid, cost, leastBytes, planes } = step;
        const resources = [this.#step, own, ...step.places.map(place)];
        const bits = (precision: Precision) => (planes === null ? 4 : bitsRead(planes, precision));
        const pipelines = this.#pipelines(step);
        return [{ label, pipelines, bits, resources, grid, cost, leastBytes }];
      });
    const result = this.#activation(this.#graph.result);
    return {
      dispatches,
      step: this.#step,
      tokens: this.#tokens,
      result: place({ buffer: this.#read(this.#graph.result) }) as Slice,
      resultColumns: result.columns,
      ropeTables: this.#ropeTables,
      cache: this.#cache,
      sliceable: this.#sliceable,
      vocabularySize: this.#vocabularySize,
      positions: learnedPositions(
        this.#graph,
        this.#weights.map(({ spec }) => spec),
      ),
      weights: this.#weights,
      buffers: this.#buffers,
      bytes: this.#bytes,
    };
  }

  #pipelines({ kernel, planes }: Step): Dispatch['pipelines'] {
    const { pipelines } = this.#on;
    if (planes === null) {
      const pipeline = pipelines.get(kernel);
      return { 8: pipeline, 4: pipeline };
    }
    const four = pipelines.get(kernel, false);
    return { 8: planes.lowBytes > 0 ? pipelines.get(kernel, true) : four, 4: four };
  }
}

/** `gating` in wgsl/route_f32.wgsl. */
const gatingCodes = { softmax: 0, sigmoid: 1, 'softmax-of-chosen': 2 } as const;

function areOutputs(rows: RowExtent): number {
  return rows === 'outputs' ? 1 : 0;
}

function rowsOf(step: StepNumbers, rows: RowExtent): number {
  return rows === 'outputs' ? step.outputs : step.tokens;
}

/** The size of the heads of a layer, which its attention knows; null where there is none. */
function headDimOf({ ops }: Graph, layer: number): number | null {
  for (const op of ops) {
    if (op.op === 'attention' && op.layer === layer) return op.headDim;
  }
  return null;
}

function layerOf(cache: GpuCache, layer: number): CacheLayer {
  const found = cache.layers[layer];
  if (found === undefined) throw inconsistent('the conversation memory lacks a layer');
  return found;
}

function scalesOf(scales: Slice | null): Slice {
  if (scales === null) throw inconsistent('the conversation memory lacks its scales');
  return scales;
}

function tooManyTokens(bytes: number, bindingBytes: number): AppError {
  return new AppError(
    'engine/out-of-memory',
    'The graphics card cannot address the intermediate results of this model. Compute on the processor.',
    { details: { bytes, bindingBytes } },
  );
}

/** @throws AppError `invalid-argument`, `not-supported`, `internal`, `model-file/missing-tensor`, `engine/out-of-memory` */
export function compileGraph(
  graph: Graph,
  options: CompileOptions,
  on: CompilerDevice,
): CompiledGraph {
  return new GraphCompiler(graph, options, on).compile();
}
