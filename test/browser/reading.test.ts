/**
 * What a model has read of a chat outlives the page: after a reload, and after another chat, the next
 * answer begins without reading the chat again. It goes with its chat, and when it is not wanted.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';
import { Person, shape } from './person.ts';

/** Some 600 tokens, for the model spells every letter; no two begin alike, also when a test is retried. */
let questions = 0;
const longQuestion = (): string =>
  `Letter ${++questions}. ${'What do you make of this? '.repeat(24)}`;

/** Tokens of the last prompt, and how many of them were read before. */
async function readTokens(page: Page): Promise<{ prompt: number; remembered: number }> {
  const message = page.locator('hermit-chat-message').last();
  await message.getByRole('button', { name: /tokens\/s/ }).click();
  const text = await message.getByText('Tokens read').locator('xpath=..').innerText();
  await page.keyboard.press('Escape');
  const [prompt = 0, remembered = 0] = (text.match(/[\d,]+/g) ?? []).map((digits) =>
    Number(digits.replaceAll(',', '')),
  );
  return { prompt, remembered };
}

/** How many are stored, of one chat or of all. */
async function segmentsKept(page: Page, chat = ''): Promise<number> {
  return page.evaluate(async (owner) => {
    const open = indexedDB.open('hermit-segments');
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      open.onsuccess = () => {
        resolve(open.result);
      };
      open.onerror = () => {
        reject(open.error ?? new Error('cannot be opened'));
      };
    });
    const all = database.transaction('entries').objectStore('entries').getAll();
    const entries = await new Promise<{ owners: string[] }[]>((resolve) => {
      all.onsuccess = () => {
        resolve(all.result as { owners: string[] }[]);
      };
    });
    database.close();
    return entries.filter(({ owners }) => owner === '' || owners.includes(owner)).length;
  }, chat);
}

describe('what a model has read', () => {
  let browser: TestBrowser;
  let server: ModelServer;
  let page: Page;
  let log: PageLog;
  let person: Person;

  beforeAll(async () => {
    server = await startModelServer();
    browser = await launchBrowser();
    const baseUrl = inject('baseUrl');
    ({ page, log } = await browser.openPage(baseUrl));
    person = new Person(page, server, baseUrl);
    await person.limitAnswers(24);
    const bytes = syntheticLlama({ ...shape, contextLength: 4096 });
    await person.inUse('/story.gguf', { bytes });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const chat = () => page.getByRole('link', { name: `Letter ${questions}.` });

  const openChat = (): string => new URL(page.url()).hash.split('/').at(-1) ?? '';
  /** Until all of a prompt is stored, which goes on beside the page. */
  const kept = (tokens: number): Promise<void> =>
    expect
      .poll(() => segmentsKept(page, openChat()))
      .toBeGreaterThanOrEqual(Math.floor(tokens / 64));

  it('is not read again after a reload', async () => {
    await person.startChat(longQuestion());
    await person.answerDone();
    const first = await readTokens(page);
    expect(first.remembered).toBeLessThan(first.prompt / 2);
    await kept(first.prompt);
    await page.reload();
    await person.send('And now?');
    await person.answerDone();
    // All of the first question but what did not fill a segment.
    expect((await readTokens(page)).remembered).toBeGreaterThan(first.prompt - 64);
  });

  it('is not read again after another chat', async () => {
    await person.startChat(longQuestion());
    await person.answerDone();
    const first = await readTokens(page);
    await kept(first.prompt);
    await person.startChat('Something else');
    await person.answerDone();
    await chat().click();
    await page.getByText(`Letter ${questions}.`).last().waitFor();
    await person.send('Go on');
    await person.answerDone();
    expect((await readTokens(page)).remembered).toBeGreaterThan(first.prompt - 64);
  });

  it('goes with its chat', async () => {
    await person.startChat(longQuestion());
    await person.answerDone();
    const id = openChat();
    await expect.poll(() => segmentsKept(page, id)).toBeGreaterThan(0);
    await page.getByRole('button', { name: `Options for “Letter ${questions}.` }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
    await chat().waitFor({ state: 'detached' });
    await expect.poll(() => segmentsKept(page, id)).toBe(0);
  });

  it('is not kept where that is switched off', async () => {
    await person.startChat(longQuestion());
    await person.answerDone();
    await expect.poll(() => segmentsKept(page)).toBeGreaterThan(0);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('radio', { name: 'Do not keep' }).check();
    await expect.poll(() => segmentsKept(page)).toBe(0);
    await person.startChat(longQuestion());
    await person.answerDone();
    await person.send('And then?');
    await person.answerDone();
    expect(await segmentsKept(page)).toBe(0);
  });

  it('goes with its model', async () => {
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('radio', { name: 'Keep', exact: true }).check();
    await person.startChat(longQuestion());
    await person.answerDone();
    await expect.poll(() => segmentsKept(page)).toBeGreaterThan(0);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'Delete what was read' }).waitFor();
    await person.removeModel('story');
    await expect.poll(() => segmentsKept(page)).toBe(0);
    expect(log.uncaught).toEqual([]);
    expect(log.policyViolations).toEqual([]);
  });
});
