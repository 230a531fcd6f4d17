import { equalLayers } from '../backend/backend.ts';
import { describe, expect, it } from 'vitest';
import { MEBIBYTE } from '../../common/bytes.ts';
import { GraphBuilder } from '../graph/graph-builder.ts';
import {
  activationBytes,
  cacheBytesPerPosition,
  checkBudget,
  largestContext,
  planMemory,
  stagingBytes,
  weightBytes,
} from './memory-plan.ts';

describe('weightBytes', () => {
  const size = { rows: 16, columns: 256, storage: 'planes' } as const;

  it.each([
    ['Q4_0', 18],
    ['Q4_1', 20],
    ['Q5_1', 36],
    ['Q8_0', 34],
    ['Q4_K', 20],
    ['Q5_K', 36],
    ['Q6_K', 34],
    ['IQ2_XS', 34],
    ['F16', 34],
  ] as const)('%s takes %d bytes for 32 values', (type, bytes) => {
    expect(weightBytes({ ...size, type })).toBe(16 * 8 * bytes);
  });

  it('counts whole groups of 8 rows, and float32 where nothing is packed', () => {
    expect(weightBytes({ ...size, type: 'Q4_0', rows: 9 })).toBe(16 * 8 * 18);
    expect(weightBytes({ ...size, type: 'F16', rows: 3, storage: 'dense' })).toBe(3 * 256 * 4);
  });
});

describe('cacheBytesPerPosition', () => {
  it.each([
    ['f32', 4 * 80],
    ['f16', 2 * 80],
    ['q8', 80 + 4],
  ] as const)('%s keeps a head of 80 in %d bytes', (type, bytes) => {
    const cache = { layers: equalLayers(3, 2, 80) };
    expect(cacheBytesPerPosition(cache, type)).toBe(2 * 3 * 2 * bytes);
  });
});

describe('activationBytes', () => {
  it('counts what is alive at once', () => {
    const shapes = new Map([
      ['table', { rows: 4, columns: 10 }],
      ['up', { rows: 100, columns: 10 }],
      ['down', { rows: 10, columns: 100 }],
    ]);
    const g = new GraphBuilder(shapes);
    const x = g.embed('table');
    const first = g.matmul(g.matmul(x, 'up'), 'down');
    const second = g.matmul(g.matmul(first, 'up'), 'down');
    const graph = g.finish(g.takeOutputs(g.add(x, second)));
    // x and first stay while the wide rows are made from one and consumed into the other
    expect(activationBytes(graph, 6, 1)).toBe(4 * 6 * (10 + 10 + 100));
  });
});

describe('planMemory and checkBudget', () => {
  const plan = planMemory({
    weights: [{ type: 'Q8_0', rows: 1024, columns: 1024, storage: 'planes' }],
    cache: { layers: equalLayers(2, 2, 64) },
    kvType: 'f16',
    contextLength: 1000,
    activationBytes: 5000,
  });
  const fixed = 1024 * 1024 * (34 / 32) + 5000 + stagingBytes;

  it('adds up', () => {
    expect(plan.cacheBytes).toBe(1000 * 1024);
    expect(plan.totalBytes).toBe(fixed + 1000 * 1024);
  });

  it('is exact at its limit', () => {
    checkBudget(plan, plan.totalBytes);
    expect(largestContext(plan, plan.totalBytes)).toBe(1000);
    expect(largestContext(plan, plan.totalBytes - 1)).toBe(999);
  });

  it('says what is needed, what there is, and what would fit', () => {
    const budget = fixed + 300 * 1024;
    expect(() => {
      checkBudget(plan, budget);
    }).toThrow(
      expect.objectContaining({
        code: 'engine/out-of-memory',
        message: expect.stringMatching(/needs 15 MB .* 14 MB are available.*up to 300/) as string,
        details: expect.objectContaining({ largestContext: 300, availableBytes: budget }) as object,
      }) as Error,
    );
    expect(() => {
      checkBudget(plan, 2 * MEBIBYTE);
    }).toThrow(/choose a smaller model/);
  });
});
