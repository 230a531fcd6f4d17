/**
 * A stored block loses a bit, as disks do without a word: the model says so when it is loaded, and
 * is repaired from where it came.
 */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Page } from 'playwright-core';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';

let browser: TestBrowser;
let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
  const bytes = syntheticLlama({
    width: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    feedForward: 128,
    vocabularySize: 512,
    contextLength: 2048,
    type: 'Q8_0',
  });
  server.serve('/model.gguf', { bytes });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

/** Flips a bit in the first block of the only stored content, behind the application's back. */
async function flipStoredBit(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const contents = await root.getDirectoryHandle('hermit-model-bytes');
    for await (const content of contents.values()) {
      const file = await (content as FileSystemDirectoryHandle).getFileHandle('0');
      const last = (await file.getFile()).size - 1;
      const byte = new Uint8Array(await (await file.getFile()).slice(last).arrayBuffer());
      const writable = await file.createWritable({ keepExistingData: true });
      await writable.write({
        type: 'write',
        position: last,
        data: Uint8Array.of((byte[0] ?? 0) ^ 1),
      });
      await writable.close();
    }
  });
}

it('a damaged model is refused, repaired by one press, and answers again', async () => {
  const { page } = await browser.openPage(inject('baseUrl'));
  await page.waitForFunction(() => 'hermit' in globalThis);
  const id = await page.evaluate((url) => hermit.models.install(url), server.url('/model.gguf'));
  await flipStoredBit(page);
  await page.goto(`${inject('baseUrl')}/#/models`);
  await page.reload();
  await page.waitForFunction(() => 'hermit' in globalThis);
  const code = await page.evaluate(
    (model) =>
      hermit.models.load(model).then(
        () => 'loaded',
        (error: unknown) => (error as { readonly code: string }).code,
      ),
    id,
  );
  expect(code).toBe('store/damaged');
  await page.getByRole('button', { name: 'Verify and repair' }).click();
  await expect
    .poll(() => page.evaluate(async () => (await hermit.models.list())[0]?.state.kind))
    .toBe('ready');
  const text = await page.evaluate(async (model) => {
    const { choices } = await hermit.completions.create({ model, prompt: 'a', max_tokens: 4 });
    return choices[0]?.token_ids.length;
  }, id);
  expect(text).toBe(4);
});
