/** The contract of backends on WebGPU in a worker of a real Chromium, computed by SwiftShader. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GpuOptions } from '../../src/engine/backend/webgpu/gpu-device.ts';
import type { TensorType } from '../../src/engine/graph/dtype.ts';
import { buildWasm, builtFile } from '../../wasm/build.mjs';
import { bundleForPage } from '../bench/bundle.mjs';
import { tensorTypes } from '../contract/backend/suite.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import type { TestResult } from './contract-runner.ts';

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** WebGPU is for secure places only, which an empty page is not. */
const address = 'http://localhost/contract';

/** What the worker does besides the bundle: one request, one answer. */
const answer = `
onmessage = async ({ data }) => {
  try { postMessage({ results: await contract.runContract(data) }); }
  catch (error) { postMessage({ error: String(error.stack ?? error) }); }
};`;

/**
 * Types that lie in planes each in another way: one plane or two, with minimums and without. The others
 * differ in how they are transcoded, which the processor does, and which the contract tests on the WASM
 * backend, and on this one through Dawn.
 */
const representative: ReadonlySet<TensorType> = new Set(['F32', 'Q8_0', 'Q4_0', 'Q5_1']);
const otherTypes = tensorTypes.filter((type) => !representative.has(type));
/** What takes seconds here and differs from what is chosen only in numbers that no kernel sees. */
const slowTwins =
  'answer ahead, drawn|many positions.*"(everything|sinks|values smaller than keys)"';
/** Names of types and of cases end with a quotation mark. */
const chosenCases = `^(?!.*"(${otherTypes.join('|')})"|.*(${slowTwins}))`;

describe('WebGPU in Chromium', () => {
  let browser: TestBrowser;
  let script: string;
  let kernels: string;

  beforeAll(async () => {
    await buildWasm();
    kernels = (await readFile(builtFile('hermit-simd.wasm'))).toString('base64');
    const alias = { vitest: pathOf('./contract-runner.ts') };
    script = await bundleForPage(pathOf('./webgpu-contract.ts'), 'contract', alias);
    browser = await launchBrowser({ webgpu: true });
  });

  afterAll(async () => {
    await browser.close();
  });

  async function openPage(): Promise<Page> {
    const page = await browser.context.newPage();
    await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: '' }));
    await page.goto(address);
    return page;
  }

  async function runContract(options: GpuOptions, only: string): Promise<TestResult[]> {
    const page = await openPage();
    const outcome = await page.evaluate(
      async ({ code, encoded, request }) => {
        const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
        const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
        const worker = new Worker(url);
        return new Promise<{ readonly results?: TestResult[]; readonly error?: string }>(
          (resolve) => {
            worker.onmessage = ({ data }: MessageEvent<{ readonly results?: TestResult[] }>) => {
              resolve(data);
            };
            worker.onerror = ({ message }) => {
              resolve({ error: message });
            };
            worker.postMessage({ ...request, kernels: bytes });
          },
        );
      },
      { code: script + answer, encoded: kernels, request: { options, only } },
    );
    await page.close();
    expect(outcome.error).toBeUndefined();
    return outcome.results ?? [];
  }

  const failuresOf = (results: readonly TestResult[]): string[] =>
    results.flatMap(({ name, outcome, message }) =>
      outcome === 'failed' ? [`${name}: ${message}`] : [],
    );

  it('passes the contract of backends', async () => {
    const results = await runContract({}, chosenCases);
    expect(failuresOf(results)).toEqual([]);
    expect(results.length).toBeGreaterThan(190);
    expect(results.filter(({ outcome }) => outcome === 'skipped')).toEqual([]);
  });
});
