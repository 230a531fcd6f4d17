/** Models that learned a vector for every position end where their table does. */
import { AppError } from '../../common/errors.ts';
import type { Graph } from '../graph/ops.ts';
import type { MatrixShape } from '../graph/shape-rules.ts';

/** Positions a graph has vectors for; Infinity where it has no such table. */
export function learnedPositions(graph: Graph, weights: readonly MatrixShape[]): number {
  const tables = graph.ops.flatMap((op) =>
    op.op === 'embed' && op.by === 'position' ? [weights[op.table]?.rows ?? 0] : [],
  );
  return Math.min(Infinity, ...tables);
}

/** @throws AppError `engine/context-overflow` */
export function checkPositions(available: number, needed: number): void {
  if (needed <= available) return;
  throw new AppError(
    'engine/context-overflow',
    `The model knows ${available} positions and the text has ${needed}. Start a new chat or shorten the text.`,
    { details: { capacity: available, needed } },
  );
}
