/** Kernel threads in Chromium, on both builds: relaxed SIMD runs only here. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInWorker, serveIsolated, type IsolatedSite } from '../bench/isolated-server.mjs';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import type { KernelVariant } from '../../src/engine/backend/wasm/create-wasm-backend.ts';
import type { ThreadsOutcome } from './threads-worker.ts';

describe('kernel threads in Chromium', () => {
  let browser: TestBrowser;
  let site: IsolatedSite;
  let plainSite: IsolatedSite;

  beforeAll(async () => {
    const worker = fileURLToPath(new URL('./threads-worker.ts', import.meta.url));
    site = await serveIsolated(worker);
    plainSite = await serveIsolated(worker, {}, false);
    browser = await launchBrowser();
  });

  afterAll(async () => {
    site.close();
    plainSite.close();
    await browser.close();
  });

  async function outcomeOn({ url }: IsolatedSite, variant: KernelVariant): Promise<ThreadsOutcome> {
    const page = await browser.context.newPage();
    await page.goto(url);
    const outcome = (await runInWorker(page, { variant })) as ThreadsOutcome;
    await page.close();
    return outcome;
  }

  it.each([
    ['share memory', true, 'plain'],
    ['share memory', true, 'relaxed'],
    ['have a memory each, because the page is not isolated', false, 'plain'],
    ['have a memory each, because the page is not isolated', false, 'relaxed'],
  ] as const)(
    'that %s give the bits of one thread, also when one of them dies (%s, %s build)',
    async (_, isolated, variant) => {
      const outcome = await outcomeOn(isolated ? site : plainSite, variant);
      expect(outcome).toMatchObject({ isolated, lost: 1 });
      expect(outcome.description).toContain('3 threads');
      const { one, two, three, afterDeath } = outcome.runs;
      expect([two, three, afterDeath]).toEqual([one, one, one]);
    },
  );
});
