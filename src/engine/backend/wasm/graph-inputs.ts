/** What is checked before a graph is compiled: operators, counts, weights and shapes. */
import type { Graph, Op } from '../../graph/ops.ts';
import type { CompileOptions } from '../backend.ts';
import { weightsOf } from '../graph-checks.ts';
import type { Kernels } from './kernel-module.ts';
import { WasmWeight } from './wasm-weight.ts';

/** Why this backend cannot compute `op`, or null. */
export function unsupportedReason(op: Op): string | null {
  switch (op.op) {
    case 'attention':
      for (const size of [op.headDim, op.valueDim]) {
        if (size % 4 !== 0) return `a head of ${size} components (not a multiple of 4)`;
      }
      if (op.kvHeads < 1 || op.heads % op.kvHeads !== 0) {
        return `${op.heads} heads shared by ${op.kvHeads} key-value heads`;
      }
      return null;
    case 'rope':
      return 2 * op.inverseFrequencies.length > op.headDim
        ? 'a rotation wider than the head'
        : null;
    case 'embed':
    case 'norm':
    case 'matmul':
    case 'cache-write':
    case 'gate':
    case 'activate':
    case 'route':
    case 'expert-matmul':
    case 'expert-sum':
    case 'causal-convolution':
    case 'selective-scan':
    case 'add':
    case 'scale':
    case 'take-outputs':
    case 'join-heads':
      return null;
    default:
      op satisfies never;
      return 'an unknown operator';
  }
}

/** The graph's weights in order, checked to be this backend's and to have the shapes the graph needs. */
export function findWeights(graph: Graph, options: CompileOptions, kernels: Kernels): WasmWeight[] {
  return weightsOf(
    graph,
    options,
    (handle): handle is WasmWeight =>
      handle instanceof WasmWeight && handle.owner === kernels && !handle.released,
  );
}
