/** 200 ways to send or run something, written by a model, by a file's name and by its metadata. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { chainLlama } from '../fixtures/chain-llama.ts';
import { exfiltrationPayloads } from '../fixtures/exfiltration.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import {
  isLocalRequest,
  launchBrowser,
  type TestBrowser,
  type WatchedPage,
} from './browser-harness.ts';

const GROUP = 20;

let attacker: Server;
let attempts: string[];
let payloads: readonly string[];
let server: ModelServer;
let browser: TestBrowser;
let watched: WatchedPage;

beforeAll(async () => {
  attempts = [];
  attacker = createServer((request, response) => {
    attempts.push(request.url ?? '');
    response.end();
  });
  await new Promise<void>((resolve) => attacker.listen(0, '127.0.0.1', resolve));
  payloads = exfiltrationPayloads(`127.0.0.1:${(attacker.address() as AddressInfo).port}`);
  server = await startModelServer();
  browser = await launchBrowser();
  watched = await browser.openPage(inject('baseUrl'));
  await watched.page.waitForFunction(() => 'hermit' in globalThis);
});
afterAll(async () => {
  await browser.close();
  await server.close();
  attacker.close();
});

/** Nothing was sent, nothing ran, nothing even tried. */
async function expectNothingHappened(): Promise<void> {
  const { page, log } = watched;
  const ran = await page.evaluate(() => 'pwned' in globalThis);
  expect(ran).toBe(false);
  expect(attempts).toEqual([]);
  const { port } = attacker.address() as AddressInfo;
  const asked = log.requests.filter((url) => !isLocalRequest(url) || url.includes(`:${port}/`));
  expect(asked).toEqual([]);
  expect(log.policyViolations).toEqual([]);
  expect(log.uncaught).toEqual([]);
  expect(new URL(page.url()).origin).toBe(inject('baseUrl'));
}

describe('a hostile text', () => {
  it('sends and runs nothing as the answer of a model', async () => {
    expect(payloads).toHaveLength(200);
    const groups = Array.from({ length: payloads.length / GROUP }, (_, index) =>
      payloads.slice(index * GROUP, (index + 1) * GROUP),
    );
    const choices = groups.map(
      (_, index) => `{%- if 'group ${index}.' in asked %}<|g${index}|>{% endif %}`,
    );
    const answers = groups.map((group, index) => [
      `<|g${index}|>`,
      group.map((payload) => `${payload}\n\n`),
    ]);
    const bytes = chainLlama({
      chatTemplate: `{% set asked = messages[-1].content %}{{ asked }}${choices.join('')}`,
      answers: Object.fromEntries(answers) as Record<string, string[]>,
      contextLength: 2048,
    });
    server.serve('/hostile.gguf', { bytes });
    const { page } = watched;
    await page.evaluate(async (url) => {
      await hermit.models.load(await hermit.models.install(url));
    }, server.url('/hostile.gguf'));
    for (const [index, group] of groups.entries()) {
      await page.getByRole('textbox', { name: 'Message' }).fill(`group ${index}.`);
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
      const answer = page.locator('hermit-chat-message').last();
      await answer.getByRole('button', { name: 'Answer again' }).waitFor();
      // What was written is there to be read, or the test would prove nothing.
      const shown = await answer
        .locator('hermit-markdown')
        .evaluate((element) => element.shadowRoot?.textContent ?? '');
      expect(shown.length, `group ${index}`).toBeGreaterThan(group.length * 5);
    }
    await expectNothingHappened();
  });

  it('sends and runs nothing as the name of a file', async () => {
    const { page } = watched;
    await page.goto(`${inject('baseUrl')}/#/models`);
    const names = payloads.map((payload) => payload.replaceAll(/[/\n\\]/g, '_').slice(0, 100));
    await page.evaluate(
      async (given) => {
        for (const name of given) {
          const file = new File([new Uint8Array(64)], `${name}.gguf`);
          await hermit.models.install(file).catch(() => undefined);
        }
      },
      names.filter((_, index) => index % 8 === 0),
    );
    await page.locator('hermit-model-row').first().waitFor();
    await expectNothingHappened();
  });
});
