/**
 * Two tabs: one model answers in both, what either writes is seen in the other, nothing is written
 * over, and the end of one is not the end of an answer in the other.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import { slowShape, Person, textOf } from './person.ts';

const baseUrl = inject('baseUrl');
let server: ModelServer;
let browser: TestBrowser;
let one: Person;
let two: Person;

beforeAll(async () => {
  server = await startModelServer();
  browser = await launchBrowser();
  const { page } = await browser.openPage(baseUrl);
  one = new Person(page, server, baseUrl);
  await one.settleIn();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

const messages = async (page: Page): Promise<string[]> =>
  Promise.all((await page.locator('hermit-chat-message').all()).map(textOf));

/** Words alone: signs between them are shown differently while a line is not complete. */
const wordsOf = async (person: Person): Promise<string[]> =>
  (await textOf(person.lastMessage())).match(/word\d+/gu) ?? [];

const enginesOf = (page: Page): number =>
  page.workers().filter((worker) => worker.url().includes('engine.worker')).length;

it('both tabs see the same chat, and one writes at a time', async () => {
  const added = await one.addModel('/slow.gguf', { bytes: syntheticLlama(slowShape) });
  await added.getByRole('button', { name: 'Use', exact: true }).click();
  await added.getByText('In use', { exact: true }).waitFor();
  await one.limitAnswers(1800);
  await one.page.getByRole('button', { name: 'Model: slow' }).waitFor();
  await one.startChat('From the first tab');
  await one
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  const { page } = await browser.openPage(one.page.url());
  two = one.in(page);
  // It grows here as it is written there, and nothing can be put in between.
  await two
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  const early = await textOf(two.lastMessage());
  await page
    .getByText('Another tab is answering in this chat. It goes on here when that is done.')
    .waitFor();
  await expect
    .poll(async () => (await textOf(two.lastMessage())).length, { timeout: 30_000 })
    .toBeGreaterThan(early.length);
  await one.page.getByRole('button', { name: 'Stop' }).click();
  await one.answerDone();
  await expect.poll(() => messages(page), { timeout: 30_000 }).toEqual(await messages(one.page));
  await page.getByRole('button', { name: 'Model: slow' }).waitFor();
  // The model of the first tab answers here too.
  expect([enginesOf(one.page), enginesOf(page)]).toEqual([1, 0]);
  await two.send('From the second tab');
  await two
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await two.answerDone();
  await one.page.getByText('From the second tab').waitFor();
  await expect.poll(() => messages(one.page), { timeout: 30_000 }).toEqual(await messages(page));
  await one.page.reload();
  await one.page.locator('hermit-chat-message').nth(3).waitFor();
  expect(await messages(one.page)).toEqual(await messages(page));
});

it('a tab that crashes in an answer leaves the chat to the other', async () => {
  await one.page.getByRole('button', { name: 'Model: slow' }).waitFor();
  await one.send('This will not end');
  await one
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  const blocked = two.page.getByText(
    'Another tab is answering in this chat. It goes on here when that is done.',
  );
  await blocked.waitFor();
  const crashed = one.page.waitForEvent('crash');
  const session = await browser.context.newCDPSession(one.page);
  session.send('Page.crash').catch(() => undefined);
  await crashed;
  await blocked.waitFor({ state: 'detached' });
  await two
    .lastMessage()
    .getByText('The page was closed while this was being written.', { exact: false })
    .waitFor();
  await two.send('Then I go on');
  await two
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  await two.page.getByRole('button', { name: 'Stop' }).click();
  await two.answerDone();
  expect((await messages(two.page)).length).toBe(8);
});

it('a tab that is closed leaves model and answers to the other, in the middle of a word', async () => {
  const { page } = await browser.openPage(baseUrl);
  const three = one.in(page);
  await page.getByRole('button', { name: 'Model: slow' }).waitFor();
  expect([enginesOf(two.page), enginesOf(page)]).toEqual([1, 0]);
  await three.startChat('This goes on elsewhere');
  await expect
    .poll(async () => (await wordsOf(three)).length, { timeout: 30_000 })
    .toBeGreaterThan(5);
  await two.page.close();
  const before = (await wordsOf(three)).slice(0, -1);
  await expect
    .poll(async () => (await wordsOf(three)).length, { timeout: 30_000 })
    .toBeGreaterThan(before.length + 50);
  expect(enginesOf(page)).toBe(1);
  await page.getByRole('button', { name: 'Stop' }).click();
  await three.answerDone();
  expect((await wordsOf(three)).slice(0, before.length)).toEqual(before);
  expect(await three.lastMessage().locator('.failure').count()).toBe(0);
  // What was stopped goes on with one press, also after a reload.
  const stopped = (await wordsOf(three)).slice(0, -1);
  await page.reload();
  await three.lastMessage().getByRole('button', { name: 'Continue this answer' }).click();
  await expect
    .poll(async () => (await wordsOf(three)).length, { timeout: 30_000 })
    .toBeGreaterThan(stopped.length + 5);
  await page.getByRole('button', { name: 'Stop' }).click();
  await three.answerDone();
  expect((await wordsOf(three)).slice(0, stopped.length)).toEqual(stopped);
});
