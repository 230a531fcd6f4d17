/** Storage that is full, denied, taken away or out of reach. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { launchBrowser, type PageLog, type TestBrowser } from '../browser/browser-harness.ts';
import {
  BLOCK_BYTES,
  MEGABYTE,
  Person,
  firstQuestion,
  problem,
  sentence,
  slowShape,
  soundModel,
  textOf,
} from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { faultTest } from './fault-test.ts';
import { newProfile } from './killable-browser.ts';

const baseUrl = inject('baseUrl');
const { origin } = new URL(baseUrl);
const keepsNothing = 'This window keeps nothing: models and chats are gone when you close it.';
let server: ModelServer;
let profile: Awaited<ReturnType<typeof newProfile>>;
let browser: TestBrowser | null = null;
let session: CDPSession;
let page: Page;
let log: PageLog;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  profile = await newProfile();
});
afterEach(async (test) => {
  if (test.task.result?.state === 'fail') {
    console.log(await page.locator('hermit-chat-message').allInnerTexts(), page.url());
    console.log(await page.locator('hermit-app-banners').innerText(), log);
    await page.screenshot({
      path: `/tmp/fail-${test.task.name.slice(0, 3)}.png`,
    });
  }
  await browser?.close();
  browser = null;
  await profile.remove();
});

/** A browser at an empty page; `go` opens Hermit. */
async function start(): Promise<void> {
  browser = await launchBrowser({ profile: profile.path });
  ({ page, log } = await browser.openPage('about:blank'));
  session = await browser.context.newCDPSession(page);
  person = new Person(page, server, baseUrl);
}

async function settle(): Promise<void> {
  await page.goto(baseUrl);
  await person.settleIn();
}

/** Null: what the machine has. */
async function setQuota(quotaSize: number | null): Promise<void> {
  const limit = quotaSize === null ? {} : { quotaSize };
  await session.send('Storage.overrideQuotaForOrigin', { origin, ...limit });
}

faultTest('F01', async () => {
  await start();
  await setQuota(30 * MEGABYTE);
  await settle();
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
  expect(Math.min(...later.map(({ start: from }) => from))).toBeGreaterThanOrEqual(BLOCK_BYTES);
  await person.expectNothingLost();
});

/** Hermit works for as long as the window is open, and says that it keeps nothing. */
async function expectMemoryMode(): Promise<void> {
  await page.locator('hermit-app-banners').getByText(keepsNothing).waitFor();
  await person.addModel('/story.gguf', { bytes: soundModel });
  await person.row('story').getByText('In use', { exact: true }).waitFor();
  await person.startChat('Nothing of this is kept');
  // Its context is short and full within a second or two.
  expect((await person.answerDone()).length).toBeGreaterThan(0);
  // What was said can be taken along.
  const saving = page.waitForEvent('download');
  await page.goto(`${baseUrl}/#/storage`);
  await page.getByRole('button', { name: 'Export all chats' }).click();
  const path = await (await saving).path();
  expect(await readFile(path, 'utf8')).toContain('Nothing of this is kept');
}

faultTest('F02', async () => {
  await start();
  await setQuota(1);
  await page.goto(baseUrl);
  await expectMemoryMode();
});

faultTest('F18', async () => {
  // As a person who forbids this browser all site data.
  await mkdir(join(profile.path, 'Default'), { recursive: true });
  await writeFile(
    join(profile.path, 'Default', 'Preferences'),
    JSON.stringify({
      profile: { default_content_setting_values: { cookies: 2 } },
    }),
  );
  await start();
  await page.goto(baseUrl);
  const refused = await page.evaluate(() => {
    try {
      return localStorage.length;
    } catch (error) {
      return (error as Error).name;
    }
  });
  expect(refused).toBe('SecurityError');
  await expectMemoryMode();
  // A model that could not fit is refused with the limit.
  await page.goto(`${baseUrl}/#/settings`);
  await page
    .getByText('This window keeps nothing: models and chats are gone when it is closed.')
    .waitFor();
});

