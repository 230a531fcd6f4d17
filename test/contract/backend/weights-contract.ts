/** Weights: encodings, damaged numbers, memory. */
import { expect, it } from 'vitest';
import { randomValues } from '../../fixtures/random-values.ts';
import { encode, range, relativeError, wholeBlocks } from './bench.ts';
import type { Suite } from './suite.ts';
import { planesLimit, tensorTypes } from './suite.ts';
import * as truth from './truth.ts';

export function describeWeights(suite: Suite): void {
  for (const storage of ['dense', 'planes'] as const) {
    it.each(tensorTypes)(`embeds rows of %s kept as ${storage}`, async (type) => {
      const { bench, tolerances } = suite;
      bench.weight('table', { rows: 37, columns: wholeBlocks(type, 96), type, storage });
      const graph = bench.graph((g) => g.takeOutputs(g.embed('table', 1.5)));
      const tokens = [36, 0, 7, 8, 7, 35];
      const [result = []] = await bench.run(graph, [{ tokens }]);
      const rows = tokens.map((token) => bench.rows('table')[token] ?? []);
      const limit = planesLimit(type, storage, tolerances);
      expect(relativeError(result, truth.scale(rows, 1.5, 0))).toBeLessThanOrEqual(limit);
    });
  }

  it.each(tensorTypes)('tells what %s loses without its low plane', async (type) => {
    const { bench } = suite;
    bench.weight('table', { rows: 64, columns: 256, type, storage: 'planes' });
    const { lowError = NaN, lowBytes = NaN } = bench.handles.get('table') ?? {};
    const graph = bench.graph((g) => g.takeOutputs(g.embed('table')));
    const tokens = range(64);
    const [four = [], eight = []] = await bench.run(graph, [
      { tokens, precision: 4 },
      { tokens, precision: 8 },
    ]);
    const lost = Math.sqrt(relativeError(four, eight));
    expect(lowError).toBeGreaterThan(0.8 * lost - 1e-9);
    expect(lowError).toBeLessThan(1.25 * lost + 1e-9);
    if (bench.backend.kind !== 'reference') expect(lowBytes > 0).toBe(lost > 0);
  });

  it('says that rows are missing', () => {
    const spec = { name: 'w', type: 'F32', rows: 16, columns: 32, storage: 'dense' } as const;
    const writer = suite.bench.backend.beginWeight(spec);
    expect(() => writer.finish()).toThrow(
      expect.objectContaining({ code: 'model-file/truncated' }) as Error,
    );
    writer.abandon();
  });

  it.each([
    ['F32', 'dense'],
    ['F32', 'planes'],
    ['F16', 'planes'],
    ['Q8_0', 'planes'],
    ['Q4_1', 'planes'],
    ['Q4_K', 'planes'],
    ['IQ2_XS', 'planes'],
    ['IQ2_XS', 'dense'],
  ] as const)('refuses numbers that are not finite: %s as %s', (type, storage) => {
    const { backend } = suite.bench;
    const spec = { name: 'w', type, rows: 8, columns: 256, storage };
    const bytes = encode(type, spec.columns, randomValues(8 * 256, 3));
    // float32 and float16 infinity, the latter also as the scale that begins a block
    if (type === 'F32') new DataView(bytes.buffer).setFloat32(0, Infinity, true);
    else new DataView(bytes.buffer).setUint16(0, 0x7c00, true);
    const load = (): void => {
      const writer = backend.beginWeight(spec);
      try {
        const pieceBytes = writer.rowsPerPiece * (bytes.length / spec.rows);
        for (let start = 0; start < bytes.length; start += pieceBytes) {
          writer.write(bytes.subarray(start, start + pieceBytes));
        }
        writer.finish();
      } catch (error) {
        writer.abandon();
        throw error;
      }
    };
    expect(load).toThrow(expect.objectContaining({ code: 'model-file/invalid-numbers' }) as Error);
  });

  it('gives memory back', () => {
    const { backend } = suite.bench;
    const before = backend.memory();
    suite.bench.weight('w', { rows: 64, columns: 64, type: 'Q8_0', storage: 'planes' });
    const cache = suite.bench.cache();
    const handle = suite.bench.handles.get('w');
    expect(backend.memory().weightBytes - before.weightBytes).toBe(handle?.bytes);
    expect(backend.memory().cacheBytes - before.cacheBytes).toBe(cache.bytes);
    if (handle) backend.releaseWeight(handle);
    backend.releaseCache(cache);
    const spec = { name: 'v', type: 'F32', rows: 8, columns: 32, storage: 'dense' } as const;
    backend.beginWeight(spec).abandon();
    expect(backend.memory().weightBytes).toBe(before.weightBytes);
    expect(backend.memory().cacheBytes).toBe(before.cacheBytes);
  });

  it('names the weight a graph misses', () => {
    const { bench } = suite;
    bench.input('x', 1, 32);
    const graph = bench.graph((g) => g.takeOutputs(g.embed('x')));
    const options = { weights: new Map<string, never>(), maxTokens: 1, maxOutputs: 1 };
    expect(() => bench.backend.compile(graph, options)).toThrow(
      expect.objectContaining({ code: 'model-file/missing-tensor' }) as Error,
    );
  });
}
