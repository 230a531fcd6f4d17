import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildWasm, builtFile } from '../build.mjs';
import { runKernelChecks } from './kernel-checks.ts';
import type { CheckResult } from './kernel-bed.ts';

// Only the plain build: Node 20 miscomputes relaxed SIMD. Browsers check both builds with the same code.
describe('kernels, plain SIMD', () => {
  let results: CheckResult[] = [];

  beforeAll(async () => {
    await buildWasm();
    results = await runKernelChecks(await readFile(builtFile('hermit-simd.wasm')));
  }, 120_000);

  it('agree with their scalar twins and with exact arithmetic', () => {
    expect(results.length).toBe(10);
    const failures = results.flatMap((result) =>
      result.failures.map((text) => `${result.name}: ${text}`),
    );
    expect(failures).toEqual([]);
    for (const result of results) expect(result.comparisons, result.name).toBeGreaterThan(0);
  });
});
