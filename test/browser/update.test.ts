/**
 * New versions of the app in a real browser: they wait to be wanted, come whole or not at all, and
 * leave a tab of the version before in working order.
 */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser, waitForServiceWorker, type TestBrowser } from './browser-harness.ts';
import { checkForUpdate, Deployment, switchVersion } from './deployment.ts';

describe('updates', () => {
  let browser: TestBrowser;
  let deployment: Deployment;
  let url: string;

  beforeEach(async () => {
    deployment = new Deployment();
    url = await deployment.start();
    browser = await launchBrowser();
  });

  afterEach(async () => {
    await browser.close();
    await deployment.stop();
  });

  async function openControlledPage(): Promise<Page> {
    const { page } = await browser.openPage(url);
    await waitForServiceWorker(page);
    await page.reload();
    return page;
  }

  it('a new version waits until it is wanted', async () => {
    const page = await openControlledPage();
    deployment.publish('Second');
    expect(await checkForUpdate(page)).toBe('waiting');
    await page.reload();
    expect(await page.title()).toBe('Hermit');
    await switchVersion(page);
    await page.reload();
    expect(await page.title()).toBe('Second');
  });

  it('a tab of the version before finds its files when another tab has switched', async () => {
    const tab = await openControlledPage();
    const other = await openControlledPage();
    const asset = await tab.evaluate(async () => {
      const entry = document.querySelector('script[src]')?.getAttribute('src') ?? '';
      return (await fetch(entry)).ok ? entry.slice(1) : '';
    });
    expect(asset).toMatch(/^assets\//);
    deployment.publish('Second', { without: asset });
    expect(await checkForUpdate(other)).toBe('waiting');
    await switchVersion(other);
    // Past the HTTP cache, which keeps what is immutable but promises nothing.
    const status = (path: string): Promise<number> =>
      tab.evaluate(async (asked) => (await fetch(asked, { cache: 'reload' })).status, `/${path}`);
    expect((await fetch(`${url}/${asset}`)).status).toBe(404);
    expect(await status(asset)).toBe(200);
    expect(await status('assets/never-12345678.js')).toBe(404);
  });
});
