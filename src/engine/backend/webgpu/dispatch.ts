/** What a compiled graph consists of: dispatches whose grids depend on the step alone. */
import type { Precision } from '../backend.ts';
import type { Cost } from './cost.ts';
import type { GpuCache } from './gpu-cache.ts';
import type { Slice } from './gpu-memory.ts';
import type { Pipeline } from './pipelines.ts';

/** The numbers of one pass over the dispatches, as kernels see them (`Step` in wgsl/common.wgsl). */
export interface StepNumbers {
  readonly tokens: number;
  readonly outputs: number;
  readonly position: number;
  /** Parts into which attention splits the positions. */
  readonly splits: number;
  readonly splitPositions: number;
}

export type Grid = readonly [x: number, y: number, z: number];

/** A range of memory, or one that depends on the conversation's cache. */
export type Resource = Slice | ((cache: GpuCache) => Slice);

export interface Dispatch {
  /** The operator and what it works on, for the profiler. */
  readonly label: string;
  /** By the bits read of its weight. */
  readonly pipelines: Readonly<Record<8 | 4, Pipeline>>;
  /** Bits that a step reads of its weight. */
  readonly bits: (precision: Precision) => 8 | 4;
  /** In the order of the kernel's bindings. */
  readonly resources: readonly Resource[];
  /** Null where the step leaves nothing to do. */
  readonly grid: (step: StepNumbers) => Grid | null;
  readonly cost: (step: StepNumbers, bits: 8 | 4) => Cost;
  /** Of these bytes those that no way of computing avoids: weights, keys and values. None unless given. */
  readonly leastBytes?: ((step: StepNumbers, bits: 8 | 4) => number) | undefined;
}

/** What one dimension of a grid may hold, by the specification's default. */
const MOST_WORKGROUPS = 65535;

/** A grid of `count` workgroups, folded into two dimensions where one is too short. */
export function flatGrid(count: number, z = 1): Grid | null {
  if (count === 0 || z === 0) return null;
  if (count <= MOST_WORKGROUPS) return [count, 1, z];
  const rows = Math.ceil(count / MOST_WORKGROUPS);
  return [Math.ceil(count / rows), rows, z];
}

/** Parts into which attention may split the positions, and the most tokens of a step that does. */
export const MOST_SPLITS = 16;
export const SPLIT_TOKENS = 4;
/** Positions that keep a workgroup busy for long enough to be worth merging. */
const LEAST_SPLIT_POSITIONS = 128;
/** Positions `attention_cache` looks at together. */
const ATTENTION_TILE = 64;

/**
 * How attention splits the positions of a step: one token occupies a workgroup for each head, too few
 * for a GPU once the context is long (Dao et al. 2023, Flash-Decoding).
 */
export function splitPositions(
  tokens: number,
  position: number,
): Pick<StepNumbers, 'splits' | 'splitPositions'> {
  const positions = tokens + position;
  const wanted = Math.min(MOST_SPLITS, Math.floor(positions / LEAST_SPLIT_POSITIONS));
  if (tokens > SPLIT_TOKENS || wanted < 2) return { splits: 1, splitPositions: 0x7fffffff };
  return {
    splits: wanted,
    splitPositions: Math.ceil(positions / wanted / ATTENTION_TILE) * ATTENTION_TILE,
  };
}

/** The cost of moving float32 elements. */
export function moved(elementsRead: number, elementsWritten: number): Cost {
  return { bytesRead: 4 * elementsRead, bytesWritten: 4 * elementsWritten, multiplyAdds: 0 };
}
