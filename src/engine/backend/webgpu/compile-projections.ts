/**
 * Dispatches of what `decode-fusion.ts` leaves of a step of one token: products together with the
 * normalisation before them and the gate or the sum after them.
 *
 * One dispatch normalises and quantises the input of all matrices that read it; one multiplies it with
 * up to three of them (q, k and v); one is a gate, its product and the quantisation of that. What does
 * not fit (float32 matrices, matrices in parts, no integer products) is computed apart.
 */
import type { ActivationId, NormOp, RowExtent, WeightId } from '../../graph/ops.ts';
import { operands } from '../../graph/shape-rules.ts';
import { gateCodes } from '../operator-words.ts';
import type { FusedOp, ProjectOp } from '../../graph/decode-fusion.ts';
import { addMatmul, quantizedOf, quantizedRoom } from './compile-products.ts';
import { addElementwise, addNorm, normWords } from './compile-rows.ts';
import type { Cost } from './cost.ts';
import { flatGrid, moved, type StepNumbers } from './dispatch.ts';
import { bufferUsage, type Slice } from './gpu-memory.ts';
import type { GpuWeight, WeightPart } from './gpu-weight.ts';
import { matmulCost, matrixWords, wholeSlab } from './matrix-parameters.ts';
import { areOutputs, rowsOf, type Quantized, type Step, type StepList } from './step-list.ts';

/** Matrices that one dispatch multiplies with, as many as buffers allow. */
const MOST_MATRICES = 3;
/** Rows of a workgroup, which are a block when they are quantised. */
const ROWS = 32;
const WORD = 4;

type PlainOp = Exclude<FusedOp, ProjectOp>;
type Gate = NonNullable<ProjectOp['gate']>;

/** A matrix that can be part of a fused product: on planes, in one part. */
interface Matrix {
  readonly weight: GpuWeight;
  readonly part: WeightPart;
  readonly bias: WeightId | null;
  readonly hasLow: boolean;
}

export class ProjectionCompiler {
  readonly #list: StepList;
  readonly #normalised = new Map<NormOp, Partial<Record<RowExtent, Quantized>>>();
  readonly #written = new Set<NormOp>();

  /** @param list of one token */
  constructor(list: StepList) {
    this.#list = list;
  }

  /** @param addPlain adds what is no projection */
  addAll(ops: readonly FusedOp[], addPlain: (op: PlainOp) => void): void {
    const done = new Set<FusedOp>();
    ops.forEach((op, index) => {
      if (done.has(op)) return;
      if (op.op !== 'project') {
        addPlain(op);
        return;
      }
      const group = this.#alike(op, ops.slice(index + 1));
      for (const member of group) done.add(member);
      if (group.length > 0) this.#addTogether(group);
      else if (!this.#addGated(op)) this.#addApart(op);
    });
  }

  #matrix(id: WeightId, bias: WeightId | null): Matrix | null {
    const weight = this.#list.memory.weight(id);
    const [part] = weight.parts;
    const fits = weight.spec.storage === 'planes' && weight.parts.length === 1;
    if (!fits || part === undefined || !this.#list.on.features.packedDot) return null;
    return { weight, part, bias, hasLow: weight.lowBytes > 0 };
  }

  /** `first` and those of `rest` that one dispatch can compute with it; none where it needs another. */
  #alike(first: ProjectOp, rest: readonly FusedOp[]): ProjectOp[] {
    const matrix = this.#matrix(first.weight, first.bias);
    if (matrix === null || first.gate !== null) return [];
    const group = [first];
    if (first.residual !== null) return group;
    for (const op of rest) {
      if (group.length === MOST_MATRICES || this.#writes(op) === first.x) break;
      if (op.op !== 'project' || op.gate !== null || op.residual !== null) continue;
      const sameInput = op.x === first.x && op.norm === first.norm && op.rows === first.rows;
      const hasLow = this.#matrix(op.weight, op.bias)?.hasLow;
      if (sameInput && hasLow === matrix.hasLow) group.push(op);
    }
    return group;
  }

  #writes(op: FusedOp): ActivationId | null {
    if (op.op === 'project') return op.out;
    return op.op === 'attend' ? op.attention.out : operands(op).writes;
  }

