/** A disk that loses or changes what is on it, while the browser is closed and while it is open. */
import { readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import {
  BLOCK_BYTES,
  firstQuestion,
  Person,
  problem,
  sentence,
  slowShape,
} from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { networkOf } from './emulated-network.ts';
import { faultTest } from './fault-test.ts';
import { newProfile, startBrowser, type RunningBrowser } from './killable-browser.ts';
import { databaseFolder, flipByte, needFileWith } from './profile-files.ts';

const baseUrl = inject('baseUrl');
/** Some 23 MB, three blocks. */
const model = syntheticLlama(slowShape);
const secondBlock = model.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES);

let server: ModelServer;
let profile: Awaited<ReturnType<typeof newProfile>>;
let browser: RunningBrowser;
let page: Page;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  profile = await newProfile();
  await start();
  person = new Person(page, server, baseUrl);
  await person.settleIn();
  const added = await person.addModel('/large.gguf', { bytes: model });
  await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
});
afterEach(async (test) => {
  if (test.task.result?.state === 'fail') {
    console.log(await page.locator('hermit-model-row article').allInnerTexts());
    console.log(await page.locator('hermit-app-banners').innerText());
  }
  await browser.kill();
  await profile.remove();
});

async function start(): Promise<void> {
  browser = await startBrowser(profile.path);
  page = await browser.open(`${baseUrl}/#/models`);
  await page.waitForFunction(() => 'hermit' in globalThis);
}

/** Ends the browser, lets `harm` happen to its profile, and starts it again. */
async function whileClosed(harm: () => Promise<void>): Promise<void> {
  await browser.close();
  await harm();
  await start();
  person = person.in(page);
}

const damages: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ['F07', (path) => flipByte(path, 12_345)],
  ['F08', (path) => truncate(path, 1000)],
  ['F09', (path) => rm(path)],
];

for (const [id, damage] of damages) {
  faultTest(id, async () => {
    await whileClosed(async () => {
      await damage(await needFileWith(profile.path, secondBlock));
    });
    const before = server.requests.length;
    server.serve('/large.gguf', {
      bytes: model,
      script: () => ({ kind: 'slow', bytesPerSecond: 6_000_000 }),
    });
    await person.row('large').getByRole('button', { name: 'Use', exact: true }).click();
    const banner = page.locator('hermit-app-banners');
    await banner
      .getByText('Part of “large” is damaged on the disk. Downloading that part again (8.4 MB)')
      .waitFor();
    await person.row('large').getByText('In use', { exact: true }).waitFor();
    await expect(banner.getByText('damaged on the disk').count()).resolves.toBe(0);
    // That part and nothing else was asked for.
    const asked = server.requests.slice(before).filter(({ path }) => path === '/large.gguf');
    expect(asked.map(({ range }) => range)).toEqual([
      `bytes=${BLOCK_BYTES}-${2 * BLOCK_BYTES - 1}`,
    ]);
    await person.startChat('Are you whole?');
    expect((await person.answerDone()).length).toBeGreaterThan(0);
    await person.expectNothingLost();
  });
}

faultTest(
  'F09',
  async () => {
    await whileClosed(async () => {
      await rm(await needFileWith(profile.path, secondBlock));
    });
    const network = await networkOf(page);
    await network.set('offline');
    await person.row('large').getByRole('button', { name: 'Use', exact: true }).click();
    await expect
      .poll(() => sentence(problem(person.row('large')).first()), { timeout: 30_000 })
      .toBe(
        'Part of the stored model is damaged. Your chats are safe. Verify it on the Models page while online to fetch just that part again.',
      );
    await page
      .locator('hermit-toast-stack')
      .getByText(
        'Part of the stored model is damaged, and fetching that part again needs the internet. Your chats are safe. Connect, then choose the model again.',
      )
      .waitFor();
    await network.set('online');
    await person.row('large').getByRole('button', { name: 'Verify and repair' }).click();
    await person.row('large').getByRole('button', { name: 'Use', exact: true }).waitFor();
    await person.expectNothingLost();
  },
  { variant: 'offline' },
);

const lossNotice = 'The browser lost what Hermit had stored here';

faultTest('F10', async () => {
  await whileClosed(async () => {
    const folder = await databaseFolder(profile.path, baseUrl);
    for (const name of await readdir(folder)) {
      if (/^(?:MANIFEST|CURRENT|\d+\.log)/u.test(name)) {
        await writeFile(join(folder, name), 'garbage '.repeat(20));
      }
    }
  });
  await page.locator('hermit-app-banners').getByText(lossNotice).waitFor();
  // The bytes of models lie elsewhere: they are taken in again, and no download is needed.
  const before = server.requests.length;
  await person.row('large').getByRole('button', { name: 'Use', exact: true }).click();
  await person.row('large').getByText('In use', { exact: true }).waitFor();
  expect(server.requests.length).toBe(before);
  await person.startChat('A new beginning');
  expect((await person.answerDone()).length).toBeGreaterThan(0);
  await page.reload();
  await page.getByRole('link', { name: 'A new beginning' }).waitFor();
  await expect(page.getByText(lossNotice).count()).resolves.toBe(0);
});

faultTest('F11', async () => {
  await whileClosed(async () => {
    await rm(await databaseFolder(profile.path, baseUrl), { recursive: true });
  });
  await page.locator('hermit-app-banners').getByText(lossNotice).waitFor();
  await expect(page.getByRole('link', { name: firstQuestion }).count()).resolves.toBe(0);
  await person.row('story').getByText('In use', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).first().click();
  await expect.poll(() => page.getByText(lossNotice).count()).toBe(0);
});
