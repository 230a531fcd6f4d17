import { describe, expect, it } from 'vitest';
import { GIBIBYTE } from '../common/bytes.ts';
import { memoryBudget } from './memory-budget.ts';

describe('the memory budget', () => {
  it.each([
    [{ deviceMemory: 8, mobile: false }, 4 * GIBIBYTE],
    [{ deviceMemory: 32, mobile: false }, 4 * GIBIBYTE],
    [{ deviceMemory: 4, mobile: false }, Math.floor(2.4 * GIBIBYTE)],
    [{ deviceMemory: undefined, mobile: false }, 4 * GIBIBYTE],
    [{ deviceMemory: 8, mobile: true }, 2 * GIBIBYTE],
    [{ deviceMemory: 2, mobile: true }, 0.5 * GIBIBYTE],
    [{ deviceMemory: undefined, mobile: true }, GIBIBYTE],
  ])('for %j is %d', (hints, bytes) => {
    expect(memoryBudget(hints)).toBe(bytes);
  });
});