  /** The input in 8 bits, normalised where it is to be. */
  #input({ x, norm, rows }: ProjectOp): Quantized {
    const list = this.#list;
    if (norm === null) return quantizedOf(list, x);
    const known = this.#normalised.get(norm) ?? {};
    const before = known[rows];
    if (before !== undefined) return before;
    const { columns } = list.activation(x);
    const quantized = quantizedRoom(list, list.rowCount(rows), columns);
    this.#normalised.set(norm, { ...known, [rows]: quantized });
    const affine = [norm.weight, norm.bias].map((id) => list.memory.vector(id));
    list.add({
      label: 'norm',
      kernel: 'norm_quantize_i8',
      parameters: [columns, areOutputs(rows), ...normWords(list, norm)],
      places: [list.read(x), ...affine, quantized.digits, quantized.scales],
      grid: (step) => flatGrid(rowsOf(step, rows)),
      cost: (step) => {
        const elements = rowsOf(step, rows) * columns;
        return { ...moved(elements, 0), bytesWritten: (elements * 40) / 32 };
      },
    });
    return quantized;
  }

  /** Products of one input, and what one is added to. */
  #addTogether(group: readonly ProjectOp[]): void {
    const list = this.#list;
    const [first] = group as [ProjectOp];
    const matrices = group.map(({ weight, bias }) => this.#matrix(weight, bias) as Matrix);
    const input = this.#input(first);
    const residual = first.residual === null ? null : list.read(first.residual);
    const { whole, parts } = list.writeTogether(group.map(({ out }) => out));
    const biases = this.#biases(matrices);
    const workgroups = matrices.map(({ weight }) => Math.ceil(weight.spec.rows / ROWS));
    const [own] = matrices as [Matrix];
    const slots = Array.from({ length: MOST_MATRICES }, (_, i) => matrices[i] ?? own);
    const total = workgroups.reduce((sum, count) => sum + count);
    list.add({
      ...this.#shared(matrices, first.rows, 'matmul'),
      kernel: 'project_planes_i8',
      parameters: [
        ...slots.flatMap(({ weight, part }) => matrixWords(weight, part)),
        workgroups[0] as number,
        workgroups[1] ?? 0,
        ...slots.map((_, i) => (parts[i]?.offset ?? 0) / WORD),
        biases === null ? 0 : 1,
        residual === null ? 0 : 1,
      ],
      places: [
        ...slots.map(({ part }) => wholeSlab(part)),
        input.digits,
        input.scales,
        biases ?? list.memory.nothing,
        residual ?? list.memory.nothingWritable,
        whole,
      ],
      grid: (step) => flatGrid(total, rowsOf(step, first.rows)),
    });
  }

  /** Gate, product and quantisation; false where these matrices need another way. */
  #addGated(op: ProjectOp): boolean {
    const list = this.#list;
    const { gate } = op;
    const matrix = this.#matrix(op.weight, op.bias);
    const other = gate === null ? null : this.#matrix(gate.weight, gate.bias);
    if (gate === null || matrix === null || other?.hasLow !== matrix.hasLow) return false;
    const { columns } = list.activation(op.out);
    if (columns % ROWS !== 0) return false;
    const input = this.#input(op);
    const out = list.write(op.out);
    const product = quantizedRoom(list, list.rowCount(op.rows), columns);
    list.quantized.set(out, product);
    const biases = this.#biases([matrix, other]);
    const shared = this.#shared([matrix, other], op.rows, 'gate');
    list.add({
      ...shared,
      cost: (step, bits) => ({
        ...shared.cost(step, bits),
        bytesWritten: (rowsOf(step, op.rows) * columns * 40) / 32,
      }),
      kernel: 'gated_planes_i8',
      parameters: [
        ...matrixWords(matrix.weight, matrix.part),
        ...matrixWords(other.weight, other.part),
        gateCodes[gate.activation],
        biases === null ? 0 : 1,
      ],
      places: [
        wholeSlab(matrix.part),
        wholeSlab(other.part),
        input.digits,
        input.scales,
        biases ?? list.memory.nothing,
        product.digits,
        product.scales,
      ],
      grid: (step) => flatGrid(columns / ROWS, rowsOf(step, op.rows)),
    });
    return true;
  }

  #shared(
    matrices: readonly Matrix[],
    rows: RowExtent,
    label: string,
  ): Pick<Step, 'label' | 'planes' | 'cost' | 'leastBytes'> {
    const sum = (pick: (cost: Cost) => number, tokens: number, bits: 8 | 4): number =>
      matrices.reduce(
        (total, { weight, part }) => total + pick(matmulCost(weight, part, tokens, bits, true)),
        0,
      );
    return {
      label: `${label} ${matrices.map(({ weight }) => weight.spec.name).join(', ')}`,
      planes: matrices.map(({ weight }) => weight),
      cost: (step, bits) => {
        const count = rowsOf(step, rows);
        return {
          bytesRead: sum(({ bytesRead }) => bytesRead, count, bits),
          bytesWritten: sum(({ bytesWritten }) => bytesWritten, count, bits),
          multiplyAdds: sum(({ multiplyAdds }) => multiplyAdds, count, bits),
        };
      },
      leastBytes: (step: StepNumbers, bits) =>
        rowsOf(step, rows) === 0 ? 0 : sum(({ bytesRead }) => bytesRead, 0, bits),
    };
  }

  /** The biases of matrices one after the other, zeros for those without; null where none has one. */
  #biases(matrices: readonly Matrix[]): Slice | null {
    if (matrices.every(({ bias }) => bias === null)) return null;
    const { memory, on } = this.#list;
    const rows = matrices.reduce((sum, { weight }) => sum + weight.spec.rows, 0);
    const { storage, copyTarget } = bufferUsage;
    const slice = memory.whole('biases', rows * WORD, storage | copyTarget);
    const encoder = on.device.createCommandEncoder();
    let offset = 0;
    for (const { weight, bias } of matrices) {
      const bytes = weight.spec.rows * WORD;
      if (bias !== null) {
        const from = memory.vector(bias);
        encoder.copyBufferToBuffer(from.buffer, from.offset, slice.buffer, offset, bytes);
      }
      offset += bytes;
    }
    on.device.queue.submit([encoder.finish()]);
    return slice;
  }

  /** One operator after the other. */
  #addApart({ x, norm, weight, bias, gate, residual, out, rows }: ProjectOp): void {
    const list = this.#list;
    if (norm !== null && !this.#written.has(norm)) {
      this.#written.add(norm);
      addNorm(list, { ...norm, x });
    }
    const input = norm?.out ?? x;
    const product = (to: ActivationId, by: Pick<Gate, 'weight' | 'bias'>): ActivationId => {
      addMatmul(list, { op: 'matmul', x: input, weight: by.weight, bias: by.bias, out: to });
      return to;
    };
    const temporary = (): ActivationId =>
      list.temporary({ rows, columns: list.activation(out).columns });
    if (gate !== null) {
      const inputs = [product(temporary(), { weight, bias }), product(temporary(), gate)];
      addElementwise(list, 'gate_f32', inputs, out, [gateCodes[gate.activation]]);
    } else if (residual !== null) {
      addElementwise(list, 'add_f32', [residual, product(temporary(), { weight, bias })], out, []);
    } else product(out, { weight, bias });
  }
}
