/** The installed app as the system starts it: with a shared text, with files, by a shortcut. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser, waitForServiceWorker, type TestBrowser } from './browser-harness.ts';
import { soundModel } from './person.ts';

const baseUrl = inject('baseUrl');
let browser: TestBrowser;

/** Runs in the page. */
async function stateOfFirst(): Promise<string | undefined> {
  const models = await hermit.models.list();
  return models.find(({ name }) => name === 'opened')?.state.kind;
}

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

describe('a launch', () => {
  it('is promised to the system without a mistake', async () => {
    const { page } = await browser.openPage(baseUrl);
    await waitForServiceWorker(page);
    const cdp = await browser.context.newCDPSession(page);
    const manifest = await cdp.send('Page.getAppManifest');
    expect(manifest.errors).toEqual([]);
    const parsed = JSON.parse(manifest.data ?? '') as Record<string, unknown>;
    expect(parsed['share_target']).toMatchObject({ action: '/', method: 'GET' });
    expect(parsed['file_handlers']).toMatchObject([{ action: '/' }]);
    expect(parsed['shortcuts']).toMatchObject([{ url: '/#/' }, { url: '/#/models' }]);
    await page.getByRole('button', { name: 'Try it now' }).click();
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    await page.close();
  });

  it('with a shared text has it in the field, unsent, and asks no server with it', async () => {
    const query = '?title=A%20page&text=Sum%20this%20up&url=https%3A%2F%2Fa.example%2F';
    const { page } = await browser.openPage(`${baseUrl}/${query}`);
    const field = page.getByRole('textbox', { name: 'Message' });
    await expect.poll(() => field.inputValue()).toBe('A page\nSum this up\nhttps://a.example/');
    expect(page.url()).toBe(`${baseUrl}/`);
    expect(await page.locator('hermit-chat-message').count()).toBe(0);
    const fromWorker = await page.evaluate(() => {
      const [navigation] = performance.getEntriesByType('navigation');
      return (navigation as PerformanceNavigationTiming).workerStart > 0;
    });
    expect(fromWorker).toBe(true);
    await page.close();
  });

  it('with a file adds the model in it', async () => {
    const page = await browser.context.newPage();
    // Chromium has the queue in every page but fills it for installed apps alone, which are not to be
    // had without a desktop.
    await page.addInitScript(() => {
      const launchQueue = {
        setConsumer: (consumer: unknown) => {
          Object.assign(globalThis, { launched: consumer });
        },
      };
      Object.defineProperty(globalThis, 'launchQueue', { value: launchQueue });
    });
    await page.goto(`${baseUrl}/#/models`);
    await page.waitForFunction(() => 'launched' in globalThis);
    await page.evaluate(
      (bytes) => {
        const file = new File([Uint8Array.from(bytes)], 'opened.gguf');
        const { launched } = globalThis as unknown as { launched: (launch: object) => void };
        launched({ files: [{ getFile: () => Promise.resolve(file) }] });
      },
      [...soundModel],
    );
    const row = page.locator('hermit-model-row').filter({ hasText: 'opened' });
    await row.waitFor();
    await expect.poll(() => page.evaluate(stateOfFirst)).toBe('ready');
    await page.close();
  });
});
