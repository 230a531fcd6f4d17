/** What every backend checks before it compiles a graph. */
import { AppError } from '../../common/errors.ts';
import { inconsistent } from '../graph/inconsistent.ts';
import type { Graph } from '../graph/ops.ts';
import { checkGraph } from '../graph/shape-rules.ts';
import type { CompileOptions, WeightHandle } from './backend.ts';

/** @throws AppError `invalid-argument` */
export function checkCounts({ maxTokens, maxOutputs }: CompileOptions): void {
  const whole = Number.isSafeInteger(maxTokens) && Number.isSafeInteger(maxOutputs);
  if (whole && maxOutputs >= 1 && maxOutputs <= maxTokens) return;
  throw new AppError(
    'invalid-argument',
    'The number of tokens or results of a step is out of range.',
    { details: { maxTokens, maxOutputs } },
  );
}

/**
 * The graph's weights in order, with the shapes the graph needs.
 * @param isOwn whether a weight is in this backend's memory
 * @throws AppError `model-file/missing-tensor`, `internal`
 */
export function weightsOf<Weight extends WeightHandle>(
  graph: Graph,
  { weights: handles }: CompileOptions,
  isOwn: (handle: WeightHandle) => handle is Weight,
): Weight[] {
  const weights = graph.weights.map((name) => {
    const handle = handles.get(name);
    if (handle === undefined) {
      throw new AppError(
        'model-file/missing-tensor',
        `The model file lacks the weight "${name}" that its architecture needs. Choose another file of this model.`,
        { details: { name } },
      );
    }
    if (!isOwn(handle)) throw inconsistent(`the weight "${name}" is not in this backend's memory`);
    return handle;
  });
  checkGraph(
    graph,
    weights.map((weight) => weight.spec),
  );
  return weights;
}
