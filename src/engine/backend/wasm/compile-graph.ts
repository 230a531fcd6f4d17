/**
 * Compiles a graph of operators into command lists in WASM memory: one for steps of many tokens, and
 * one for steps of a single token, in which commands are fused (`decode-fusion.ts`).
 *
 * Every address and size that the C code will see is computed and checked here, from the shapes of
 * the graph and of the weights, before anything runs. Two passes: the first turns operators into
 * steps (adding one activation quantisation per distinct matmul input, shared by all matrices on
 * planes that read it), the second plans the activation memory and writes the commands.
 */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import {
  fuseForDecode,
  type AttendOp,
  type FusedGraph,
  type ProjectOp,
} from '../../graph/decode-fusion.ts';
import { graphNeeds } from '../../graph/graph-needs.ts';
import { planMemory } from '../../graph/memory-planner.ts';
import type {
  ActivationId,
  ActivationSpec,
  AttentionOp,
  ExpertMatmulOp,
  Graph,
  MatmulOp,
  NormOp,
  Op,
  RopeOp,
  RouteOp,
  RowExtent,
  SelectiveScanOp,
  WeightId,
  HeadPart,
} from '../../graph/ops.ts';
import type { CompileOptions } from '../backend.ts';
import { inconsistent } from '../../graph/inconsistent.ts';
import { checkCounts } from '../graph-checks.ts';
import { embedCodes, floatWord, gateCodes, gatingCodes, rowCodes } from '../operator-words.ts';
import { BLOCK_COLUMNS } from '../plane-formats.ts';
import { isSameRotation, rotaryTableSize } from '../rotary-table.ts';
import {
  COMMAND_WORDS,
  commandWord,
  MOST_SHARED_KV_HEADS,
  normCodes,
  STEP_WORDS,
  type CommandName,
} from './command-layout.ts';
import type { CommandList, CompiledGraph, ObservableInput, RopeTable } from './compiled-graph.ts';
import { findWeights, unsupportedReason } from './graph-inputs.ts';
import type { Kernels } from './kernel-module.ts';
import {
  bufferLifetimes,
  cacheLayer,
  commandGroups,
  scheduleSteps,
  type BufferId,
  type Step,
} from './schedule.ts';
import type { WasmWeight } from './wasm-weight.ts';

const ALIGNMENT = 64;

interface MatrixInput {
  readonly step: number;
  readonly x: ActivationId;
  readonly columns: number;
  readonly weights: string[];
}

interface QuantizedBuffer {
  readonly id: BufferId;
  readonly scalesOffset: number;
  readonly sumsOffset: number;
  readonly input: MatrixInput;
}

interface SharedParts {
  readonly kernels: Kernels;
  readonly threads: number;
  readonly weights: readonly WasmWeight[];
  readonly blocks: number[];
}

/** Compiles one command list: operators to steps, steps to phases, phases to memory and commands. */
class ListCompiler {
  readonly #graph: Graph;
  readonly #options: Pick<CompileOptions, 'maxTokens' | 'maxOutputs'>;
  readonly #kernels: Kernels;
  readonly #threads: number;
  readonly #weights: readonly WasmWeight[];
  /** What was allocated, for whoever gives up or releases the list. */
  readonly #blocks: number[];
  readonly #steps: Step[] = [];
  readonly #bufferBytes: number[];
  readonly #quantized = new Map<ActivationId, QuantizedBuffer>();
  readonly #inputs: MatrixInput[] = [];
  readonly #ropeTables: RopeTable[] = [];
  #allocatedBytes = 0;
  #scratchBytes = ALIGNMENT;
  /** Of attentions that threads share: largest number of query heads, and of a head's components. */
  #heads = 0;
  #headDim = 0;

