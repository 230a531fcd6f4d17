/**
 * The path of a new user through the built page, in real Chromium: add a model by its address, talk
 * to it, come back, lose the network, go on talking, delete the model.
 */
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import {
  launchBrowser,
  waitForServiceWorker,
  type PageLog,
  type TestBrowser,
} from './browser-harness.ts';

const question = 'Tell me a story about a dog.';

const smallShape = {
  width: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  feedForward: 128,
  vocabularySize: 512,
  contextLength: 2048,
  type: 'Q8_0',
} as const;
/** About 50 million parameters: writes slowly enough to be stopped, whatever the machine. */
const slowShape = {
  ...smallShape,
  width: 1024,
  layers: 4,
  heads: 16,
  kvHeads: 16,
  feedForward: 4096,
};

/** The trained model where the shared folder is, a random one elsewhere. */
async function modelBytes(): Promise<Uint8Array> {
  return sharedModels === null
    ? syntheticLlama(smallShape)
    : readFile(sharedModelPath('gguf', 'stories260K.gguf'));
}

/** Text of the last answer; the inner text of an element with a shadow tree is empty. */
async function lastAnswer(page: Page): Promise<string> {
  const blocks = page.locator('hermit-markdown').last().locator('p, li, pre, h1, h2, h3');
  return (await blocks.allInnerTexts()).join('\n');
}

async function answerDone(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
  const answer = page.locator('hermit-chat-message').last();
  await answer.getByRole('button', { name: 'Answer again' }).waitFor();
  return lastAnswer(page);
}

/** Sends a message and waits until it and its answer, maybe empty yet, are in the chat. */
async function send(page: Page, text: string): Promise<void> {
  const messages = page.locator('hermit-chat-message');
  const before = await messages.count();
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await messages.nth(before + 1).waitFor({ state: 'attached' });
}

async function storageUsage(page: Page): Promise<number> {
  return page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
}

describe('from a URL to an answer', () => {
  let browser: TestBrowser;
  let server: ModelServer;
  let page: Page;
  let log: PageLog;
  const baseUrl = inject('baseUrl');

  beforeAll(async () => {
    server = await startModelServer();
    server.serve('/story.gguf', { bytes: await modelBytes() });
    server.serve('/slow.gguf', { bytes: syntheticLlama(slowShape) });
    browser = await launchBrowser();
    ({ page, log } = await browser.openPage(baseUrl));
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  it('welcomes with three ways in', async () => {
    await page.getByRole('heading', { name: 'An assistant that stays home' }).waitFor();
    for (const way of ['Browse the catalogue', 'Paste an address', 'Open a file']) {
      await expect(page.getByText(way).isVisible()).resolves.toBe(true);
    }
  });

  it('adds a model by its address and makes it the one that answers', async () => {
    await page.getByText('Paste an address').click();
    await page.getByLabel('Address (URL)').fill(`${server.origin}/story.gguf`);
    await page.getByRole('dialog').getByRole('button', { name: 'Download' }).click();
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    await page.getByRole('button', { name: /story/ }).first().waitFor();
    const [model] = await page.evaluate(() => hermit.models.list());
    expect(model?.state.kind).toBe('ready');
    expect(model?.verified).toBe('computed');
  });

  it('answers, and shows how fast', async () => {
    await send(page, question);
    const text = await answerDone(page);
    expect(text.length).toBeGreaterThan(20);
    await expect(
      page
        .getByText(/tokens\/s/)
        .first()
        .isVisible(),
    ).resolves.toBe(true);
    expect(await page.title()).toContain('Tell me a story');
  });

  it('answers again as a second version, and goes back to the first', async () => {
    const first = await lastAnswer(page);
    await page.getByRole('button', { name: 'Answer again' }).last().click();
    await page.getByText('2/2').waitFor();
    await answerDone(page);
    await page.getByRole('button', { name: 'Previous version' }).click();
    await page.getByText('1/2').waitFor();
    expect(await lastAnswer(page)).toBe(first);
  });

  it('copies an answer', async () => {
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy' }).last().click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const shown = await lastAnswer(page);
    expect(copied.replaceAll(/\s+/g, ' ').slice(0, 20)).toBe(
      shown.replaceAll(/\s+/g, ' ').slice(0, 20),
    );
  });

  it('stops an answer and keeps what was written', async () => {
    const [story] = await page.evaluate(() => hermit.models.list());
    await page.evaluate(async (url) => {
      await hermit.models.load(await hermit.models.install(url));
    }, server.url('/slow.gguf'));
    await page.getByRole('link', { name: 'New chat' }).click();
    await send(page, 'Once upon a time');
    await page
      .getByText(/word\d+/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped here.').waitFor();
    expect(await lastAnswer(page)).toMatch(/word\d+/);
    await page.evaluate((id) => hermit.models.load(id ?? ''), story?.id);
    await page.evaluate(() => hermit.models.remove('slow'));
  });

  it('finds both chats after a reload, and loads the model again by itself', async () => {
    await page.reload();
    const chat = page.getByRole('link', { name: question });
    await chat.click();
    await page.getByText('1/2').waitFor();
    expect(await page.locator('hermit-chat-message').count()).toBe(2);
    await expect(page.getByRole('link', { name: /Once upon a time/ }).isVisible()).resolves.toBe(
      true,
    );
    await page.getByText('Stopped here.').waitFor({ state: 'detached' });
  });

  it('goes on without any network after a reload', async () => {
    await waitForServiceWorker(page);
    await server.close();
    await browser.context.setOffline(true);
    await page.reload();
    await expect.poll(() => page.locator('hermit-chat-message').count()).toBe(2);
    await send(page, 'And then?');
    const text = await answerDone(page);
    expect(text.length).toBeGreaterThan(0);
    expect(await page.locator('hermit-chat-message').count()).toBe(4);
    await browser.context.setOffline(false);
  });

  it('gives the space back when the model is deleted', async () => {
    const before = await storageUsage(page);
    await page.getByRole('link', { name: 'Models', exact: true }).click();
    const row = page.locator('hermit-model-row');
    await row.getByRole('button', { name: 'Options for “story”' }).click();
    await row.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('In use', { exact: true }).waitFor({ state: 'detached' });
    await expect.poll(() => page.evaluate(async () => (await hermit.models.list()).length)).toBe(0);
    await expect.poll(() => storageUsage(page)).toBeLessThan(before);
  });

  it('reported nothing, broke no policy and asked nobody else', () => {
    expect(log.uncaught).toEqual([]);
    expect(log.policyViolations).toEqual([]);
    expect(log.consoleErrors).toEqual([]);
    const known = (url: string): boolean =>
      url.startsWith(baseUrl) || url.startsWith(server.origin) || /^(blob|data):/.test(url);
    expect(log.requests.filter((url) => !known(url))).toEqual([]);
  });
});
