/** Several tabs over the same storage: they share one download, and none takes away what another uses. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { launchBrowser, type TestBrowser } from '../browser/browser-harness.ts';
import { BLOCK_BYTES, MEGABYTE, Person, slowShape } from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { faultTest } from './fault-test.ts';

const baseUrl = inject('baseUrl');
/** Some 23 MB, three blocks. */
const model = syntheticLlama(slowShape);
const patience = { timeout: 30_000 };
let server: ModelServer;
let browser: TestBrowser;
let page: Page;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  browser = await launchBrowser();
  ({ page } = await browser.openPage(baseUrl));
  person = new Person(page, server, baseUrl);
  await person.settleIn();
});
afterEach(() => browser.close());

async function otherTab(): Promise<Person> {
  const { page: other } = await browser.openPage(`${baseUrl}/#/models`);
  await other.waitForFunction(() => 'hermit' in globalThis);
  return person.in(other);
}

const slowly = (bytesPerSecond: number) => ({
  bytes: model,
  script: () => ({ kind: 'slow', bytesPerSecond }) as const,
});

faultTest('F14', async () => {
  const other = await otherTab();
  const url = server.url('/shared.gguf');
  const [first, second] = await Promise.all([
    person.addModel('/shared.gguf', slowly(6 * MEGABYTE)),
    other.addModel('/shared.gguf', slowly(6 * MEGABYTE)),
  ]);
  for (const row of [first, second]) {
    await row
      .getByText(/MB of 23 MB/)
      .first()
      .waitFor();
  }
  for (const row of [first, second]) {
    await row.getByRole('button', { name: 'Use', exact: true }).waitFor();
  }
  expect(server.bytesServed('/shared.gguf')).toBeLessThanOrEqual(1.05 * model.length);
  const models = await page.evaluate(async () => (await hermit.models.list()).length);
  expect(models, url).toBe(2);
  await person.expectNothingLost();
});

faultTest('F15', async () => {
  const other = await otherTab();
  await person.addModel('/taken.gguf', slowly(4 * MEGABYTE));
  const row = other.row('taken');
  await row.waitFor();
  await expect
    .poll(() => server.bytesServed('/taken.gguf'), patience)
    .toBeGreaterThan(BLOCK_BYTES + 2 * MEGABYTE);
  const asked = server.requests.length;
  const crashed = page.waitForEvent('crash');
  const session = await browser.context.newCDPSession(page);
  session.send('Page.crash').catch(() => undefined);
  await crashed;
  const since = Date.now();
  const again = (): boolean =>
    server.requests.slice(asked).some(({ path }) => path === '/taken.gguf');
  await expect.poll(again, { ...patience, interval: 50 }).toBe(true);
  expect(Date.now() - since).toBeLessThan(5000);
  // From the block that was under way, not from the beginning.
  const next = server.requests.slice(asked).find(({ path }) => path === '/taken.gguf');
  expect(next?.start).toBeGreaterThanOrEqual(BLOCK_BYTES);
  await row.getByRole('button', { name: 'Use', exact: true }).waitFor();
  await other.expectNothingLost();
});

faultTest('F16', async () => {
  const other = await otherTab();
  await other.askToRemove('story');
  await other.page
    .locator('hermit-toast-stack')
    .getByText('Another tab is using this. Close it there or wait, then try again.')
    .waitFor();
  await person.expectNothingLost();
  await page.close();
  await other.removeModel('story');
});

faultTest('F17', async () => {
  const newer = await browser.context.newPage();
  // Another version of the app at the same origin, as far as its databases go.
  await newer.route(`${baseUrl}/newer`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Newer</title>' }),
  );
  await newer.goto(`${baseUrl}/newer`);
  const opened = await newer.evaluate(async () => {
    const begun = performance.now();
    const upgrade = (name: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 2);
        request.onsuccess = () => {
          const database = request.result;
          const [store = ''] = database.objectStoreNames;
          const count = database.transaction(store).objectStore(store).count();
          count.onsuccess = () => {
            resolve(count.result);
          };
        };
        request.onerror = () => {
          reject(new Error(request.error?.message));
        };
      });
    const chats = await upgrade('hermit-conversations');
    await upgrade('hermit-models');
    return { chats, ms: performance.now() - begun };
  });
  // The old tab gave way at once, and what was stored is there for the new one.
  expect(opened.ms).toBeLessThan(3000);
  expect(opened.chats).toBeGreaterThan(0);
  const banner = page.locator('hermit-app-banners');
  await banner
    .getByText(
      'Hermit was updated in another tab, so this one can store nothing any more. Reload it to go on; what was stored is safe.',
    )
    .waitFor();
  await banner.getByRole('button', { name: 'Reload' }).waitFor();
});
