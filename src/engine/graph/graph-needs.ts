/** What a graph asks of whoever runs it, read from its operators: shapes of the memory, ids, positions. */
import { inconsistent } from './inconsistent.ts';
import type { Graph } from './ops.ts';
import type { MatrixShape } from './shape-rules.ts';

/** What a layer of the cache must look like; null: not known from the operators. */
export interface CacheLayerNeeds {
  /** kvHeads * headDim and kvHeads * valueDim. */
  readonly keyWidth: number | null;
  readonly valueWidth: number | null;
  readonly kvHeads: number | null;
}

export interface GraphNeeds {
  /** By layer. */
  readonly layers: ReadonlyMap<number, CacheLayerNeeds>;
  /** Numbers of each recurrent block, by slot. */
  readonly recurrent: ReadonlyMap<number, number>;
  /** Token ids below this are valid; Infinity where no embedding reads them. */
  readonly vocabularySize: number;
  /** Positions below this have a learned vector; Infinity where none are needed. */
  readonly positions: number;
  /** Whether no token sees those behind it, so that a text may be computed in parts. */
  readonly causal: boolean;
}

/**
 * @param weights the shapes of `graph.weights`
 * @throws AppError `internal` where operators contradict each other
 */
export function graphNeeds(graph: Graph, weights: readonly MatrixShape[]): GraphNeeds {
  const columns = (id: number): number => graph.activations[id]?.columns ?? 0;
  const layers = new Map<number, CacheLayerNeeds>();
  const recurrent = new Map<number, number>();
  let [vocabularySize, positions, causal] = [Infinity, Infinity, true];
  for (const op of graph.ops) {
    if (op.op === 'embed') {
      const { rows } = weights[op.table] ?? { rows: 0 };
      if (op.by === 'token') vocabularySize = Math.min(vocabularySize, rows);
      if (op.by === 'position') positions = Math.min(positions, rows);
    } else if (op.op === 'cache-write') {
      note(layers, op.layer, { keyWidth: columns(op.k), valueWidth: columns(op.v) });
    } else if (op.op === 'attention') {
      const { kvHeads, headDim, valueDim } = op;
      const widths = { keyWidth: kvHeads * headDim, valueWidth: kvHeads * valueDim };
      note(layers, op.layer, { ...widths, kvHeads });
      causal &&= op.causal;
    } else if (op.op === 'causal-convolution') {
      const taps = weights[op.weight]?.columns ?? 1;
      noteBlock(recurrent, op.slot, (taps - 1) * columns(op.x));
    } else if (op.op === 'selective-scan') {
      noteBlock(recurrent, op.slot, columns(op.x) * columns(op.inputs));
    }
  }
  return { layers, recurrent, vocabularySize, positions, causal };
}

/** What one operator says of a layer must be what the others say of it. */
function note(
  layers: Map<number, CacheLayerNeeds>,
  layer: number,
  says: Partial<CacheLayerNeeds>,
): void {
  const nothing = { keyWidth: null, valueWidth: null, kvHeads: null };
  const known = { ...nothing, ...layers.get(layer) };
  const agrees = (name: keyof CacheLayerNeeds): boolean =>
    known[name] === null || says[name] === undefined || known[name] === says[name];
  const consistent = agrees('keyWidth') && agrees('valueWidth') && agrees('kvHeads');
  if (!Number.isSafeInteger(layer) || layer < 0 || !consistent) {
    throw inconsistent(`the operators of layer ${layer} differ in the shape of its keys`);
  }
  layers.set(layer, { ...known, ...says });
}

/** Every recurrent block belongs to one operator, which moves it on once a step. */
function noteBlock(recurrent: Map<number, number>, slot: number, size: number): void {
  if (!Number.isSafeInteger(slot) || slot < 0 || recurrent.has(slot)) {
    throw inconsistent(`two operators share the recurrent block ${slot}`);
  }
  recurrent.set(slot, size);
}
