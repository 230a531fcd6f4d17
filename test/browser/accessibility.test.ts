/** Every page of the built app, in both themes and languages and on a phone, by the rules of axe-core. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import {
  launchSharedBrowser,
  type SharedBrowser,
  type TestBrowser,
  type WatchedPage,
} from './browser-harness.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const model = syntheticLlama({
  width: 64,
  layers: 1,
  heads: 4,
  kvHeads: 4,
  feedForward: 128,
  vocabularySize: 300,
  contextLength: 256,
  type: 'Q8_0',
});

/** Findings that keep people out, one line each. */
async function findings({ page }: Pick<WatchedPage, 'page'>): Promise<string[]> {
  // Evaluated by the debugger's own channel: the page's policy lets no foreign script in.
  await page.evaluate(axe);
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  expect(results.passes.length).toBeGreaterThan(10);
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(' | ')}`);
}

const views = [
  { theme: 'light', locale: 'en-US', viewport: { width: 1280, height: 800 } },
  { theme: 'dark', locale: 'zh-CN', viewport: { width: 1280, height: 800 } },
  { theme: 'dark', locale: 'en-US', viewport: { width: 360, height: 740 } },
  { theme: 'light', locale: 'zh-CN', viewport: { width: 360, height: 740 } },
] as const;

let browsers: SharedBrowser;
let server: ModelServer;

beforeAll(async () => {
  browsers = await launchSharedBrowser();
  server = await startModelServer();
  server.serve('/m.gguf', { bytes: model });
});
afterAll(async () => {
  await browsers.close();
  await server.close();
});

describe.each(views)('in $theme, $locale, $viewport.width px', ({ theme, locale, viewport }) => {
  let browser: TestBrowser;
  let watched: WatchedPage;

  beforeAll(async () => {
    browser = await browsers.newProfile({ colorScheme: theme, locale, viewport });
    watched = await browser.openPage(inject('baseUrl'));
  });
  afterAll(() => browser.close());

  it('the welcome page has no serious finding', async () => {
    await watched.page.locator('hermit-welcome-view h1').waitFor();
    const language = locale === 'zh-CN' ? 'zh-Hans' : 'en';
    await expect
      .poll(() => watched.page.locator('html').getAttribute('lang'), { timeout: 10_000 })
      .toBe(language);
    expect(await findings(watched)).toEqual([]);
  });

  it('a chat with an answer has none', async () => {
    const { page } = watched;
    await page.evaluate(async (url) => {
      await hermit.models.load(await hermit.models.install(url));
    }, server.url('/m.gguf'));
    const composer = page.locator('hermit-chat-composer');
    await composer.locator('textarea').fill('Hello');
    await composer.locator('button[type=submit]').click();
    await page.locator('hermit-chat-message article.answer[aria-busy=false]').waitFor();
    expect(await findings(watched)).toEqual([]);
  });

  it('the widget, alone, has none, nor have the pages that show it', async () => {
    const { page } = await browser.openPage(`${inject('baseUrl')}/widget`);
    await page.locator('hermit-widget-app header').waitFor();
    expect(await findings({ page })).toEqual([]);
    // These have one language; both themes are among its views.
    const names = locale === 'en-US' ? ['index', 'widget', 'api', 'tools'] : [];
    for (const name of names) {
      await page.goto(`${inject('baseUrl')}/examples/${name}.html`);
      expect(await findings({ page })).toEqual([]);
    }
    await page.close();
  });

  it.each(['models', 'settings'])('%s has none', async (name) => {
    await watched.page.evaluate((hash) => {
      location.hash = hash;
    }, `#/${name}`);
    await watched.page.locator(`hermit-${name}-view h1`).waitFor();
    expect(await findings(watched)).toEqual([]);
  });
});
