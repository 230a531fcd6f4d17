/** Cosines and sines of the positions of a step, which rotations of queries and keys read. */
import type { RopeOp } from '../graph/ops.ts';

export type Rotation = Pick<RopeOp, 'inverseFrequencies' | 'magnitude'>;

/** Whether two rotations can share a table. */
export function isSameRotation(a: Rotation, b: Rotation): boolean {
  return (
    a.magnitude === b.magnitude &&
    a.inverseFrequencies.length === b.inverseFrequencies.length &&
    a.inverseFrequencies.every((value, i) => value === b.inverseFrequencies[i])
  );
}

/** Numbers of a table for so many tokens. */
export function rotaryTableSize({ inverseFrequencies }: Rotation, tokens: number): number {
  return tokens * 2 * inverseFrequencies.length;
}

/**
 * Fills `values`, for each token the cosines of all pairs, then their sines, times the magnitude. In
 * double precision: at position 100,000 a float32 angle is off by 0.004.
 */
export function fillRotaryTable(
  values: Float32Array,
  { inverseFrequencies, magnitude }: Rotation,
  position: number,
  tokens: number,
): void {
  const pairs = inverseFrequencies.length;
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < pairs; i++) {
      const angle = (position + t) * (inverseFrequencies[i] as number);
      values[t * 2 * pairs + i] = Math.cos(angle) * magnitude;
      values[t * 2 * pairs + pairs + i] = Math.sin(angle) * magnitude;
    }
  }
}
