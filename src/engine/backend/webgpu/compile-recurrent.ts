/** Dispatches of the operators that keep a state beside positions. */
import type { CausalConvolutionOp, SelectiveScanOp } from '../../graph/ops.ts';
import { inconsistent } from '../../graph/inconsistent.ts';
import { flatGrid, moved } from './dispatch.ts';
import type { GpuCache } from './gpu-cache.ts';
import type { Slice } from './gpu-memory.ts';
import type { StepList } from './step-list.ts';

/** Columns of a workgroup, one a thread. */
const THREADS = 64;

export function addConvolution(list: StepList, op: CausalConvolutionOp): void {
  const { columns } = list.activation(op.x);
  const taps = list.memory.weight(op.weight).spec.columns;
  const state = stateOf(op.slot);
  const x = list.read(op.x);
  list.add({
    label: 'convolution',
    kernel: 'causal_convolution_f32',
    parameters: [columns, taps, op.bias === null ? 0 : 1],
    places: [
      x,
      list.memory.vector(op.weight),
      list.memory.vector(op.bias),
      state,
      list.write(op.out),
    ],
    grid: () => flatGrid(Math.ceil(columns / THREADS)),
    cost: ({ tokens }) => {
      const kept = 2 * (taps - 1) * columns;
      return moved(tokens * columns + kept + taps * columns, tokens * columns + kept);
    },
    leastBytes: () => 4 * columns * (taps + 2 * (taps - 1)),
  });
}

export function addScan(list: StepList, op: SelectiveScanOp): void {
  const { columns } = list.activation(op.x);
  const { columns: states } = list.activation(op.inputs);
  const state = stateOf(op.slot);
  const inputs = [op.x, op.steps, op.inputs, op.reads].map((id) => list.read(id));
  list.add({
    label: 'scan',
    kernel: 'selective_scan_f32',
    parameters: [columns, states],
    places: [
      ...inputs,
      list.memory.vector(op.rates),
      list.memory.vector(op.skip),
      state,
      list.write(op.out),
    ],
    grid: () => flatGrid(Math.ceil(columns / THREADS)),
    cost: ({ tokens }) => ({
      ...moved(tokens * 2 * (columns + states) + 2 * columns * states, tokens * columns),
      multiplyAdds: 3 * tokens * columns * states,
    }),
    leastBytes: () => 4 * 3 * columns * states,
  });
}

function stateOf(slot: number): (cache: GpuCache) => Slice {
  return (cache) => {
    const found = cache.recurrent[slot];
    if (found === undefined) throw inconsistent('the conversation memory lacks a state');
    return found;
  };
}
