/**
 * Bytes of weights that a step reads: what an answer costs a processor that waits for memory, and
 * most of the energy it takes.
 *
 * Counted from the sizes of the weights in the backend, each operator's weight once however many
 * tokens share the step. Of a table only the rows of the step's tokens count, of experts those
 * chosen, taken as different ones for every token.
 */
import type { ActivationId, Graph, Op, WeightId } from '../graph/ops.ts';
import { bitsRead, type Precision, type WeightHandle } from './backend.ts';

interface Reading {
  readonly weight: WeightHandle;
  /** Whether only tokens whose results are wanted read it. */
  readonly forOutputs: boolean;
  /** Share of the weight that each row of the step reads, up to the whole; null: all of it. */
  readonly sharePerRow: number | null;
}

export interface StepSize {
  readonly tokens: number;
  readonly outputs: number;
}

export class WeightTraffic {
  readonly #readings: readonly Reading[];

  constructor(graph: Graph, weights: ReadonlyMap<string, WeightHandle>) {
    this.#readings = graph.ops.flatMap((op) =>
      weightsOf(op).flatMap(({ id, rows, sharePerRow }) => {
        const weight = weights.get(graph.weights[id] ?? '');
        if (weight === undefined) return [];
        const forOutputs = graph.activations[rows]?.rows === 'outputs';
        const share = sharePerRow(weight);
        return [{ weight, forOutputs, sharePerRow: share }];
      }),
    );
  }

  bytes({ tokens, outputs }: StepSize, precision: Precision): number {
    let sum = 0;
    for (const { weight, forOutputs, sharePerRow } of this.#readings) {
      const rows = forOutputs ? outputs : tokens;
      if (rows === 0) continue;
      const share = sharePerRow === null ? 1 : Math.min(1, rows * sharePerRow);
      sum += share * bytesRead(weight, precision);
    }
    return Math.round(sum);
  }

  /** Bytes of its low plane that a step of one token reads with 8 bits. */
  lowBytesOfToken(weight: WeightHandle): number {
    const own = this.#readings.filter((reading) => reading.weight === weight);
    return own.reduce((sum, { sharePerRow }) => sum + (sharePerRow ?? 1) * weight.lowBytes, 0);
  }
}

/** Of a weight that is read as a whole. */
export function bytesRead(weight: WeightHandle, precision: Precision): number {
  return bitsRead(weight, precision) === 8 ? weight.bytes : weight.bytes - weight.lowBytes;
}

interface WeightUse {
  readonly id: WeightId;
  /** The activation whose rows read it. */
  readonly rows: ActivationId;
  readonly sharePerRow: (weight: WeightHandle) => number | null;
}

const whole = (): null => null;

function weightsOf(op: Op): readonly WeightUse[] {
  const use = (
    ids: readonly (WeightId | null)[],
    rows: ActivationId,
    sharePerRow: WeightUse['sharePerRow'] = whole,
  ): readonly WeightUse[] => ids.flatMap((id) => (id === null ? [] : [{ id, rows, sharePerRow }]));
  switch (op.op) {
    case 'embed':
      return use([op.table], op.out, ({ spec }) => 1 / spec.rows);
    case 'norm':
      return use([op.weight, op.bias], op.x);
    case 'matmul':
      return use([op.weight, op.bias], op.x);
    case 'attention':
      return use([op.sinks], op.q);
    case 'route':
      return use([op.bias], op.scores);
    case 'expert-matmul':
      return use([op.weight, op.bias], op.x, () => op.used / op.experts);
    case 'causal-convolution':
      return use([op.weight, op.bias], op.x);
    case 'selective-scan':
      return use([op.rates, op.skip], op.x);
    case 'rope':
    case 'cache-write':
    case 'gate':
    case 'activate':
    case 'expert-sum':
    case 'add':
    case 'scale':
    case 'join-heads':
    case 'take-outputs':
      return [];
    default:
      return op satisfies never;
  }
}
