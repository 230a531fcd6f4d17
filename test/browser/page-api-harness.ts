/** What the tests of `globalThis.hermit` share: small models that a server offers, and failures. */
import type { Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama, type SyntheticLlamaOptions } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';

/** A model of some five million random parameters: quick to load, never at a loss for words. */
export const modelShape = {
  width: 256,
  layers: 4,
  heads: 4,
  kvHeads: 2,
  feedForward: 512,
  vocabularySize: 1024,
  contextLength: 4096,
  type: 'Q8_0',
  chatTemplate:
    '{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:',
} as const satisfies SyntheticLlamaOptions;

export interface ApiPage {
  readonly page: Page;
  readonly log: PageLog;
  readonly server: ModelServer;
  close(): Promise<void>;
}

/** A page whose `hermit` is there, and a server with `/one.gguf` and `/two.gguf`. */
export async function openApiPage(): Promise<ApiPage> {
  const server = await startModelServer();
  server.serve('/one.gguf', { bytes: syntheticLlama(modelShape) });
  server.serve('/two.gguf', { bytes: syntheticLlama({ ...modelShape, layers: 2 }) });
  const browser: TestBrowser = await launchBrowser();
  const { page, log } = await browser.openPage(inject('baseUrl'));
  await page.waitForFunction(() => 'hermit' in globalThis);
  return {
    page,
    log,
    server,
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

export interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * What a call in the page rejects with, as data: on the way out of the page only its text is kept.
 * `call` runs in the page and sees nothing but its argument.
 */
export async function failureOf<T>(
  page: Page,
  call: (argument: T) => Promise<unknown>,
  argument: T,
): Promise<Failure> {
  const failure = await page.evaluate<Failure | null>(
    `(async () => (${call.toString()})(${JSON.stringify(argument)}))().then(
      () => null,
      ({ name, code, message, details }) => ({ name, code, message, details }),
    )`,
  );
  expect(failure).not.toBeNull();
  return failure as Failure;
}
