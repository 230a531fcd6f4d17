import { describe, expect, it } from 'vitest';
import { planMemory, type PlannedBuffer } from './memory-planner.ts';

function overlaps(buffers: readonly PlannedBuffer[], offsets: readonly number[]): string[] {
  const found: string[] = [];
  buffers.forEach((a, i) => {
    buffers.slice(i + 1).forEach((b, k) => {
      const j = i + 1 + k;
      const together = a.firstStep <= b.lastStep && b.firstStep <= a.lastStep;
      const [x, y] = [offsets[i] as number, offsets[j] as number];
      if (together && x < y + b.bytes && y < x + a.bytes) found.push(`${i} and ${j}`);
    });
  });
  return found;
}

describe('planMemory', () => {
  it('reuses the bytes of buffers that are no longer needed', () => {
    const chain = Array.from({ length: 10 }, (_, i) => ({
      bytes: 64,
      firstStep: i,
      lastStep: i + 1,
    }));
    expect(planMemory(chain, 64).totalBytes).toBe(128);
  });

  it('keeps buffers that live together apart and aligned', () => {
    const buffers: PlannedBuffer[] = Array.from({ length: 200 }, (_, i) => {
      const firstStep = (i * 7919) % 50;
      return { bytes: 1 + ((i * 104729) % 1000), firstStep, lastStep: firstStep + ((i * 31) % 9) };
    });
    const plan = planMemory(buffers, 64);
    expect(overlaps(buffers, plan.offsets)).toEqual([]);
    expect(plan.offsets.every((offset) => offset % 64 === 0)).toBe(true);
    const ends = buffers.map((buffer, i) => (plan.offsets[i] as number) + buffer.bytes);
    expect(plan.totalBytes).toBe(Math.max(...ends));
  });

  it('shares nothing between buffers that touch in one step', () => {
    const plan = planMemory(
      [
        { bytes: 10, firstStep: 0, lastStep: 3 },
        { bytes: 10, firstStep: 3, lastStep: 4 },
      ],
      16,
    );
    expect([...plan.offsets].sort((a, b) => a - b)).toEqual([0, 16]);
  });

  it('plans nothing for nothing', () => {
    expect(planMemory([], 64)).toEqual({ offsets: [], totalBytes: 0 });
  });
});