  constructor(
    graph: Graph,
    options: Pick<CompileOptions, 'maxTokens' | 'maxOutputs'>,
    shared: SharedParts,
  ) {
    this.#graph = graph;
    this.#options = options;
    this.#kernels = shared.kernels;
    this.#threads = shared.threads;
    this.#weights = shared.weights;
    this.#blocks = shared.blocks;
    this.#bufferBytes = graph.activations.map(
      ({ rows, columns }) => this.#rowCount(rows) * columns * 4,
    );
  }

  compile({ ops, result }: FusedGraph): CommandList {
    for (const op of ops) {
      if (op.op === 'project') this.#addProject(op);
      else if (op.op === 'attend') this.#addAttend(op);
      else this.#addOp(op);
    }
    return this.#emit(result);
  }

  #rowCount(rows: RowExtent): number {
    return rows === 'outputs' ? this.#options.maxOutputs : this.#options.maxTokens;
  }

  #allocate(bytes: number): number {
    const address = this.#kernels.heap.allocate(bytes);
    this.#blocks.push(address);
    this.#allocatedBytes += bytes;
    return address;
  }

  #activation(id: ActivationId): ActivationSpec {
    return this.#graph.activations[id] as ActivationSpec;
  }

  #weight(id: WeightId): WasmWeight {
    return this.#weights[id] as WasmWeight;
  }

  /** Address of a vector of float32 values, 0 for none. */
  #vector(id: WeightId | null): number {
    if (id === null) return 0;
    const { spec, denseAddress } = this.#weight(id);
    if (denseAddress === 0) {
      throw inconsistent(`the vector "${spec.name}" was not stored dense`);
    }
    return denseAddress;
  }

  /** Appends a command that writes `out`; `weights` names the matrices in it. */
  #add(
    name: CommandName,
    rows: RowExtent,
    reads: readonly BufferId[],
    out: BufferId,
    words: Step['words'],
    weights: readonly string[] = [],
  ): void {
    const label = [name, ...weights.map((weight) => weight.replace(/\d+/, 'N'))].join(' ');
    this.#steps.push({ name, label, rows, reads, writes: out, words });
    this.#quantized.delete(out); // a quantised copy of the old value is stale
  }

  #addOp(op: Op): void {
    const reason = unsupportedReason(op);
    if (reason !== null) {
      throw new AppError(
        'not-supported',
        `This model needs ${reason}, which the WASM backend cannot compute.`,
      );
    }
    switch (op.op) {
      case 'embed': {
        const { address } = this.#weight(op.table);
        this.#add('embed', 'tokens', [], op.out, (at) => [
          address,
          embedCodes[op.by],
          floatWord(op.scale),
          at(op.out),
        ]);
        return;
      }
      case 'norm':
        this.#addNorm(op);
        return;
      case 'matmul':
        this.#addMatmul(op);
        return;
      case 'rope': {
        const table = this.#ropeTable(op);
        const { heads, headDim, inverseFrequencies, layout } = op;
        this.#add('rope', 'tokens', [], op.x, (at) => [
          at(op.x),
          table.address,
          heads,
          headDim,
          inverseFrequencies.length,
          layout === 'interleaved' ? 1 : 0,
        ]);
        return;
      }
      case 'cache-write':
        this.#add('cache-write', 'tokens', [op.k, op.v], cacheLayer(op.layer), (at) => [
          op.layer,
          at(op.k),
          at(op.v),
        ]);
        return;
      case 'attention':
        this.#addAttention(op);
        return;
      case 'gate': {
        const { rows, columns } = this.#activation(op.out);
        const kind = gateCodes[op.activation];
        this.#add('gate', rows, [op.gate, op.up], op.out, (at) => [
          kind,
          columns,
          at(op.gate),
          at(op.up),
          at(op.out),
        ]);
        return;
      }
      case 'activate': {
        const { rows, columns } = this.#activation(op.out);
        const kind = gateCodes[op.activation];
        this.#add('activate', rows, [op.x], op.out, (at) => [kind, columns, at(op.x), at(op.out)]);
        return;
      }
      case 'causal-convolution': {
        const { columns } = this.#activation(op.x);
        const taps = this.#weight(op.weight).spec.columns;
        const [weight, bias] = [this.#vector(op.weight), this.#vector(op.bias)];
        this.#add('causal-convolution', 'tokens', [op.x], op.out, (at) => [
          at(op.x),
          weight,
          bias,
          op.slot,
          columns,
          taps,
          at(op.out),
        ]);
        return;
      }
      case 'selective-scan':
        this.#addScan(op);
        return;
      case 'route':
        this.#addRoute(op);
        return;
      case 'expert-matmul':
        this.#addExpertMatmul(op);
        return;
      case 'expert-sum': {
        const { rows, columns } = this.#activation(op.out);
        this.#add('expert-sum', rows, [op.x, op.routes], op.out, (at) => [
          at(op.x),
          at(op.routes),
          op.used,
          columns,
          at(op.out),
        ]);
        return;
      }
      case 'add': {
        const { rows, columns } = this.#activation(op.out);
        this.#add('add', rows, [op.a, op.b], op.out, (at) => [
          columns,
          at(op.a),
          at(op.b),
          at(op.out),
        ]);
        return;
      }
      case 'scale': {
        const { rows, columns } = this.#activation(op.out);
        const numbers = [floatWord(op.factor), floatWord(op.softcap)];
        this.#add('scale', rows, [op.x], op.out, (at) => [
          columns,
          at(op.x),
          ...numbers,
          at(op.out),
        ]);
        return;
      }
      case 'take-outputs': {
        const { columns } = this.#activation(op.out);
        this.#add('take-outputs', 'outputs', [op.x], op.out, (at) => [
          columns,
          at(op.x),
          at(op.out),
        ]);
        return;
      }
      case 'join-heads': {
        const { rows } = this.#activation(op.out);
        const part = (x: ActivationId, { heads, from, count }: HeadPart): number[] => {
          return [heads === 1 ? 0 : this.#activation(x).columns / heads, from, count];
        };
        const parts = [...part(op.a, op.aPart), ...part(op.b, op.bPart)];
        const columns = [op.a, op.b].map((x) => this.#activation(x).columns);
        this.#add('join-heads', rows, [op.a, op.b], op.out, (at) => [
          at(op.a),
          at(op.b),
          op.heads,
          ...parts,
          ...columns,
          at(op.out),
        ]);
        return;
      }
      default:
        op satisfies never;
    }
  }

  #addNorm(op: NormOp): void {
    const { rows, columns } = this.#activation(op.x);
    const weight = this.#vector(op.weight);
    const bias = this.#vector(op.bias);
    const affine = op.weight ?? op.bias;
    const affineRows = affine === null ? 1 : this.#weight(affine).spec.rows;
    this.#add('norm', rows, [op.x], op.out, (at) => [
      op.kind === 'layer' ? 1 : 0,
      at(op.x),
      weight,
      bias,
      floatWord(op.epsilon),
      op.groupSize,
      columns / op.groupSize,
      affineRows,
      at(op.out),
    ]);
  }

  #addMatmul(op: MatmulOp): void {
    const { rows, columns } = this.#activation(op.x);
    const { address, denseAddress, spec } = this.#weight(op.weight);
    const bias = this.#vector(op.bias);
    if ((spec.experts ?? 1) > 1) throw inconsistent(`"${spec.name}" is a matrix of experts`);
    if (op.out === op.x) throw inconsistent('a product overwrites its input');
    if (denseAddress !== 0) {
      this.#noteInput(op.x, columns).weights.push(spec.name);
      this.#add(
        'matmul',
        rows,
        [op.x],
        op.out,
        (at) => [address, at(op.x), 0, 0, 0, bias, at(op.out)],
        [spec.name],
      );
      return;
    }
    const quantized = this.#quantize(op.x, columns);
    quantized.input.weights.push(spec.name);
    this.#needScratch(this.#kernels.call('scratch_matmul_bytes', this.#rowCount(rows), columns));
    this.#add(
      'matmul',
      rows,
      [quantized.id],
      op.out,
      (at) => {
        const digits = at(quantized.id);
        const { scalesOffset, sumsOffset } = quantized;
        return [address, 0, digits, digits + scalesOffset, digits + sumsOffset, bias, at(op.out)];
      },
      [spec.name],
    );
  }

  #addScan(op: SelectiveScanOp): void {
    const { columns } = this.#activation(op.x);
    const { columns: states } = this.#activation(op.inputs);
    const [rates, skip] = [this.#vector(op.rates), this.#vector(op.skip)];
    const reads = [op.x, op.steps, op.inputs, op.reads];
    this.#add('selective-scan', 'tokens', reads, op.out, (at) => [
      at(op.x),
      at(op.steps),
      rates,
      at(op.inputs),
      at(op.reads),
      skip,
      op.slot,
      columns,
      states,
      at(op.out),
    ]);
  }

  #addRoute(op: RouteOp): void {
    const { rows, columns: experts } = this.#activation(op.scores);
    const { used, groups, groupsUsed, groupTop, normalise, scale } = op;
    const bias = this.#vector(op.bias);
    this.#needScratch(this.#kernels.call('scratch_route_bytes', experts, groups));
    this.#add('route', rows, [op.scores], op.out, (at) => [
      at(op.scores),
      bias,
      gatingCodes[op.gating],
      experts,
      used,
      groups,
      groupsUsed,
      groupTop,
      normalise ? 1 : 0,
      floatWord(scale),
      at(op.out),
    ]);
  }

  #addExpertMatmul(op: ExpertMatmulOp): void {
    const { experts, used } = op;
    const { rows, columns } = this.#activation(op.x);
    const { address, denseAddress, spec } = this.#weight(op.weight);
    if ((spec.experts ?? 1) !== experts) {
      throw inconsistent(`the weight "${spec.name}" was not stored as ${experts} experts`);
    }
    const bias = this.#vector(op.bias);
    const ownInputs = columns === spec.columns ? 0 : 1;
    const tail = [experts, used, ownInputs];
    this.#needScratch(
      this.#kernels.call(
        'scratch_experts_bytes',
        this.#rowCount(rows),
        used,
        experts,
        spec.columns,
      ),
    );
    if (denseAddress !== 0) {
      this.#noteInput(op.x, spec.columns).weights.push(spec.name);
      this.#add(
        'expert-matmul',
        rows,
        [op.x, op.routes],
        op.out,
        (at) => {
          return [address, at(op.x), 0, 0, 0, bias, at(op.routes), ...tail, at(op.out)];
        },
        [spec.name],
      );
      return;
    }
    const quantized = this.#quantize(op.x, spec.columns);
    quantized.input.weights.push(spec.name);
    this.#add(
      'expert-matmul',
      rows,
      [quantized.id, op.routes],
      op.out,
      (at) => {
        const digits = at(quantized.id);
        const { scalesOffset, sumsOffset } = quantized;
        const input = [0, digits, digits + scalesOffset, digits + sumsOffset];
        return [address, ...input, bias, at(op.routes), ...tail, at(op.out)];
      },
      [spec.name],
    );
  }

  /** What the next step reads, for those who want to see it; tell the matrices. */
  #noteInput(x: ActivationId, columns: number): MatrixInput {
    const input = { step: this.#steps.length, x, columns, weights: [] };
    this.#inputs.push(input);
    return input;
  }

  /** The quantised copy of an activation's present value, made at its first use. */
  #quantize(x: ActivationId, matrixColumns: number): QuantizedBuffer {
    const known = this.#quantized.get(x);
    if (known !== undefined) return known;
    const { rows, columns } = this.#activation(x);
    const count = this.#rowCount(rows);
    const digitBytes = alignUp(count * columns * this.#kernels.activationBytes, ALIGNMENT);
    const blockBytes = alignUp(count * (columns / BLOCK_COLUMNS) * 4, ALIGNMENT);
    const quantized: QuantizedBuffer = {
      id: this.#bufferBytes.length,
      scalesOffset: digitBytes,
      sumsOffset: digitBytes + blockBytes,
      input: this.#noteInput(x, matrixColumns),
    };
    this.#bufferBytes.push(digitBytes + 2 * blockBytes);
    this.#add('quantize', rows, [x], quantized.id, (at) => {
      const digits = at(quantized.id);
      const { scalesOffset, sumsOffset } = quantized;
      return [at(x), columns, digits, digits + scalesOffset, digits + sumsOffset];
    });
    this.#quantized.set(x, quantized);
    return quantized;
  }

  #addAttention(op: AttentionOp): void {
    const { heads, kvHeads, headDim, valueDim, layer, window } = op;
    this.#needScratch(
      this.#kernels.call('scratch_attention_bytes', heads, kvHeads, headDim, valueDim),
    );
    const sinks = this.#vector(op.sinks);
    const numbers = [floatWord(op.scale), floatWord(op.softcap)];
    this.#add('attention', 'tokens', [op.q, cacheLayer(layer)], op.out, (at) => [
      at(op.q),
      at(op.out),
      layer,
      heads,
      kvHeads,
      headDim,
      window,
      ...numbers,
      op.causal ? 0 : 1,
      valueDim,
      sinks,
    ]);
  }

  #addProject(op: ProjectOp): void {
    const { norm, weight, bias, gate, residual } = op;
    const matrix = this.#weight(weight);
    const columns = matrix.spec.columns;
    const up = gate === null ? null : this.#weight(gate.weight);
    const upRows = up?.spec.rows ?? 0;
    this.#needScratch(this.#kernels.call('scratch_project_bytes', columns, upRows));
    const addresses = {
      normWeight: this.#vector(norm?.weight ?? null),
      normBias: this.#vector(norm?.bias ?? null),
      bias: this.#vector(bias),
      upBias: this.#vector(gate?.bias ?? null),
    };
    const reads = residual === null ? [op.x] : [op.x, residual];
    this.#add(
      'project',
      op.rows,
      reads,
      op.out,
      (at) => [
        at(op.x),
        addresses.normWeight,
        addresses.normBias,
        floatWord(norm?.epsilon ?? 0),
        normCodes[norm?.kind ?? 'none'],
        columns,
        matrix.address,
        addresses.bias,
        residual === null ? 0 : at(residual),
        at(op.out),
        up?.address ?? 0,
        addresses.upBias,
        gate === null ? 0 : gateCodes[gate.activation],
      ],
      up === null ? [matrix.spec.name] : [matrix.spec.name, up.spec.name],
    );
  }

  #addAttend({ attention, write, rope }: AttendOp): void {
    const { heads, kvHeads, headDim, layer, window, q, out } = attention;
    const { k, v } = write;
    this.#needScratch(this.#kernels.call('scratch_attend_bytes', heads, kvHeads, headDim));
    this.#heads = Math.max(this.#heads, heads);
    this.#headDim = Math.max(this.#headDim, headDim);
    const table = rope === null ? null : this.#ropeTable(rope);
    const numbers = [floatWord(attention.scale), floatWord(attention.softcap)];
    this.#add('attend', 'tokens', [q, k, v, cacheLayer(layer)], out, (at) => [
      ...[q, k, v, out].map(at),
      layer,
      heads,
      kvHeads,
      headDim,
      window,
      ...numbers,
      table?.address ?? 0,
      rope?.inverseFrequencies.length ?? 0,
      rope?.layout === 'interleaved' ? 1 : 0,
    ]);
  }

  #ropeTable(op: RopeOp): RopeTable {
    const { inverseFrequencies, magnitude } = op;
    const known = this.#ropeTables.find((table) => isSameRotation(table, op));
    if (known !== undefined) return known;
    const bytes = rotaryTableSize(op, this.#options.maxTokens) * 4;
    const table = { inverseFrequencies, magnitude, address: this.#allocate(bytes) };
    this.#ropeTables.push(table);
    return table;
  }

  #needScratch(bytes: number): void {
    this.#scratchBytes = Math.max(this.#scratchBytes, bytes);
  }

  // ---- emitting ----

  #emit(result: ActivationId): CommandList {
    const { heap } = this.#kernels;
    const scheduled = scheduleSteps(this.#steps);
    const plan = planMemory(bufferLifetimes(scheduled, this.#bufferBytes, result), ALIGNMENT);
    const arena = this.#allocate(plan.totalBytes);
    const scratchBytes = alignUp(this.#scratchBytes, ALIGNMENT);
    const scratch = this.#allocate(scratchBytes * this.#threads);
    const tokens = this.#allocate(this.#options.maxTokens * 4);
    const step = this.#allocate(STEP_WORDS * 4);
    const commands = this.#allocate(scheduled.length * COMMAND_WORDS * 4);
    const address = (buffer: BufferId): number => arena + (plan.offsets[buffer] as number);
    // Nothing allocates from here on, so this view stays valid.
    const words = heap.u32(commands, scheduled.length * COMMAND_WORDS);
    words.fill(0);
    scheduled.forEach(({ step: { name, rows, words: body }, phase }, index) => {
      const joined = phase === scheduled[index - 1]?.phase;
      words.set(
        [commandWord(name, joined), rowCodes[rows], ...body(address)],
        index * COMMAND_WORDS,
      );
    });
    return {
      commands,
      commandCount: scheduled.length,
      groups: commandGroups(scheduled),
      step,
      tokens,
      scratch,
      scratchBytes,
      threads: this.#threads,
      result: address(result),
      resultColumns: this.#activation(result).columns,
      ropeTables: this.#ropeTables,
      inputs: this.#observableInputs(
        scheduled.map((entry) => entry.step),
        address,
      ),
      sharedHeads: this.#heads,
      sharedHeadDim: this.#headDim,
      bytes: this.#allocatedBytes,
    };
  }

  /** Steps may run in another order than they were described in. */
  #observableInputs(
    order: readonly Step[],
    address: (buffer: BufferId) => number,
  ): readonly ObservableInput[] {
    return this.#inputs
      .map(({ step, x, columns, weights }) => {
        const command = order.indexOf(this.#steps[step] as Step);
        const { rows, columns: elements } = this.#activation(x);
        return { command, address: address(x), rows, elements, columns, weights };
      })
      .sort((a, b) => a.command - b.command);
  }
}

/**
 * @param threads most threads that will run the commands: each needs memory of its own
 * @throws AppError `invalid-argument`, `not-supported`, `internal`, `model-file/missing-tensor`, `engine/out-of-memory`
 */
export function compileGraph(
  graph: Graph,
  options: CompileOptions,
  kernels: Kernels,
  threads: number,
): CompiledGraph {
  checkCounts(options);
  const blocks: number[] = [];
  const weights = findWeights(graph, options, kernels);
  const shared = { kernels, threads, weights, blocks };
  try {
    const needs = graphNeeds(
      graph,
      weights.map(({ spec }) => spec),
    );
    const prefill = new ListCompiler(graph, options, shared).compile(graph);
    const decode = new ListCompiler(graph, { maxTokens: 1, maxOutputs: 1 }, shared).compile(
      fuseForDecode(graph, MOST_SHARED_KV_HEADS),
    );
    return {
      prefill,
      decode,
      needs,
      weights,
      blocks,
      bytes: prefill.bytes + decode.bytes,
    };
  } catch (error) {
    for (const block of blocks) kernels.heap.free(block);
    throw error;
  }
}
