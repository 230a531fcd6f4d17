/** The contract of chunk stores in Chromium, over the real file system and the real database. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { runStoreContract } from '../contract/store/chunk-store-in-browser.ts';
import { bundleForPage } from '../bench/bundle.mjs';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';

const entry = fileURLToPath(
  new URL('../contract/store/chunk-store-in-browser.ts', import.meta.url),
);
const origin = 'http://localhost:4199';

let browser: TestBrowser;

beforeAll(async () => {
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser.close();
});

it('every store of a browser keeps the contract', async () => {
  const contract = await bundleForPage(entry, 'contract');
  const script = `${contract}; contract.runStoreContract().then((result) => postMessage(result));`;
  // No server: the page and its worker are answered here.
  await browser.context.route(`${origin}/**`, (route) =>
    route.request().url().endsWith('.js')
      ? route.fulfill({ contentType: 'text/javascript', body: script })
      : route.fulfill({ contentType: 'text/html', body: '<title>stores</title>' }),
  );
  const page = await browser.context.newPage();
  await page.goto(`${origin}/`);
  const { passed, failures } = await page.evaluate(
    () =>
      new Promise<Awaited<ReturnType<typeof runStoreContract>>>((resolve, reject) => {
        const worker = new Worker('/contract.js');
        worker.onmessage = (event: MessageEvent<Awaited<ReturnType<typeof runStoreContract>>>) => {
          resolve(event.data);
        };
        worker.onerror = (event) => {
          reject(new Error(event.message));
        };
      }),
  );
  expect(failures).toEqual([]);
  // Thirteen checks, the probe and the read of full blocks, over two stores.
  expect(passed).toBe(30);
});
