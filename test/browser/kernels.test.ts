/** The kernel checks of wasm/test in Chromium: relaxed SIMD runs only here. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { chooseKernels } from '../../src/engine/backend/wasm/kernel-choice.ts';
import { buildWasm, builtFile } from '../../wasm/build.mjs';
import type { runKernelChecks } from '../../wasm/test/kernel-checks.ts';
import { bundleForPage } from '../bench/bundle.mjs';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';

interface PageModules {
  readonly kernelChecks: { readonly runKernelChecks: typeof runKernelChecks };
  readonly kernelChoice: { readonly chooseKernels: typeof chooseKernels };
}

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

describe('kernels in Chromium', () => {
  let browser: TestBrowser;
  let scripts: string[];

  beforeAll(async () => {
    await buildWasm();
    scripts = [
      await bundleForPage(pathOf('../../wasm/test/kernel-checks.ts'), 'kernelChecks'),
      await bundleForPage(pathOf('../../src/engine/backend/wasm/kernel-choice.ts'), 'kernelChoice'),
    ];
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser.close();
  });

  it.each(['simd', 'relaxed'] as const)('agree with their twins, %s build', async (build) => {
    const page = await browser.context.newPage();
    for (const content of scripts) await page.addScriptTag({ content });
    const encoded = (await readFile(builtFile(`hermit-${build}.wasm`))).toString('base64');
    const { results, choice } = await page.evaluate(async (text) => {
      const modules = globalThis as unknown as PageModules;
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      return {
        results: await modules.kernelChecks.runKernelChecks(bytes),
        choice: await modules.kernelChoice.chooseKernels(() => Promise.resolve(bytes)),
      };
    }, encoded);
    await page.close();
    const failures = results.flatMap(({ name, failures: texts }) =>
      texts.map((text) => `${name}: ${text}`),
    );
    expect(failures).toEqual([]);
    expect(results.length).toBe(17);
    for (const { name, comparisons } of results) expect(comparisons, name).toBeGreaterThan(0);
    expect(choice.report.failures).toEqual([]);
    expect(choice.report.kernels).toHaveLength(6);
    for (const speed of choice.report.speeds ?? []) {
      expect(speed.decode).toBeGreaterThan(0);
      expect(speed.prefill).toBeGreaterThan(0);
    }
  });
});
