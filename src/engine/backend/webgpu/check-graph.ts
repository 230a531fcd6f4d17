/** What is checked before a graph is compiled and before a step runs. */
import { AppError } from '../../../common/errors.ts';
import type { Graph, Op } from '../../graph/ops.ts';
import { checkGraph } from '../../graph/shape-rules.ts';
import type { CompileOptions, StepInput } from '../backend.ts';
import { checkPositions } from '../learned-positions.ts';
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
      if (op.headDim % 4 !== 0) return `a head of ${op.headDim} components (not a multiple of 4)`;
      if (op.valueDim !== op.headDim) return 'values of another size than keys';
      if (op.sinks !== null) return 'attention sinks';
      if (op.headDim > LARGEST_HEAD) return `a head of ${op.headDim} components`;
      return null;
    case 'route':
      return Math.max(op.groups, op.used) > MOST_EXPERTS ? `${op.used} of many experts` : null;
    case 'expert-matmul':
      return op.experts > MOST_EXPERTS ? `${op.experts} experts` : null;
    case 'causal-convolution':
    case 'selective-scan':
      return 'layers with a state';
    case 'join-heads':
      return 'heads put together from parts';
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

/** A graph made by our own code that cannot be right. */
export function inconsistent(what: string): AppError {
  return new AppError('internal', `The model's graph cannot be compiled: ${what}.`);
}

/**
 * The graph's weights in order, checked to be this backend's and to have the shapes the graph needs.
 * @throws AppError `invalid-argument`, `not-supported`, `model-file/missing-tensor`, `internal`
 */
export function findWeights(graph: Graph, options: CompileOptions, owner: GpuMemory): GpuWeight[] {
  const { maxTokens, maxOutputs } = options;
  const whole = Number.isSafeInteger(maxTokens) && Number.isSafeInteger(maxOutputs);
  if (!whole || maxOutputs < 1 || maxOutputs > maxTokens) {
    throw new AppError(
      'invalid-argument',
      'The number of tokens or results of a step is out of range.',
      { details: { maxTokens, maxOutputs } },
    );
  }
  for (const op of graph.ops) {
    const reason = unsupportedReason(op);
    if (reason === null) continue;
    throw new AppError(
      'not-supported',
      `This model needs ${reason}, which the WebGPU backend cannot compute.`,
    );
  }
  const weights = graph.weights.map((name) => {
    const handle = options.weights.get(name);
    if (handle === undefined) {
      throw new AppError(
        'model-file/missing-tensor',
        `The model file lacks the weight "${name}" that its architecture needs. Choose another file of this model.`,
        { details: { name } },
      );
    }
    if (!(handle instanceof GpuWeight) || handle.owner !== owner || handle.released) {
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

/**
 * The step's cache, after everything that changes from step to step was checked.
 * @throws AppError `invalid-argument`, `engine/not-loaded`, `engine/context-overflow`
 */
export function checkStep(
  { compiled, maxTokens, maxOutputs }: GpuExecutable,
  owner: GpuMemory,
  input: StepInput,
): GpuCache {
  const { tokens, position, outputs, precision, cache } = input;
  const refuse = (message: string): AppError =>
    new AppError('invalid-argument', message, {
      details: { tokens: tokens.length, position, outputs, precision },
    });
  if (compiled.weights.some((weight) => weight.released)) {
    throw new AppError('engine/not-loaded', 'The model was closed. Load it again.');
  }
  if (tokens.length < 1 || tokens.length > maxTokens) {
    throw refuse('The step has too many tokens or none.');
  }
  const mostOutputs = Math.min(maxOutputs, tokens.length);
  if (!Number.isInteger(outputs) || outputs < 0 || outputs > mostOutputs) {
    throw refuse('The step asks for more results than it has tokens.');
  }
  if (precision !== 8 && precision !== 4 && precision !== 'mixed') {
    throw refuse('The precision must be 8 or 4 bits, or mixed.');
  }
  for (const token of tokens) {
    if (token < 0 || token >= compiled.vocabularySize) {
      throw refuse(`The token ${token} is not in the model's vocabulary.`);
    }
  }
  if (!(cache instanceof GpuCache) || cache.owner !== owner || cache.released) {
    throw refuse('The conversation memory belongs to another backend or was closed.');
  }
  const { spec } = cache;
  const fits = [...compiled.cache].every(([layer, needs]) => {
    const has = spec.layers[layer];
    return (
      has !== undefined &&
      has.kvHeads * has.headDim === needs.width &&
      has.headDim === (needs.headDim ?? has.headDim)
    );
  });
  if (!fits) throw refuse('The conversation memory was made for another model.');
  if (!Number.isInteger(position) || position < 0 || position + tokens.length > spec.capacity) {
    throw new AppError(
      'engine/context-overflow',
      'The conversation is longer than the context. Start a new chat or load the model with a longer context.',
      { details: { position, tokens: tokens.length, capacity: spec.capacity } },
    );
  }
  checkPositions(compiled.positions, position + tokens.length);
  return cache;
}
