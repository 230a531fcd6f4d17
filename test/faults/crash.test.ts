/** Threads and tabs that die in the middle of their work, and memory that is not there. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page, Worker } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { launchBrowser, type PageLog, type TestBrowser } from '../browser/browser-harness.ts';
import { Deployment } from '../browser/deployment.ts';
import { endlessShape, MEGABYTE, Person, problem, slowShape, textOf } from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { faultTest } from './fault-test.ts';

const baseUrl = inject('baseUrl');
const slow = syntheticLlama(endlessShape);
const patience = { timeout: 30_000 };
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

/** A model that takes seconds for its answers, in use. */
async function useSlowModel(): Promise<void> {
  const added = await person.addModel('/slow.gguf', { bytes: slow });
  await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
  await person.limitAnswers(30_000);
  await page.goto(`${baseUrl}/#/models`);
  await person.row('slow').getByRole('button', { name: 'Use', exact: true }).click();
  await person.row('slow').getByText('In use', { exact: true }).waitFor();
}

function engineWorker(): Worker {
  const worker = page.workers().findLast((candidate) => candidate.url().includes('engine'));
  if (worker === undefined) throw new Error('no engine worker');
  return worker;
}

/** Asks, and waits for the first words. */
async function beginAnswer(question: string): Promise<void> {
  await person.startChat(question);
  await person
    .lastMessage()
    .getByText(/word\d+/)
    .first()
    .waitFor();
}

/** Words alone: signs between them are shown differently while a line is not complete. */
const wordsNow = async (): Promise<string[]> =>
  (await textOf(person.lastMessage())).match(/word\d+/gu) ?? [];

/** Ends the tab as a crash does, and opens another one where it was. */
async function crashAndReopen(crash: () => Promise<unknown>): Promise<void> {
  const url = page.url();
  const crashed = page.waitForEvent('crash');
  crash().catch(() => undefined);
  await crashed;
  await page.close();
  ({ page, log } = await browser.openPage(url));
  person = person.in(page);
}

const crashTab = async (): Promise<unknown> =>
  (await browser.context.newCDPSession(page)).send('Page.crash');

/** What is told after a crash, and that nothing is loaded unasked; then it is, and goes on. */
async function expectOffer(model: string, written: string): Promise<void> {
  const banner = page.locator('hermit-app-banners');
  await banner
    .getByText(
      `The page crashed while “${model}” was answering. What it had written is kept, and your chats are safe. Load it again to go on; if it happens again, choose a smaller model.`,
    )
    .waitFor();
  const kept = await textOf(person.lastMessage());
  // What came in the last two seconds may be gone: no more.
  expect(written.startsWith(kept.slice(0, 20))).toBe(true);
  await person
    .lastMessage()
    .getByText('The page was closed while this was being written.')
    .waitFor();
  await expect(page.getByRole('button', { name: `Model: ${model}` }).count()).resolves.toBe(0);
  await person.limitAnswers(24);
  // A visit later the tab before ended well, but nobody loaded the model meanwhile.
  await page.getByRole('button', { name: `Model: ${model}` }).waitFor();
}

const deaths: readonly (readonly [how: string, harm: () => unknown, silent: boolean])[] = [
  [
    'throws',
    () =>
      setTimeout(() => {
        throw new Error('out of luck');
      }),
    false,
  ],
  [
    'rejects',
    () => {
      void Promise.reject(new Error('out of luck'));
    },
    false,
  ],
  [
    'closes',
    () => {
      self.close();
    },
    true,
  ],
  [
    'loops',
    () => {
      for (;;);
    },
    true,
  ],
];

for (const [variant, harm, silent] of deaths) {
  faultTest(
    'F72',
    async () => {
      await useSlowModel();
      // A model that is silent is given a while, which nobody needs to sit through here.
      if (silent) await page.clock.install();
      await beginAnswer('Once upon a time');
      engineWorker()
        .evaluate(harm)
        .catch(() => undefined);
      if (variant === 'rejects') {
        // A promise that nobody waited for takes nothing with it.
        const before = (await textOf(person.lastMessage())).length;
        await expect
          .poll(async () => (await textOf(person.lastMessage())).length, patience)
          .toBeGreaterThan(before);
        await page.getByRole('button', { name: 'Stop' }).click();
        await person.answerDone();
      } else {
        const failed = person.lastMessage().locator('.failure');
        if (silent) {
          while ((await failed.count()) === 0) await page.clock.runFor(5000);
        }
        expect(await person.failure()).toBe(
          silent
            ? 'The model did not respond and was restarted. What was written is kept. Try again.'
            : 'The model stopped unexpectedly, probably for lack of memory. What was written is kept. Try again; if it happens again, choose a smaller model.',
        );
        const written = await textOf(person.lastMessage());
        expect(written.length).toBeGreaterThan(0);
        await person.limitAnswers(24);
        await person.lastMessage().locator('.failure').waitFor();
        expect(await textOf(person.lastMessage())).toBe(written);
        await person.lastMessage().getByRole('button', { name: 'Try again' }).click();
        await page.getByText('2/2').waitFor();
        expect((await person.answerDone()).length).toBeGreaterThan(0);
      }
      await person.limitAnswers(24);
      await person.expectNothingLost();
      expect(log.uncaught.filter((text) => !text.includes('out of luck'))).toEqual([]);
    },
    { variant },
  );
}

