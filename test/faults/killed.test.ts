/**
 * A browser that is killed in the middle of a download, at random and at the worst moments: what was
 * acknowledged is there afterwards, and nothing false is.
 */
import { createHash } from 'node:crypto';
import type { Page, Worker } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { BLOCK_BYTES, MEGABYTE, slowShape } from '../browser/person.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { random } from '../fixtures/random-values.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { faultTest, wholeRun } from './fault-test.ts';
import { newProfile, startBrowser, type RunningBrowser } from './killable-browser.ts';
import { fileWith } from './profile-files.ts';

const baseUrl = inject('baseUrl');
const KILLS = wholeRun ? 100 : 3;
/** Some 60 MB, eight blocks. */
const model = syntheticLlama({ ...slowShape, vocabularySize: 16_000, layers: 4 });
const sha256 = createHash('sha256').update(model).digest('hex');
const blocks = Math.ceil(model.length / BLOCK_BYTES);
/** At most this much is on its way from the server to the disk: asked for at once, and read ahead. */
const UNDER_WAY_BYTES = 3 * BLOCK_BYTES;
/** A server needs its time. */
const patience = { timeout: 60_000, interval: 20 };

let server: ModelServer;
let profile: Awaited<ReturnType<typeof newProfile>>;
let browser: RunningBrowser;
let page: Page;

beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  profile = await newProfile();
  await start();
});
afterEach(async () => {
  await browser.kill();
  await profile.remove();
});

async function start(): Promise<void> {
  browser = await startBrowser(profile.path);
  page = await browser.open(`${baseUrl}/#/models`);
  await page.waitForFunction(() => 'hermit' in globalThis);
}

async function killAndStart(): Promise<void> {
  await browser.kill();
  await start();
}

function serve(path: string, bytesPerSecond: number): void {
  server.serve(path, { bytes: model, script: () => ({ kind: 'slow', bytesPerSecond }) });
}

/** Begins the download, or goes on with it, and does not wait. */
const download = (path: string): Promise<void> =>
  page.evaluate((url) => {
    hermit.models.install(url).catch(() => undefined);
  }, server.url(path));

async function entry(): Promise<{ kind: string; bytesDone: number; sha256: string | null }> {
  return page.evaluate(async () => {
    const [listed] = await hermit.models.list();
    if (listed === undefined) return { kind: 'none', bytesDone: 0, sha256: null };
    const { state } = listed;
    const bytesDone = 'bytesDone' in state ? state.bytesDone : (listed.bytesTotal ?? 0);
    return { kind: state.kind, bytesDone, sha256: listed.sha256 };
  });
}

/** The model is there, its bytes are right, and it can be loaded. */
async function expectWhole(): Promise<void> {
  await expect.poll(async () => (await entry()).kind, patience).toBe('ready');
  expect((await entry()).sha256).toBe(sha256);
  const tokens = await page.evaluate(async () => {
    const [listed] = await hermit.models.list();
    const { choices } = await hermit.completions.create({
      model: listed?.id ?? '',
      prompt: 'a',
      max_tokens: 2,
    });
    return choices[0]?.token_ids.length;
  });
  expect(tokens).toBe(2);
}

/** Makes the store worker hang when it is about to write a record that `when` describes. */
async function hangBeforeWriting(when: { state?: string; blocks?: number }): Promise<void> {
  const store = (): Worker | undefined =>
    page.workers().find((worker) => worker.url().includes('store.worker'));
  await expect.poll(store, patience).toBeDefined();
  await store()?.evaluate((wanted) => {
    const put = Reflect.get<IDBObjectStore, 'put'>(IDBObjectStore.prototype, 'put');
    IDBObjectStore.prototype.put = function (value: unknown, ...rest) {
      const record = value as { state?: string; blocks?: unknown[] };
      const reached =
        this.name === 'contents' &&
        (wanted.state === undefined || record.state === wanted.state) &&
        (wanted.blocks === undefined || record.blocks?.length === wanted.blocks);
      if (reached) for (;;);
      return put.call(this, value, ...rest);
    };
  }, when);
}

const firstBlocks = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) =>
    model.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES),
  );

