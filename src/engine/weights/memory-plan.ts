/**
 * What a model will occupy, computed from its header before anything is allocated, so that a device
 * refuses with numbers instead of dying in the middle.
 */
import { AppError } from '../../common/errors.ts';
import { MEBIBYTE, alignUp } from '../../common/bytes.ts';
import type { KvLayerSpec, KvType, WeightStorage } from '../backend/backend.ts';
import type { TensorType } from '../graph/dtype.ts';
import type { Graph } from '../graph/ops.ts';
import { operands } from '../graph/shape-rules.ts';
import type { StateShape } from '../models/architecture.ts';
import { mostSnapshots } from '../models/kv-cache.ts';

export interface PlannedWeight {
  readonly type: TensorType;
  readonly rows: number;
  readonly columns: number;
  readonly storage: WeightStorage;
}

export interface MemoryPlan {
  readonly weightBytes: number;
  readonly cacheBytes: number;
  readonly activationBytes: number;
  /** Pieces of the file in flight while loading. */
  readonly stagingBytes: number;
  readonly totalBytes: number;
  /** Cache bytes of one more position. */
  readonly bytesPerPosition: number;
  readonly contextLength: number;
}

/** Two pieces of the file in flight and one being transcoded (`weight-loader.ts`). */
export const stagingBytes = 12 * MEBIBYTE;

/** Rows of a plane weight are packed in groups of 8. */
const rowGroup = 8;

/**
 * Bytes of one block of 32 columns of a row as planes: 16 a plane, 2 for the scale, 2 for a minimum.
 * Types of up to 16 evenly spaced levels a block keep one plane, all others two.
 */
const planeBlockBytes: Readonly<Record<TensorType, number>> = {
  Q4_0: 18,
  Q4_1: 20,
  Q5_0: 34,
  Q5_1: 36,
  Q8_0: 34,
  F16: 34,
  BF16: 34,
  F32: 34,
  Q2_K: 34,
  Q3_K: 34,
  Q4_K: 20,
  Q5_K: 36,
  Q6_K: 34,
  IQ1_S: 34,
  IQ1_M: 34,
  IQ2_XXS: 34,
  IQ2_XS: 34,
  IQ2_S: 34,
  IQ3_XXS: 34,
  IQ3_S: 34,
  IQ4_NL: 34,
  IQ4_XS: 34,
  TQ1_0: 18,
  TQ2_0: 18,
  MXFP4: 34,
  NVFP4: 34,
};

export function weightBytes({ type, rows, columns, storage }: PlannedWeight): number {
  if (storage === 'dense') return 4 * rows * columns;
  return alignUp(rows, rowGroup) * Math.ceil(columns / 32) * planeBlockBytes[type];
}

/** Bytes of keys and values of one position over all layers. */
export function cacheBytesPerPosition(
  { layers }: Pick<StateShape, 'layers'>,
  type: KvType,
): number {
  // q8 has a float32 scale for every vector
  const bytes = (size: number): number => ({ f32: 4 * size, f16: 2 * size, q8: size + 4 })[type];
  const layerBytes = ({ kvHeads, headDim, valueDim }: KvLayerSpec): number =>
    kvHeads * (bytes(headDim) + bytes(valueDim));
  return layers.reduce((sum, layer) => sum + layerBytes(layer), 0);
}

/** Bytes of what layers remember beside positions, with the copies of it that are kept. */
export function recurrentBytes({ recurrent = [] }: Pick<StateShape, 'recurrent'>): number {
  return 4 * (1 + mostSnapshots) * recurrent.reduce((sum, size) => sum + size, 0);
}

/**
 * Bytes of the activations alive at once in the worst moment of a step, as float32. A planner that
 * reuses memory comes near this; none can be below it.
 */
export function activationBytes(graph: Graph, maxTokens: number, maxOutputs: number): number {
  const lastUse = new Map<number, number>();
  graph.ops.forEach((op, index) => {
    const { reads, writes } = operands(op);
    for (const id of reads) lastUse.set(id, index);
    if (writes !== null) lastUse.set(writes, index);
  });
  lastUse.set(graph.result, graph.ops.length);
  const bytes = (id: number): number => {
    const spec = graph.activations[id];
    if (spec === undefined) return 0;
    return 4 * spec.columns * (spec.rows === 'tokens' ? maxTokens : maxOutputs);
  };
  const alive = new Set<number>();
  let now = 0;
  let peak = 0;
  graph.ops.forEach((op, index) => {
    const { writes } = operands(op);
    if (writes !== null && !alive.has(writes)) {
      alive.add(writes);
      now += bytes(writes);
    }
    peak = Math.max(peak, now);
    for (const id of alive) {
      if (lastUse.get(id) !== index) continue;
      alive.delete(id);
      now -= bytes(id);
    }
  });
  return peak;
}

export interface PlanOptions {
  readonly weights: readonly PlannedWeight[];
  readonly cache: StateShape;
  readonly kvType: KvType;
  readonly contextLength: number;
  readonly activationBytes: number;
}

export function planMemory(options: PlanOptions): MemoryPlan {
  const bytesPerPosition = cacheBytesPerPosition(options.cache, options.kvType);
  const weights = options.weights.reduce((sum, weight) => sum + weightBytes(weight), 0);
  const cacheBytes = bytesPerPosition * options.contextLength + recurrentBytes(options.cache);
  return {
    weightBytes: weights,
    cacheBytes,
    activationBytes: options.activationBytes,
    stagingBytes,
    totalBytes: weights + cacheBytes + options.activationBytes + stagingBytes,
    bytesPerPosition,
    contextLength: options.contextLength,
  };
}

/** The largest context whose plan stays within the budget, 0 when not even the weights do. */
export function largestContext(plan: MemoryPlan, budgetBytes: number): number {
  const rest = budgetBytes - plan.totalBytes + plan.bytesPerPosition * plan.contextLength;
  if (plan.bytesPerPosition === 0) return rest >= 0 ? plan.contextLength : 0;
  return Math.max(0, Math.floor(rest / plan.bytesPerPosition));
}

/** Below this a chat cannot be held. */
export const smallestUsefulContext = 64;

/** @throws AppError `engine/out-of-memory` with the numbers and the largest context that fits */
export function checkBudget(plan: MemoryPlan, budgetBytes: number): void {
  if (plan.totalBytes <= budgetBytes) return;
  const context = largestContext(plan, budgetBytes);
  const needed = `The model needs ${megabytes(plan.totalBytes)} (weights ${megabytes(plan.weightBytes)}, context of ${plan.contextLength} tokens ${megabytes(plan.cacheBytes)}), and ${megabytes(budgetBytes)} are available.`;
  const advice =
    context >= smallestUsefulContext
      ? `A context of up to ${context} tokens would fit.`
      : 'No context would fit: choose a smaller model.';
  throw new AppError('engine/out-of-memory', `${needed} ${advice}`, {
    details: {
      neededBytes: plan.totalBytes,
      weightBytes: plan.weightBytes,
      cacheBytes: plan.cacheBytes,
      availableBytes: budgetBytes,
      largestContext: context,
    },
  });
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / MEBIBYTE)} MB`;
}
