/** A full disk: nothing that is on it is lost or out of reach, and there is a way to make room. */
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';
import {
  BLOCK_BYTES,
  MEGABYTE,
  Person,
  firstQuestion,
  problem,
  sentence,
  slowShape,
  textOf,
} from './person.ts';

const baseUrl = inject('baseUrl');
const { origin } = new URL(baseUrl);
let browser: TestBrowser;
let server: ModelServer;
let session: CDPSession;
let page: Page;
let log: PageLog;
let person: Person;

/** Null: what the machine has. */
async function setQuota(quotaSize: number | null): Promise<void> {
  const limit = quotaSize === null ? {} : { quotaSize };
  await session.send('Storage.overrideQuotaForOrigin', { origin, ...limit });
}

beforeAll(async () => {
  server = await startModelServer();
  browser = await launchBrowser();
  ({ page, log } = await browser.openPage('about:blank'));
  session = await browser.context.newCDPSession(page);
  await setQuota(30 * MEGABYTE);
  await page.goto(baseUrl);
  person = new Person(page, server, baseUrl);
  await person.settleIn();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});
afterEach(() => person.expectNothingLost());

it('pauses a download with numbers, and continues once there is room', async () => {
  const large = syntheticLlama({ ...slowShape, vocabularySize: 24_000 });
  const added = await person.addModel('/large.gguf', { bytes: large });
  await added.getByText('Paused: storage is full').waitFor();
  expect(await sentence(problem(added))).toMatch(
    /^Not enough storage: [\d.]+ MB of [\d.]+ MB stored\. What was downloaded is kept\. Free some space or delete a model, then continue\.$/,
  );
  await person.expectNothingLost();
  await setQuota(null);
  await page.goto(`${baseUrl}/#/models`);
  const before = server.requests.length;
  await added.getByRole('button', { name: 'Continue' }).click();
  await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
  const later = server.requests.slice(before).filter(({ path }) => path === '/large.gguf');
  expect(Math.min(...later.map(({ start }) => start))).toBeGreaterThanOrEqual(BLOCK_BYTES);
});

it('still has its models and chats, and a chat that cannot be stored stays until it can', async () => {
  await page.goto('about:blank');
  // Chromium remembers for as long as a database is open, and a little longer, how much room it had.
  await page.waitForTimeout(3000);
  await setQuota(1);
  await page.goto(baseUrl);
  await page.getByRole('button', { name: 'Model: story' }).waitFor();
  await person.startChat('Nothing can be written down');
  const answer = await person.answerDone();
  expect(answer.length).toBeGreaterThan(0);
  expect(await person.failure()).toBe(
    'Not enough storage. What was stored is kept. Free some space or delete a model, then continue.',
  );
  await page.getByRole('link', { name: firstQuestion }).click();
  await page.getByRole('link', { name: 'Nothing can be written down' }).click();
  await expect.poll(() => textOf(person.lastMessage())).toBe(answer);
  const chat = page.url();
  await person.removeModel('large');
  await page.goto(chat);
  await setQuota(null);
  await person.send('And now?');
  await person.answerDone();
  await expect(page.locator('.failure').count()).resolves.toBe(0);
  await page.reload();
  const messages = page.locator('hermit-chat-message');
  await messages.nth(3).waitFor();
  expect(await textOf(messages.nth(1))).toBe(answer);
});

it('reported nothing and broke no policy', () => {
  expect(log.uncaught).toEqual([]);
  expect(log.policyViolations).toEqual([]);
});
