/** Chats that come in damaged, and clocks that do not run forward. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { launchBrowser, type PageLog, type TestBrowser } from '../browser/browser-harness.ts';
import { Person, textOf } from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { faultTest } from './fault-test.ts';

const baseUrl = inject('baseUrl');
let server: ModelServer;
let browser: TestBrowser;
let page: Page;
let log: PageLog;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  browser = await launchBrowser();
  ({ page, log } = await browser.openPage(baseUrl));
  person = new Person(page, server, baseUrl);
  await person.settleIn();
});
afterEach(() => browser.close());

const message = (id: string, parentId: string | null, sequence: number, text: string) => ({
  id,
  parentId,
  sequence,
  role: sequence % 2 === 0 ? 'user' : 'assistant',
  text,
  createdAt: 1,
  status: 'complete',
});

const chat = (id: string, title: string, messages: readonly object[]) => ({
  id,
  title,
  createdAt: 1,
  updatedAt: 1,
  activeLeafId: null,
  messages,
});

async function importFile(text: string): Promise<void> {
  await page.goto(`${baseUrl}/#/storage`);
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Import chats' }).click();
  await (
    await chooser
  ).setFiles({ name: 'chats.json', mimeType: 'application/json', buffer: Buffer.from(text) });
}

faultTest('F93', async () => {
  const exported = {
    format: 'hermit-conversations',
    version: 2,
    exportedAt: new Date(0).toISOString(),
    conversations: [
      chat('a', 'A whole chat', [message('1', null, 0, 'Hello'), message('2', '1', 1, 'Good day')]),
      chat('b', 'A chat in part', [
        message('1', null, 0, 'Still here'),
        { ...message('2', '1', 1, 'Gone'), role: 'robot' },
      ]),
      { id: 7, title: null },
    ],
  };
  const json = JSON.stringify(exported);
  const toasts = page.locator('hermit-toast-stack');
  await importFile(json.slice(0, json.length >> 1));
  await toasts.getByText(/This file cannot be imported: it is not JSON\./).waitFor();
  await person.dismissMessages();
  await importFile(json);
  await toasts
    .getByText(
      '2 chats were added. Of this file, 1 chats and 1 messages are damaged and were left out.',
    )
    .waitFor();
  await page.getByRole('link', { name: 'A whole chat' }).click();
  await page.getByText('Good day').waitFor();
  await page.getByRole('link', { name: 'A chat in part' }).click();
  await page.getByText('Still here').waitFor();
  await person.expectNothingLost();
  expect(log.uncaught).toEqual([]);
});

faultTest('F94', async () => {
  const session = await browser.context.newCDPSession(page);
  const questions = ['The first', 'Sent a year before', 'On the other side of the date line'];
  const moments = [
    [Date.UTC(2030, 5, 1), 'Pacific/Kiritimati'],
    [Date.UTC(2029, 5, 1), 'America/New_York'],
    [Date.UTC(2030, 0, 1), 'Pacific/Pago_Pago'],
  ] as const;
  await page.getByRole('link', { name: 'New chat' }).click();
  for (const [index, question] of questions.entries()) {
    const [time, timezoneId] = moments[index] ?? moments[0];
    await session.send('Emulation.setTimezoneOverride', { timezoneId });
    await page.clock.setSystemTime(time);
    await person.send(question);
    await page
      .locator('hermit-chat-message')
      .nth(2 * index + 1)
      .waitFor();
    await person.answerDone();
  }
  const shown = async (): Promise<string[]> => {
    const all = page.locator('hermit-chat-message');
    return Promise.all((await all.all()).map(textOf));
  };
  const before = await shown();
  expect(before.length).toBe(6);
  await page.reload();
  await page.locator('hermit-chat-message').nth(5).waitFor();
  expect(await shown()).toEqual(before);
  for (const [index, question] of questions.entries()) {
    await page
      .locator('hermit-chat-message')
      .nth(2 * index)
      .getByText(question)
      .waitFor();
  }
  await person.expectNothingLost();
});
