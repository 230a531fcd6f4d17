/** Kernel threads in Chromium, on both builds: relaxed SIMD runs only here. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInWorker, serveIsolated, type IsolatedSite } from '../bench/isolated-server.mjs';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import type { ThreadsOutcome } from './threads-worker.ts';

describe('kernel threads in Chromium', () => {
  let browser: TestBrowser;
  let site: IsolatedSite;

  beforeAll(async () => {
    site = await serveIsolated(fileURLToPath(new URL('./threads-worker.ts', import.meta.url)));
    browser = await launchBrowser();
  });

  afterAll(async () => {
    site.close();
    await browser.close();
  });

  it.each(['plain', 'relaxed'] as const)(
    'give the bits of one thread, also when one of them dies, %s build',
    async (variant) => {
      const page = await browser.context.newPage();
      await page.goto(site.url);
      const outcome = (await runInWorker(page, { variant })) as ThreadsOutcome;
      await page.close();
      expect(outcome).toMatchObject({ isolated: true, lost: 1 });
      expect(outcome.description).toContain('3 threads');
      const { one, two, three, afterDeath } = outcome.runs;
      expect([two, three, afterDeath]).toEqual([one, one, one]);
    },
  );
});
