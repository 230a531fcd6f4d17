/** What is checked before a graph is compiled: operators, counts, weights and shapes. */
import { AppError } from '../../../common/errors.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import { checkGraph } from '../../graph/shape-rules.ts';
import type { CompileOptions } from '../backend.ts';
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

/** A graph made by our own code that cannot be right. */
export function inconsistent(what: string): AppError {
  return new AppError('internal', `The model's graph cannot be compiled: ${what}.`);
}

/** @throws AppError `invalid-argument` */
export function checkCounts({ maxTokens, maxOutputs }: CompileOptions): void {
  const whole = Number.isSafeInteger(maxTokens) && Number.isSafeInteger(maxOutputs);
  if (whole && maxOutputs >= 1 && maxOutputs <= maxTokens) return;
  throw new AppError(
    'invalid-argument',
    'The number of tokens or results of a step is out of range.',
    {
      details: { maxTokens, maxOutputs },
    },
  );
}

/** The graph's weights in order, checked to be this backend's and to have the shapes the graph needs. */
export function findWeights(graph: Graph, options: CompileOptions, kernels: Kernels): WasmWeight[] {
  const weights = graph.weights.map((name) => {
    const handle = options.weights.get(name);
    if (handle === undefined) {
      throw new AppError(
        'model-file/missing-tensor',
        `The model file lacks the weight "${name}" that its architecture needs. Choose another file of this model.`,
        { details: { name } },
      );
    }
    if (!(handle instanceof WasmWeight) || handle.owner !== kernels || handle.released) {
      throw inconsistent(`the weight "${name}" is not in this backend's memory`);
    }
    return handle;
  });
  checkGraph(
    graph,
    weights.map((weight) => weight.spec),
  );
  return weights;
}
