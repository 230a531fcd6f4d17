/** Dispatches of the operators that work on rows one by one, with small weights or none. */
import type {
  ActivationId,
  EmbedOp,
  ExpertSumOp,
  JoinHeadsOp,
  NormOp,
  RopeOp,
  RouteOp,
  TakeOutputsOp,
} from '../../graph/ops.ts';
import { embedCodes, floatWord, gatingCodes } from '../operator-words.ts';
import { flatGrid, moved } from './dispatch.ts';
import type { KernelName } from './kernel-sources.ts';
import { matrixWords, rowBytesOf, wholeSlab } from './matrix-parameters.ts';
import { areOutputs, rowsOf, type StepList } from './step-list.ts';

/** Threads of the kernels whose threads are elements. */
const THREADS = 256;

export function addElementwise(
  list: StepList,
  kernel: KernelName,
  inputs: readonly ActivationId[],
  target: ActivationId,
  parameters: readonly number[],
): void {
  const { rows, columns } = list.activation(target);
  const places = inputs.map((id) => list.read(id));
  list.add({
    label: kernel.replace('_f32', ''),
    kernel,
    parameters: [columns, areOutputs(rows), ...parameters],
    places: [...places, list.write(target)],
    grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / THREADS)),
    cost: (step) => {
      const elements = rowsOf(step, rows) * columns;
      return moved(inputs.length * elements, elements);
    },
  });
}

export function addTakeOutputs(list: StepList, op: TakeOutputsOp): void {
  const { columns } = list.activation(op.out);
  const x = list.read(op.x);
  list.add({
    label: 'take-outputs',
    kernel: 'take_outputs_f32',
    parameters: [columns],
    places: [x, list.write(op.out)],
    grid: ({ outputs }) => flatGrid(Math.ceil((outputs * columns) / THREADS)),
    cost: ({ outputs }) => moved(outputs * columns, outputs * columns),
  });
}

export function addEmbed(list: StepList, op: EmbedOp): void {
  const weight = list.memory.weight(op.table);
  const { spec } = weight;
  const { columns } = spec;
  const by = embedCodes[op.by];
  const out = list.write(op.out);
  const isPlanes = spec.storage === 'planes';
  for (const part of weight.parts) {
    const own = isPlanes
      ? [...matrixWords(weight, part), columns, by, floatWord(op.scale)]
      : [columns, by, part.firstRow, part.rows, floatWord(op.scale)];
    list.add({
      label: `embed ${spec.name}`,
      kernel: isPlanes ? 'embed_planes' : 'embed_f32',
      planes: isPlanes ? [weight] : [],
      parameters: own,
      places: [list.memory.tokens, isPlanes ? wholeSlab(part) : part.slice, out],
      grid: ({ tokens }) => flatGrid(Math.ceil((tokens * columns) / THREADS)),
      cost: ({ tokens }, bits) => ({
        ...moved(0, tokens * columns),
        bytesRead: rowBytesOf(weight, tokens, bits),
      }),
      leastBytes: ({ tokens }, bits) => rowBytesOf(weight, tokens, bits),
    });
  }
}

export function addNorm(list: StepList, op: NormOp): void {
  const { rows, columns } = list.activation(op.x);
  const groups = columns / op.groupSize;
  const x = list.read(op.x);
  list.add({
    label: 'norm',
    kernel: 'norm_f32',
    parameters: [op.groupSize, groups, areOutputs(rows), ...normWords(list, op)],
    places: [x, list.memory.vector(op.weight), list.memory.vector(op.bias), list.write(op.out)],
    grid: (step) => flatGrid(rowsOf(step, rows) * groups),
    cost: (step) => {
      const elements = rowsOf(step, rows) * columns;
      return moved(elements, elements);
    },
  });
}

/** What kernels that normalise are told besides sizes. */
export function normWords(list: StepList, op: NormOp): number[] {
  const affine = op.weight ?? op.bias;
  const affineRows = affine === null ? 1 : list.memory.weight(affine).spec.rows;
  return [
    op.kind === 'layer' ? 1 : 0,
    floatWord(op.epsilon),
    op.groupSize * affineRows,
    op.weight === null ? 0 : 1,
    op.bias === null ? 0 : 1,
  ];
}

export function addRope(list: StepList, op: RopeOp): void {
  const { columns } = list.activation(op.x);
  const table = list.memory.ropeTable(op);
  const x = list.read(op.x);
  const pairs = op.inverseFrequencies.length;
  list.add({
    label: 'rope',
    kernel: 'rope_f32',
    parameters: [columns, op.headDim, pairs, op.layout === 'interleaved' ? 1 : 0],
    places: [x, table, list.write(op.x)],
    grid: ({ tokens }) => flatGrid(Math.ceil((tokens * columns) / THREADS)),
    cost: ({ tokens }) => moved(tokens * columns, tokens * columns),
  });
}

export function addJoinHeads(list: StepList, op: JoinHeadsOp): void {
  const { rows, columns } = list.activation(op.out);
  const parts = [
    { id: op.a, part: op.aPart },
    { id: op.b, part: op.bPart },
  ].flatMap(({ id, part }) => {
    const { columns: width } = list.activation(id);
    // A head that all share lies where each of them would look for its own.
    return [width, part.heads === 1 ? 0 : width / part.heads, part.from, part.count];
  });
  // One memory must not be bound twice in a dispatch that could write it.
  const isOne = op.a === op.b || op.bPart.count === 0;
  const inputs = [list.read(op.a), isOne ? list.memory.nothingWritable : list.read(op.b)];
  list.add({
    label: 'join-heads',
    kernel: 'join_heads_f32',
    parameters: [columns, areOutputs(rows), isOne ? 1 : 0, ...parts],
    places: [...inputs, list.write(op.out)],
    grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / THREADS)),
    cost: (step) => moved(rowsOf(step, rows) * columns, rowsOf(step, rows) * columns),
  });
}

export function addRoute(list: StepList, op: RouteOp): void {
  const { rows, columns } = list.activation(op.scores);
  const scores = list.read(op.scores);
  list.add({
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
    places: [scores, list.memory.vector(op.bias), list.write(op.out)],
    grid: (step) => flatGrid(Math.ceil(rowsOf(step, rows) / 64)),
    cost: (step) => moved(rowsOf(step, rows) * columns, rowsOf(step, rows) * 2 * op.used),
  });
}

export function addExpertSum(list: StepList, op: ExpertSumOp): void {
  const { rows, columns } = list.activation(op.out);
  const [x, routes] = [list.read(op.x), list.read(op.routes)];
  list.add({
    label: 'expert-sum',
    kernel: 'expert_sum_f32',
    parameters: [columns, areOutputs(rows), op.used],
    places: [x, routes, list.write(op.out)],
    grid: (step) => flatGrid(Math.ceil((rowsOf(step, rows) * columns) / THREADS)),
    cost: (step) => {
      const elements = rowsOf(step, rows) * columns;
      return moved(op.used * elements, elements);
    },
  });
}
