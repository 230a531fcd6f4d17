/** What the parts of the backend contract share: limits, tensor types, and skipping. */
import type { TestContext } from 'vitest';
import type { KvType, WeightStorage } from '../../../src/engine/backend/backend.ts';
import type { TensorType } from '../../../src/engine/graph/dtype.ts';
import { tensorTypeIds } from '../../../src/engine/graph/dtype.ts';
import type { Graph } from '../../../src/engine/graph/ops.ts';
import type { Bench } from './bench.ts';

/** Largest allowed error per situation. */
export interface Tolerances {
  /** No quantised arithmetic is involved. */
  readonly dense: number;
  /** Planes that hold the source exactly (the integer types); activations may be rounded. */
  readonly planes: number;
  /** Planes whose scales or values are rounded on the way. */
  readonly transcoded: number;
  /** Only the high plane of 8-bit weights is read. */
  readonly highPlane: number;
  readonly cache: Readonly<Record<KvType, number>>;
}

export const tensorTypes = Object.keys(tensorTypeIds) as TensorType[];
/** Those with enough levels that a sum of few products averages the activations' rounding. */
export const exactAsPlanes: ReadonlySet<TensorType> = new Set([
  'IQ4_NL',
  'Q8_0',
  'Q5_1',
  'Q5_0',
  'Q4_1',
  'Q4_0',
]);
export const onePlane: ReadonlySet<TensorType> = new Set([
  'Q4_0',
  'Q4_1',
  'Q4_K',
  'TQ1_0',
  'TQ2_0',
]);

export interface Suite {
  readonly bench: Bench;
  readonly tolerances: Tolerances;
}

/** Skips visibly what the backend says it cannot do. */
export function skipUnsupported(context: TestContext, bench: Bench, graph: Graph): void {
  context.skip(!bench.supports(graph), 'the backend does not support this operator');
}

export function planesLimit(type: TensorType, storage: WeightStorage, limits: Tolerances): number {
  if (storage === 'dense') return limits.dense;
  return exactAsPlanes.has(type) ? limits.planes : limits.transcoded;
}
