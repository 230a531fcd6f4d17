/** Hermit inside pages of another site: what works there. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startEmbedSites } from '../fixtures/embed-sites.ts';
import type { SharedBrowser, TestBrowser } from './browser-harness.ts';
import {
  allow,
  ask,
  embedding,
  launchEmbeddingBrowser,
  openChat,
  openOn,
  takeGuide,
  widgetOf,
  type EmbedSites,
} from './widget-harness.ts';

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

let sites: EmbedSites;
let browsers: SharedBrowser;
let browser: TestBrowser;

beforeAll(async () => {
  [sites, browsers] = await Promise.all([startEmbedSites(), launchEmbeddingBrowser()]);
});
afterAll(() => Promise.all([sites.close(), browsers.close()]));
beforeEach(async () => {
  browser = await browsers.newProfile();
});
afterEach(() => browser.close());

/** Runs in the frame. */
async function keepsModels(): Promise<boolean> {
  const databases = await indexedDB.databases();
  return databases.some(({ name }) => name?.startsWith('hermit') === true);
}

describe('the widget', () => {
  it.each([
    ['a plain page', {}, true],
    ['an isolated page', isolation, true],
    ['a plain page, without isolation of its own', {}, false],
  ])('answers inside %s', async (_name, headers, isolated) => {
    const html = embedding(isolated ? sites.hermit : sites.plainHermit);
    const page = await openOn(browser, sites.host, '/chat', { html, headers });
    const widget = await openChat(page);
    await takeGuide(widget);
    expect(await widget.locator('body').evaluate(() => crossOriginIsolated)).toBe(isolated);
    // Storage is the frame's own, and keeps what is downloaded.
    expect(await widget.locator('body').evaluate(keepsModels)).toBe(true);
    expect(await ask(widget, 'Is it private?')).toMatch(/your words stay here/i);
  });

  it('asks for nothing before it is opened, and remembers the person on the site', async () => {
    const page = await openOn(browser, sites.host, '/quiet', { html: embedding(sites.hermit) });
    await page.getByRole('button', { name: 'Open the chat' }).waitFor();
    const requests = (): Promise<string[]> =>
      page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
    const toHermit = (await requests()).filter((url) => url.startsWith(sites.hermit));
    expect(toHermit).toEqual([`${sites.hermit}/embed.js`]);
    const widget = await openChat(page);
    await takeGuide(widget);
    await ask(widget, 'Is it private?');

    await page.reload();
    await page.getByRole('button', { name: 'Open the chat' }).click();
    await widgetOf(page).getByRole('textbox', { name: 'Message' }).waitFor();
    expect(await widgetOf(page).getByRole('alertdialog').isVisible()).toBe(false);
  });

  it('follows the attributes of its element', async () => {
    const attributes = 'theme="dark" locale="zh-Hans" placeholder="问点什么"';
    const html = embedding(sites.hermit, attributes);
    const page = await openOn(browser, sites.host, '/looks', { html });
    await page.getByRole('button', { name: '打开聊天' }).click();
    const widget = widgetOf(page);
    await allow(widget, '继续');
    await widget.getByRole('button', { name: '马上试试' }).click();
    await widget.getByPlaceholder('问点什么').waitFor();
    const root = widget.locator('html');
    expect(await root.getAttribute('data-theme')).toBe('dark');
    expect(await root.getAttribute('lang')).toBe('zh-Hans');
    await page.evaluate(() => {
      document.querySelector('hermit-chat')?.setAttribute('theme', 'light');
    });
    await expect.poll(() => root.getAttribute('data-theme')).toBe('light');
  });

  it('closes from inside and gives the focus back', async () => {
    const page = await openOn(browser, sites.host, '/close', { html: embedding(sites.hermit) });
    const widget = await openChat(page);
    await widget.getByRole('button', { name: 'Close', exact: true }).click();
    await widget.locator('body').waitFor({ state: 'hidden' });
    const launcher = page.getByRole('button', { name: 'Open the chat' });
    expect(await launcher.getAttribute('aria-expanded')).toBe('false');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.localName))
      .toBe('hermit-chat');
  });

  it('takes a copy of a model from Hermit itself, without a download', async () => {
    const own = await browser.openPage(sites.hermit);
    await own.page.getByRole('button', { name: 'Try it now' }).click();
    await own.page.getByRole('button', { name: 'Model: Hermit guide' }).waitFor();
    const page = await openOn(browser, sites.host, '/copy', { html: embedding(sites.hermit) });
    const widget = await openChat(page);
    const opening = page.waitForEvent('popup');
    await widget.getByRole('button', { name: 'Use a model I have in Hermit' }).click();
    const popup = await opening;
    const before = own.log.requests.length;
    await popup.getByRole('button', { name: /^Hermit guide/ }).click();
    await widget.getByRole('textbox', { name: 'Message' }).waitFor();
    expect(await ask(widget, 'Is it private?')).toMatch(/your words stay here/i);
    expect(popup.isClosed()).toBe(true);
    const since = own.log.requests.slice(before);
    expect(since.filter((url) => url.endsWith('.gguf'))).toEqual([]);
  });

  it('is a chat of its own in a window of its own', async () => {
    const { page } = await browser.openPage(`${sites.hermit}/widget`);
    await page.getByRole('button', { name: 'Try it now' }).click();
    await expect.poll(() => page.getByRole('textbox', { name: 'Message' }).count()).toBe(1);
  });
});