faultTest(
  'F03',
  async () => {
    const seed = Date.now() % 1_000_000;
    const next = random(seed);
    let acknowledged = 0;
    let file = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const path = `/kill-${file}.gguf`;
      serve(path, 40 * MEGABYTE);
      await download(path);
      const enough = server.bytesServed(path) + next() * 2.5 * BLOCK_BYTES;
      await expect
        .poll(
          async () => server.bytesServed(path) >= enough || (await entry()).kind === 'ready',
          patience,
        )
        .toBe(true);
      const before = await entry();
      await killAndStart();
      const after = await entry();
      const where = `seed ${seed}, kill ${kill}: ${before.kind} ${before.bytesDone}`;
      expect(['none', 'paused', 'verifying', 'downloading', 'ready'], where).toContain(after.kind);
      expect(after.bytesDone, where).toBeGreaterThanOrEqual(acknowledged);
      if (before.kind === 'ready') expect(after.kind, where).toBe('ready');
      acknowledged = after.bytesDone;
      if (after.bytesDone < model.length) continue;
      await expectWhole();
      // The next one has the same bytes and would share them.
      await page.evaluate(async () => {
        const [listed] = await hermit.models.list();
        await hermit.models.remove(listed?.id ?? '');
      });
      acknowledged = 0;
      file++;
    }
    const path = `/kill-${file}.gguf`;
    serve(path, 400 * MEGABYTE);
    await download(path);
    await expectWhole();
    let wasted = 0;
    for (let done = 0; done <= file; done++) {
      wasted += Math.max(0, server.bytesServed(`/kill-${done}.gguf`) - model.length);
    }
    expect(wasted, `seed ${seed}`).toBeLessThanOrEqual(KILLS * UNDER_WAY_BYTES);
  },
  { timeoutMs: 600_000 },
);

faultTest('F04', async () => {
  serve('/between.gguf', 100 * MEGABYTE);
  await hangBeforeWriting({ blocks: 2 });
  await download('/between.gguf');
  const [, second] = firstBlocks(2);
  if (second === undefined) throw new Error('no second block');
  await expect
    .poll(() => fileWith(profile.path, second), { ...patience, interval: 200 })
    .not.toBe(null);
  await killAndStart();
  // The first block counts; the second, whose bytes nobody wrote down, is gone from the disk.
  await expect.poll(entry, patience).toMatchObject({ kind: 'paused', bytesDone: BLOCK_BYTES });
  await expect
    .poll(() => fileWith(profile.path, second), { ...patience, interval: 200 })
    .toBe(null);
  const before = server.requests.length;
  await download('/between.gguf');
  await expectWhole();
  expect(server.requests[before]?.start).toBe(BLOCK_BYTES);
});

faultTest('F05', async () => {
  serve('/last.gguf', 400 * MEGABYTE);
  await hangBeforeWriting({ state: 'ready' });
  await download('/last.gguf');
  const last = model.subarray((blocks - 1) * BLOCK_BYTES);
  await expect
    .poll(() => fileWith(profile.path, last), { ...patience, interval: 200 })
    .not.toBe(null);
  await expect
    .poll(() => server.bytesServed('/last.gguf'), patience)
    .toBeGreaterThanOrEqual(model.length);
  // Long enough for the entry of the last block, which follows its bytes.
  await page.waitForTimeout(1000);
  await killAndStart();
  const before = server.requests.length;
  await expectWhole();
  expect(server.requests.length).toBe(before);
});

faultTest('F06', async () => {
  serve('/closed.gguf', 20 * MEGABYTE);
  await download('/closed.gguf');
  await expect
    .poll(() => server.bytesServed('/closed.gguf'), patience)
    .toBeGreaterThan(2 * BLOCK_BYTES);
  await page.close();
  page = await browser.open(`${baseUrl}/#/models`);
  await page.waitForFunction(() => 'hermit' in globalThis);
  await page.getByText('Paused: the page was closed').waitFor();
  expect((await entry()).bytesDone).toBeGreaterThanOrEqual(BLOCK_BYTES);
  serve('/closed.gguf', 400 * MEGABYTE);
  await page.getByRole('button', { name: 'Continue' }).click();
  await expectWhole();
  expect(server.bytesServed('/closed.gguf')).toBeLessThanOrEqual(model.length + UNDER_WAY_BYTES);
});
