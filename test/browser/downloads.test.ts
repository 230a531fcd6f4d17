/** Watching, pausing, continuing and cancelling a download, and importing a local file, by hand. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';

const shape = {
  width: 256,
  layers: 2,
  heads: 4,
  kvHeads: 4,
  feedForward: 512,
  vocabularySize: 512,
  contextLength: 256,
  type: 'Q8_0',
} as const;
/** Some 40 MB, more than two blocks. */
const large = syntheticLlama({
  ...shape,
  width: 1024,
  layers: 2,
  feedForward: 4096,
  vocabularySize: 4096,
});
const small = syntheticLlama(shape);
const MEGABYTE = 1e6;
/** A slow server needs its time; Vitest's own limit is a second. */
const patience = { timeout: 30_000 };
const BLOCK_BYTES = 16 * 1024 * 1024;

describe('a download in the hands of a person', () => {
  let browser: TestBrowser;
  let server: ModelServer;
  let page: Page;
  let log: PageLog;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hermit-import-'));
    server = await startModelServer();
    server.serve('/large.gguf', {
      bytes: large,
      script: () => ({ kind: 'slow', bytesPerSecond: 12 * MEGABYTE }),
    });
    browser = await launchBrowser();
    ({ page, log } = await browser.openPage(`${inject('baseUrl')}/#/models`));
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  const row = () => page.locator('hermit-model-row');
  const button = (name: string) => row().getByRole('button', { name, exact: true });

  async function addByAddress(path: string): Promise<void> {
    await page.getByRole('button', { name: 'From an address' }).click();
    await page.getByLabel('Address (URL)').fill(server.url(path));
    await page.getByRole('dialog').getByRole('button', { name: 'Download' }).click();
  }

  it('shows bytes, speed and time left', async () => {
    await addByAddress('/large.gguf');
    await row()
      .getByText(/MB of \d+(\.\d)? MB/)
      .waitFor();
    await row()
      .getByText(/MB\/s.*left/)
      .waitFor();
    await expect
      .poll(() => row().getByRole('progressbar').getAttribute('value'), patience)
      .not.toBe('0');
  });

  it('pauses, survives a reload, and continues from where it was', async () => {
    await expect
      .poll(() => server.bytesServed('/large.gguf'), patience)
      .toBeGreaterThan(BLOCK_BYTES + MEGABYTE);
    await button('Pause').click();
    await row().getByText('Paused').waitFor();
    await page.reload();
    await row().getByText('Paused').waitFor();
    const before = server.bytesServed('/large.gguf');
    expect(before).toBeLessThan(large.byteLength);
    await button('Continue').click();
    await row().getByText('Complete').waitFor();
    // What arrived of the block that was under way when it was paused is fetched again, no more.
    expect(server.bytesServed('/large.gguf')).toBeLessThanOrEqual(large.byteLength + BLOCK_BYTES);
    expect(await page.evaluate(async () => (await hermit.models.list())[0]?.state.kind)).toBe(
      'ready',
    );
  });

  it('cancels and gives the space back', async () => {
    const usage = () => page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
    const complete = await usage();
    server.serve('/other.gguf', {
      bytes: large.map((byte, at) => (at > large.length / 2 ? byte ^ 1 : byte)),
      script: () => ({ kind: 'slow', bytesPerSecond: 12 * MEGABYTE }),
    });
    await addByAddress('/other.gguf');
    await expect
      .poll(() => server.bytesServed('/other.gguf'), patience)
      .toBeGreaterThan(BLOCK_BYTES + MEGABYTE);
    await button('Cancel').click();
    await page
      .getByRole('alertdialog')
      .getByRole('button', { name: 'Cancel the download' })
      .click();
    await expect.poll(() => row().count(), patience).toBe(1);
    await expect.poll(usage, patience).toBeLessThan(complete + MEGABYTE);
  });

  it('imports a file of this device', async () => {
    const path = join(folder, 'from-disk.gguf');
    await writeFile(path, small);
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'From this device' }).click();
    await (await chooser).setFiles(path);
    const imported = row().filter({ hasText: 'from-disk' });
    await imported.getByText('Complete').waitFor();
    // Nothing answered yet, so the first model that is complete does.
    await imported.getByText('In use').waitFor();
    const report = await page.evaluate(() => hermit.device.report());
    expect(report.model?.id).toBe('from-disk');
  });

  it('stores the same bytes once', async () => {
    server.serve('/copy.gguf', { bytes: small });
    const usage = () => page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
    const before = await usage();
    await addByAddress('/copy.gguf');
    await row().filter({ hasText: 'copy' }).getByText('Complete').waitFor();
    await expect.poll(usage, patience).toBeLessThan(before + small.byteLength / 2);
  });

  it('broke no policy on the way', () => {
    expect(log.uncaught).toEqual([]);
    expect(log.policyViolations).toEqual([]);
  });
});
