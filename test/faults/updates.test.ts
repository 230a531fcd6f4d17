/** New versions of the app that come at the wrong moment, in parts, or with no room for them. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import {
  launchBrowser,
  type TestBrowser,
  waitForServiceWorker,
} from '../browser/browser-harness.ts';
import { checkForUpdate, Deployment } from '../browser/deployment.ts';
import { endlessShape, Person, slowShape, textOf } from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { faultTest } from './fault-test.ts';

let server: ModelServer;
let deployment: Deployment;
let url: string;
let browser: TestBrowser;
let page: Page;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  deployment = new Deployment();
  url = await deployment.start();
  browser = await launchBrowser();
  ({ page } = await browser.openPage(url));
  person = new Person(page, server, url);
});
afterEach(async () => {
  await browser.close();
  await deployment.stop();
});

/** With a model and a chat, and the service worker in charge. */
async function settle(): Promise<void> {
  await waitForServiceWorker(page);
  await page.reload();
  await person.settleIn();
}

/** Whether the version of this title is what the page gets. */
const serves = (title: string): Promise<boolean> =>
  page.evaluate(
    async (wanted) => (await (await fetch('/index.html')).text()).includes(`<title>${wanted}`),
    title,
  );

const assetOf = (folder: string, name: RegExp): string => {
  const found = readdirSync(join(folder, 'assets')).find((file) => name.test(file));
  if (found === undefined) throw new Error(`No asset like ${name.source}`);
  return join('assets', found);
};

faultTest('F81', async () => {
  await settle();
  const added = await person.addModel('/slow.gguf', { bytes: syntheticLlama(endlessShape) });
  await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
  await person.limitAnswers(30_000);
  await page.goto(`${url}/#/models`);
  await person.row('slow').getByRole('button', { name: 'Use', exact: true }).click();
  await person.row('slow').getByText('In use', { exact: true }).waitFor();
  await person.startChat('In the middle of this');
  await person
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  deployment.publish('Second');
  expect(await checkForUpdate(page)).toBe('waiting');
  const ready = page.getByText('A new version of Hermit is ready.');
  await expect(ready.count()).resolves.toBe(0);
  await page.getByRole('button', { name: 'Stop' }).click();
  const answer = await person.answerDone();
  // Only now is it offered.
  await ready.waitFor();
  await page.getByRole('button', { name: 'Update', exact: true }).click();
  await expect.poll(() => page.title(), { timeout: 30_000 }).toContain('In the middle of this');
  await person
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
  expect(await textOf(person.lastMessage())).toBe(answer);
  expect(await serves('Second')).toBe(true);
});

const broken = {
  missing: { lost: 'index.html' },
  'cut short': {
    edit: (folder: string) => {
      const path = join(folder, 'index.html');
      writeFileSync(path, readFileSync(path).subarray(0, 400));
    },
  },
} satisfies Record<string, Parameters<Deployment['publish']>[1]>;

for (const [variant, damage] of Object.entries(broken)) {
  faultTest(
    'F82',
    async () => {
      await settle();
      deployment.publish('Broken', damage);
      expect(await checkForUpdate(page)).toBe('refused');
      await page.reload();
      // Every part of the old version is there, without asking the server for it.
      await page.goto(`${url}/#/settings`);
      await page.getByRole('heading', { name: 'Settings' }).waitFor();
      expect(await serves('Broken')).toBe(false);
      await person.expectNothingLost();
    },
    { variant },
  );
}

faultTest('F83', async () => {
  await settle();
  await browser.close();
  deployment.publish('Mixed', {
    edit: (folder) => {
      for (const file of readdirSync(join(folder, 'assets'))) {
        if (!/\.wasm(?:\.br|\.gz)?$/u.test(file)) continue;
        const path = join(folder, 'assets', file);
        if (!file.endsWith('.wasm')) rmSync(path);
        // A custom section of one byte: a sound module, but not the one that the scripts were made for.
        else writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from([0, 2, 1, 120])]));
      }
    },
  });
  browser = await launchBrowser();
  ({ page } = await browser.openPage(url));
  person = new Person(page, server, url);
  const added = await person.addModel('/story.gguf', {
    bytes: syntheticLlama({ ...slowShape, width: 64, heads: 4, kvHeads: 4, feedForward: 128 }),
  });
  await page
    .locator('hermit-model-row')
    .getByText('Hermit was updated only in part. Reload the page; your chats and models are safe.')
    .waitFor();
  await expect(added.getByText('In use', { exact: true }).count()).resolves.toBe(0);
});

faultTest('F84', async () => {
  await browser.close();
  browser = await launchBrowser({ serviceWorkers: 'block' });
  ({ page } = await browser.openPage(url));
  person = new Person(page, server, url);
  await person.settleIn();
  await page.getByRole('link', { name: 'New chat' }).click();
  await page.getByRole('textbox', { name: 'Message' }).fill('Half a thought');
  const part = assetOf(deployment.folder, /^settings-view-.*\.js$/u);
  deployment.publish('Second', { without: part });
  let loads = 0;
  page.on('load', () => loads++);
  await page.getByRole('link', { name: 'Settings' }).click();
  await expect.poll(() => loads, { timeout: 30_000 }).toBe(1);
  // Still not there after the one reload: that is told, and not tried over and over.
  await page.locator('hermit-toast-stack').getByText(/\S/).first().waitFor();
  expect(loads).toBe(1);
  await page.goto(`${url}/#/`);
  await expect
    .poll(() => page.getByRole('textbox', { name: 'Message' }).inputValue(), { timeout: 30_000 })
    .toBe('Half a thought');
  await person.expectNothingLost();
});

faultTest('F85', async () => {
  await settle();
  const session = await browser.context.newCDPSession(page);
  const { origin } = new URL(url);
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
  deployment.publish('Second');
  expect(await checkForUpdate(page)).toBe('refused');
  await session.send('Storage.overrideQuotaForOrigin', { origin });
  await page.reload();
  expect(await serves('Second')).toBe(false);
  await person.expectNothingLost();
});
