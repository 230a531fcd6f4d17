/** Dispatches of products with matrices, by what the device has and how many rows there are. */
import type { ActivationId, ExpertMatmulOp, MatmulOp } from '../../graph/ops.ts';
import { BLOCK_COLUMNS } from '../plane-formats.ts';
import { flatGrid, moved, type StepNumbers } from './dispatch.ts';
import type { GpuFeatures } from './gpu-device.ts';
import { FLOAT32_TILE_TOKENS, TILE_TOKENS, type KernelName } from './kernel-sources.ts';
import { matmulCost, matrixWords, wholeSlab } from './matrix-parameters.ts';
import { areOutputs, rowsOf, type Quantized, type StepList, type View } from './step-list.ts';

/** Up to this many rows a matrix is read once per row (from the cache after the first). */
export const MATVEC_ROWS = 4;

interface MatmulKernels {
  readonly vector: KernelName;
  readonly matrix: KernelName;
  readonly vectorRows: number;
  readonly tileRows: number;
  readonly tileTokens: number;
}

const denseKernels: MatmulKernels = {
  vector: 'matvec_dense_f32',
  matrix: 'matmat_dense_f32',
  vectorRows: 1,
  tileRows: 16,
  tileTokens: 16,
};

function matmulKernels({ packedDot, f16 }: GpuFeatures, isPlanes: boolean): MatmulKernels {
  if (!isPlanes) return denseKernels;
  const rows = { vectorRows: 32, tileRows: 64 };
  if (packedDot) {
    const tileTokens = TILE_TOKENS;
    return { vector: 'matvec_planes_i8', matrix: 'matmat_planes_i8', tileTokens, ...rows };
  }
  return {
    vector: 'matvec_planes_f32',
    matrix: f16 ? 'matmat_planes_f16' : 'matmat_planes_f32',
    tileTokens: f16 ? TILE_TOKENS : FLOAT32_TILE_TOKENS,
    ...rows,
  };
}

/** The quantised copy of an activation's present value, made at its first use. */
export function quantizedOf(list: StepList, id: ActivationId): Quantized {
  const x = list.read(id);
  const known = list.quantized.get(x);
  if (known !== undefined) return known;
  const { rows, columns } = list.activation(id);
  const quantized = quantizedRoom(list, list.rowCount(rows), columns);
  list.quantized.set(x, quantized);
  list.add({
    label: 'quantize',
    kernel: 'quantize_i8',
    parameters: [columns, areOutputs(rows)],
    places: [x, quantized.digits, quantized.scales],
    grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / 256)),
    cost: (step) => {
      const elements = rowsOf(step, rows) * columns;
      return { ...moved(elements, 0), bytesWritten: (elements * 40) / 32 };
    },
  });
  return quantized;
}

export function quantizedRoom(list: StepList, rows: number, columns: number): Quantized {
  return {
    digits: list.buffer(rows * columns),
    scales: list.buffer(rows * (columns / BLOCK_COLUMNS) * 8),
  };
}

/** What a product reads of its input. */
function inputsOf(list: StepList, id: ActivationId, integers: boolean): View[] {
  if (!integers) return [list.read(id)];
  const { digits, scales } = quantizedOf(list, id);
  return [digits, scales];
}

export function addMatmul(list: StepList, op: MatmulOp): void {
  const { rows } = list.activation(op.x);
  const weight = list.memory.weight(op.weight);
  const { spec } = weight;
  const isPlanes = spec.storage === 'planes';
  const integers = isPlanes && list.on.features.packedDot;
  const inputs = inputsOf(list, op.x, integers);
  const out = list.write(op.out);
  const few = (step: StepNumbers): boolean => rowsOf(step, rows) <= MATVEC_ROWS;
  const { vector, matrix, ...tile } = matmulKernels(list.on.features, isPlanes);
  const tail = [spec.rows, areOutputs(rows), op.bias === null ? 0 : 1];
  for (const part of weight.parts) {
    const shared = {
      label: `matmul ${spec.name}`,
      planes: isPlanes ? [weight] : [],
      parameters: isPlanes
        ? [...matrixWords(weight, part), ...tail]
        : [spec.columns, ...tail, part.firstRow, part.rows],
      places: [
        isPlanes ? wholeSlab(part) : part.slice,
        ...inputs,
        list.memory.vector(op.bias),
        out,
      ],
      cost: (step: StepNumbers, bits: 8 | 4) =>
        matmulCost(weight, part, rowsOf(step, rows), bits, integers),
      leastBytes: (step: StepNumbers, bits: 8 | 4) =>
        rowsOf(step, rows) === 0 ? 0 : matmulCost(weight, part, 0, bits, integers).bytesRead,
    };
    list.add({
      ...shared,
      kernel: vector,
      places: [...shared.places, list.memory.nothingWritable],
      grid: (step) =>
        few(step) ? flatGrid(Math.ceil(part.rows / tile.vectorRows), rowsOf(step, rows)) : null,
    });
    if (list.rowCount(rows) <= MATVEC_ROWS) continue;
    list.add({
      ...shared,
      kernel: matrix,
      grid: (step) =>
        few(step)
          ? null
          : flatGrid(
              Math.ceil(part.rows / tile.tileRows),
              Math.ceil(rowsOf(step, rows) / tile.tileTokens),
            ),
    });
  }
}

/** One matrix-vector product for each expert of each row; which matrix, the kernel reads itself. */
export function addExpertMatmul(list: StepList, op: ExpertMatmulOp): void {
  const { rows, columns } = list.activation(op.x);
  const weight = list.memory.weight(op.weight);
  const { spec } = weight;
  const isPlanes = spec.storage === 'planes';
  const integers = isPlanes && list.on.features.packedDot;
  const expertRows = spec.rows / op.experts;
  const ownInputs = columns === spec.columns ? 0 : 1;
  const routes = list.read(op.routes);
  const inputs = inputsOf(list, op.x, integers);
  const out = list.write(op.out);
  const { vector, vectorRows } = matmulKernels(list.on.features, isPlanes);
  const tail = [op.used * expertRows, areOutputs(rows), op.bias === null ? 0 : 1];
  const choice = [op.used, expertRows, ownInputs];
  const share = (op.used * expertRows) / spec.rows;
  const count = (step: StepNumbers): number => rowsOf(step, rows) * share;
  for (const part of weight.parts) {
    list.add({
      label: `experts ${spec.name}`,
      kernel: vector,
      planes: isPlanes ? [weight] : [],
      parameters: isPlanes
        ? [...matrixWords(weight, part), ...tail, ...choice]
        : [spec.columns, ...tail, part.firstRow, part.rows, ...choice],
      places: [
        isPlanes ? wholeSlab(part) : part.slice,
        ...inputs,
        list.memory.vector(op.bias),
        out,
        routes,
      ],
      grid: (step) => flatGrid(Math.ceil(expertRows / vectorRows), rowsOf(step, rows) * op.used),
      cost: (step, bits) => {
        const whole = matmulCost(weight, part, 1, bits, integers);
        return {
          bytesRead: whole.bytesRead * count(step),
          bytesWritten: whole.bytesWritten * count(step),
          multiplyAdds: whole.multiplyAdds * count(step),
        };
      },
      leastBytes: (step, bits) =>
        matmulCost(weight, part, 0, bits, integers).bytesRead * count(step),
    });
  }
}