faultTest('F74', async () => {
  await useSlowModel();
  await beginAnswer('A long story');
  // Longer than the time after which what is written must be kept.
  await page.waitForTimeout(4000);
  const before = (await wordsNow()).slice(0, -1);
  expect(before.length).toBeGreaterThan(5);
  await page.waitForTimeout(2000);
  await crashAndReopen(crashTab);
  // All that was there two seconds before the crash.
  await expect
    .poll(async () => (await wordsNow()).slice(0, before.length), patience)
    .toEqual(before);
  const kept = await textOf(person.lastMessage());
  await expectOffer('slow', kept);
  await person.expectNothingLost();
});

faultTest('F73', async () => {
  await useSlowModel();
  await beginAnswer('Until memory ends');
  await page.waitForTimeout(2500);
  const written = await textOf(person.lastMessage());
  const words = (await wordsNow()).slice(0, -1);
  const exhaust = (): Promise<unknown> =>
    engineWorker().evaluate(() => {
      const hoard: unknown[] = [];
      for (;;) hoard.push(Array.from({ length: 100_000 }, () => ({ kept: hoard.length })));
    });
  const failed = person.lastMessage().locator('.failure');
  const url = page.url();
  const ended = Promise.race([
    page.waitForEvent('crash', { timeout: 100_000 }).then(() => 'tab'),
    failed.waitFor({ timeout: 100_000 }).then(() => 'worker'),
  ]);
  exhaust().catch(() => undefined);
  if ((await ended) === 'tab') {
    await page.close();
    ({ page, log } = await browser.openPage(url));
    person = person.in(page);
    await expectOffer('slow', written);
  } else {
    expect((await wordsNow()).slice(0, words.length)).toEqual(words);
    await person.limitAnswers(24);
  }
  await person.expectNothingLost();
});

faultTest('F80', async () => {
  await useSlowModel();
  const added = await person.addModel('/frozen.gguf', {
    bytes: syntheticLlama({ ...slowShape, vocabularySize: 3000 }),
    script: () => ({ kind: 'slow', bytesPerSecond: 8 * MEGABYTE }),
  });
  await added.getByText(/left$/).waitFor();
  await beginAnswer('Before the lid was shut');
  const session = await browser.context.newCDPSession(page);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  // Longer than any heartbeat may be late.
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  await session.send('Page.setWebLifecycleState', { state: 'active' });
  await page.getByRole('button', { name: 'Stop' }).click();
  const answer = await person.answerDone();
  expect(answer.length).toBeGreaterThan(0);
  await expect(person.lastMessage().locator('.failure').count()).resolves.toBe(0);
  await page.goto(`${baseUrl}/#/models`);
  await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
  await person.limitAnswers(24);
  await person.expectNothingLost();
});

/** Digits of the file that tells the engine how often its memory may grow. */
const DIGITS = 4;

faultTest(
  'F71',
  async () => {
    // The engine asks a file of its site how often its memory may grow.
    const deployment = new Deployment();
    const url = await deployment.start();
    const allow = (growths: number): void => {
      const path = join(deployment.folder, 'growths.txt');
      writeFileSync(path, String(growths).padStart(DIGITS, '0'));
    };
    deployment.publish('Short of memory', {
      edit: (folder) => {
        writeFileSync(join(folder, 'growths.txt'), '9999');
        const assets = join(folder, 'assets');
        for (const file of readdirSync(assets)) {
          if (!file.startsWith('engine.worker-')) continue;
          const path = join(assets, file);
          if (file.endsWith('.js')) writeFileSync(path, patch + readFileSync(path, 'utf8'));
          else rmSync(path);
        }
      },
    });
    await browser.close();
    browser = await launchBrowser({ serviceWorkers: 'block' });
    ({ page } = await browser.openPage(url));
    person = new Person(page, server, url);
    await person.settleIn();
    const added = await person.addModel('/slow.gguf', { bytes: slow });
    const use = added.getByRole('button', { name: 'Use', exact: true });
    await use.waitFor();
    const inUse = added.getByText('In use', { exact: true });
    let refusals = 0;
    for (const growths of [0, 1, 2, 4, 8, 16, 32, 64]) {
      allow(growths);
      await use.click();
      const refused = problem(added).filter({
        hasText: 'This device has too little free memory for the model.',
      });
      await inUse.or(refused).first().waitFor();
      if ((await inUse.count()) > 0) break;
      refusals++;
      await person.dismissMessages();
      // The sentence of this try must not be taken for that of the next.
      await page.evaluate(() => hermit.models.unload());
      await refused.waitFor({ state: 'detached' });
    }
    expect(refusals).toBeGreaterThan(0);
    // What was refused left nothing behind: the same model works as soon as there is memory.
    await inUse.waitFor();
    allow(9999);
    await person.startChat('Enough memory');
    expect((await person.answerDone()).length).toBeGreaterThan(0);
    await person.expectNothingLost();
    await deployment.stop();
  },
  { timeoutMs: 300_000 },
);

/** Runs before the engine: its memory grows so many times and no more. */
const patch = `{
  const request = new XMLHttpRequest();
  request.open('GET', '/growths.txt?' + Math.random(), false);
  request.send();
  let left = Number(request.responseText);
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function (pages) {
    if (left-- <= 0) {
      throw new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory');
    }
    return grow.call(this, pages);
  };
}
`;
