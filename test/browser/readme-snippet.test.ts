/**
 * The script that README.md shows to others, run as it stands there in the built page; only the
 * address of the model is another one.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';

const exampleUrl = 'https://example.org/model.gguf';

/** The trained model where the shared folder is, a random one elsewhere. */
async function modelBytes(): Promise<Uint8Array> {
  if (sharedModels !== null) return readFile(sharedModelPath('gguf', 'stories260K.gguf'));
  return syntheticLlama({
    width: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    feedForward: 128,
    vocabularySize: 512,
    contextLength: 2048,
    type: 'Q8_0',
  });
}

async function snippet(): Promise<string> {
  const readme = fileURLToPath(new URL('../../README.md', import.meta.url));
  const text = await readFile(readme, 'utf8');
  const block = /<!-- page-snippet -->\s*```js\n([\s\S]*?)```/.exec(text)?.[1];
  if (block === undefined) throw new Error('README.md has no script after <!-- page-snippet -->.');
  return block;
}

let browser: TestBrowser;
let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
  server.serve('/model.gguf', { bytes: await modelBytes() });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

it('installs a model and streams an answer', async () => {
  const script = await snippet();
  expect(script).toContain(exampleUrl);
  const { page, log } = await browser.openPage(inject('baseUrl'));
  await page.waitForFunction(() => 'hermit' in globalThis);
  const printed: string[] = [];
  page.on('console', (message) => printed.push(message.text()));
  const local = script.replaceAll(exampleUrl, server.url('/model.gguf'));
  // An expression of the debugger: the page's policy allows no script made of text, rightly.
  const answer = await page.evaluate<unknown>(`(async () => { ${local}; return answer; })()`);
  expect(typeof answer).toBe('string');
  expect((answer as string).length).toBeGreaterThan(20);
  expect(printed).toContain(answer);
  const models = await page.evaluate(() => hermit.models.list());
  expect(models.map(({ id, state }) => [id, state.kind])).toEqual([['model', 'ready']]);
  expect([log.uncaught, log.policyViolations, log.consoleErrors]).toEqual([[], [], []]);
});
