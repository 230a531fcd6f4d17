import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildWasm, builtFile } from '../build.mjs';
import { runKernelChecks } from './kernel-checks.ts';
import type { CheckResult } from './kernel-bed.ts';

/** Where addresses are negative to those who take them for signed; pages not touched cost nothing. */
const ABOVE_2_GIB = 2 ** 31 + 2 ** 20;

function expectAllPassed(results: readonly CheckResult[]): void {
  const failures = results.flatMap((result) =>
    result.failures.map((text) => `${result.name}: ${text}`),
  );
  expect(failures).toEqual([]);
  expect(results.length).toBe(17);
  for (const result of results) expect(result.comparisons, result.name).toBeGreaterThan(0);
}

// Only the plain build: Node 20 miscomputes relaxed SIMD. Browsers check both builds with the same code.
describe('kernels, plain SIMD', () => {
  let module: Uint8Array<ArrayBuffer>;

  beforeAll(async () => {
    await buildWasm();
    module = new Uint8Array(await readFile(builtFile('hermit-simd.wasm')));
  }, 120_000);

  it('agree with their scalar twins and with exact arithmetic', async () => {
    expectAllPassed(await runKernelChecks(module));
  });

  it('do so above 2 GiB', async () => {
    expectAllPassed(await runKernelChecks(module, ABOVE_2_GIB));
  });
});
