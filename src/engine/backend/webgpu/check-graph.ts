/** What is checked before a graph is compiled and before a step runs. */
import { AppError } from '../../../common/errors.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import type { CompileOptions, StepInput } from '../backend.ts';
import { checkCounts, weightsOf } from '../graph-checks.ts';
import { checkStepInput } from '../step-checks.ts';
import { GpuCache } from './gpu-cache.ts';
import type { GpuExecutable } from './gpu-executable.ts';
import type { GpuMemory } from './gpu-memory.ts';
import { GpuWeight } from './gpu-weight.ts';

/** Components of the largest head that `attention_cache` holds in workgroup memory. */
const LARGEST_HEAD = 512;

/** What `route_f32` keeps a bit for. */
const MOST_EXPERTS = 1024;

/** Why this backend cannot compute `op`, or null. */
export function unsupportedReason(op: Op): string | null {
  switch (op.op) {
    case 'attention':
      for (const size of [op.headDim, op.valueDim]) {
        if (size % 4 !== 0) return `a head of ${size} components (not a multiple of 4)`;
        if (size > LARGEST_HEAD) return `a head of ${size} components`;
      }
      return null;
    case 'route':
      return Math.max(op.groups, op.used) > MOST_EXPERTS ? `${op.used} of many experts` : null;
    case 'expert-matmul':
      return op.experts > MOST_EXPERTS ? `${op.experts} experts` : null;
    case 'causal-convolution':
    case 'selective-scan':
    case 'join-heads':
    case 'expert-sum':
    case 'embed':
    case 'norm':
    case 'matmul':
    case 'rope':
    case 'cache-write':
    case 'gate':
    case 'activate':
    case 'add':
    case 'scale':
    case 'take-outputs':
      return null;
    default:
      op satisfies never;
      return 'an unknown operator';
  }
}

/**
 * The graph's weights in order, checked to be this backend's and to have the shapes the graph needs.
 * @throws AppError `invalid-argument`, `not-supported`, `model-file/missing-tensor`, `internal`
 */
export function findWeights(graph: Graph, options: CompileOptions, owner: GpuMemory): GpuWeight[] {
  checkCounts(options);
  for (const op of graph.ops) {
    const reason = unsupportedReason(op);
    if (reason === null) continue;
    throw new AppError(
      'not-supported',
      `This model needs ${reason}, which the WebGPU backend cannot compute.`,
    );
  }
  return weightsOf(
    graph,
    options,
    (handle): handle is GpuWeight =>
      handle instanceof GpuWeight && handle.owner === owner && !handle.released,
  );
}

/**
 * The step's cache, after everything that changes from step to step was checked.
 * @throws AppError `invalid-argument`, `engine/not-loaded`, `engine/context-overflow`
 */
export function checkStep(
  { compiled, maxTokens, maxOutputs }: GpuExecutable,
  owner: GpuMemory,
  input: StepInput,
): GpuCache {
  if (compiled.weights.some((weight) => weight.released)) {
    throw new AppError('engine/not-loaded', 'The model was closed. Load it again.');
  }
  const { cache } = input;
  if (!(cache instanceof GpuCache) || cache.owner !== owner || cache.released) {
    throw new AppError(
      'invalid-argument',
      'The conversation memory belongs to another backend or was closed.',
    );
  }
  checkStepInput(input, { maxTokens, maxOutputs, needs: compiled.needs });
  return cache;
}