faultTest('F12', async () => {
  await start();
  await settle();
  await person.limitAnswers(400);
  await page.getByRole('button', { name: 'Model: story' }).waitFor();
  await person.startChat('Written while everything goes');
  await person.lastMessage().getByText(/\S/).first().waitFor();
  await session.send('Storage.clearDataForOrigin', {
    origin,
    storageTypes: 'all',
  });
  await page
    .locator('hermit-app-banners')
    .getByText('The data of this site was cleared, models and earlier chats included.')
    .waitFor();
  const answer = await person.answerDone();
  expect(answer.length).toBeGreaterThan(0);
  await expect(page.locator('.failure').count()).resolves.toBe(0);
  await expect(page.getByRole('link', { name: firstQuestion }).count()).resolves.toBe(0);
  // The chat on the screen is stored anew, from its beginning.
  await page.reload();
  await page.locator('hermit-chat-message').nth(1).waitFor();
  expect(await textOf(page.locator('hermit-chat-message').nth(1))).toBe(answer);
  expect(log.uncaught).toEqual([]);
});

/** What F13 does to the page, and the way around it. */
interface LostConnections {
  failures: number;
  readonly transaction: IDBDatabase['transaction'];
}

/** The states of all messages that are on the disk, whatever happens to the connection of the page. */
const storedMessages = (): Promise<string[]> =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open('hermit-conversations');
        opening.onerror = () => {
          reject(new Error(opening.error?.message));
        };
        opening.onsuccess = () => {
          const database = opening.result;
          const { lostConnections } = globalThis as unknown as { lostConnections: LostConnections };
          const transaction = lostConnections.transaction.call(database, 'messages');
          const reading = transaction.objectStore('messages').getAll();
          reading.onerror = () => {
            reject(new Error(reading.error?.message));
          };
          reading.onsuccess = () => {
            database.close();
            resolve((reading.result as { status: string }[]).map(({ status }) => status));
          };
        };
      }),
  );

faultTest('F13', async () => {
  await start();
  await settle();
  await page.getByRole('link', { name: firstQuestion }).click();
  // As Safari does when its storage process is gone: a few times, then for good.
  await page.evaluate(() => {
    const transaction = Reflect.get<IDBDatabase, 'transaction'>(
      IDBDatabase.prototype,
      'transaction',
    );
    const state: LostConnections = { failures: 2, transaction };
    Object.assign(globalThis, { lostConnections: state });
    IDBDatabase.prototype.transaction = function (...args) {
      if (state.failures-- > 0) {
        throw new DOMException(
          'Connection to Indexed Database server lost. Refresh the page to try again',
          'UnknownError',
        );
      }
      return transaction.apply(this, args);
    };
  });
  const fail = (failures: number): Promise<void> =>
    page.evaluate((count) => {
      (globalThis as unknown as { lostConnections: LostConnections }).lostConnections.failures =
        count;
    }, failures);
  await person.send('Lost twice');
  await person.answerDone();
  await expect(page.locator('.failure').count()).resolves.toBe(0);
  await expect.poll(storedMessages, { timeout: 30_000 }).toEqual(Array(4).fill('complete'));
  await fail(Infinity);
  await person.send('Lost for good');
  await page.locator('hermit-chat-message').nth(5).waitFor();
  const answer = await person.answerDone();
  expect(await person.failure()).toBe(
    'The browser does not let this page store anything, perhaps because the window is private. Models and chats last until the tab is closed. Export what you want to keep.',
  );
  expect(answer.length).toBeGreaterThan(0);
  await page.getByText('Lost for good').first().waitFor();
  // It comes back, and what could not be stored is stored with what follows.
  await fail(0);
  await person.send('And now?');
  await person.answerDone();
  // The end of an answer is on the screen before it is on the disk.
  await expect.poll(storedMessages, { timeout: 30_000 }).toEqual(Array(8).fill('complete'));
  await page.reload();
  await page.locator('hermit-chat-message').nth(7).waitFor();
  await page.getByText('Lost for good').first().waitFor();
  await person.expectNothingLost();
});
