/**
 * The app on WebGPU, computed by SwiftShader: chosen by hand, never by itself, and carried on when the
 * GPU process of the browser crashes in the middle of an answer, once and twice.
 */
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import { modelShape } from './page-api-harness.ts';

const tokens = 12;
/** Tokens after which the GPU process is crashed. */
const crashes = [3, 7];
/** Every new device compiles its pipelines, which a program computes slowly: the fewer the better. */
const shape = { ...modelShape, width: 128, heads: 2, kvHeads: 1, feedForward: 256, layers: 1 };

describe('the app on WebGPU', () => {
  let server: ModelServer;
  let browser: TestBrowser;
  let page: Page;
  let control: CDPSession;

  beforeAll(async () => {
    server = await startModelServer();
    server.serve('/one.gguf', { bytes: syntheticLlama(shape) });
    // After two crashes Chromium would give no adapter any more, and close the page's way to the GPU.
    const args = ['--disable-gpu-process-crash-limit', '--disable-domain-blocking-for-3d-apis'];
    browser = await launchBrowser({ webgpu: true, args });
    ({ page } = await browser.openPage(inject('baseUrl')));
    await page.waitForFunction(() => 'hermit' in globalThis);
    const session = await browser.context.browser()?.newBrowserCDPSession();
    if (session === undefined) throw new Error('The browser cannot be controlled.');
    control = session;
    await page.evaluate((url) => hermit.models.install(url), server.url('/one.gguf'));
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const load = async (backend: 'auto' | 'wasm' | 'webgpu'): Promise<LoadedModel> => {
    const loading = (wanted: typeof backend) => hermit.models.load('one', { backend: wanted });
    return (await page.evaluate(loading, backend)) as LoadedModel;
  };

  /** Tokens of a greedy answer, and what computed at each; `atToken` is told how many there are. */
  async function write(
    name: string,
    atToken: (written: number) => Promise<void>,
  ): Promise<{ readonly ids: readonly number[]; readonly kinds: readonly string[] }> {
    await page.exposeFunction(name, atToken);
    return page.evaluate(
      async ({ count, callback }) => {
        const told = (globalThis as unknown as Record<string, (n: number) => Promise<void>>)[
          callback
        ];
        const stream = await hermit.completions.create({
          model: 'one',
          prompt: [1, ...Array.from({ length: 12 }, (_, i) => 300 + i)],
          max_tokens: count,
          temperature: 0,
          stream: true,
        });
        const ids: number[] = [];
        const kinds: string[] = [];
        for await (const chunk of stream) {
          const token = chunk.choices[0]?.token_ids?.[0];
          if (token === undefined) continue;
          ids.push(token);
          kinds.push((await hermit.device.report()).model?.choice.kind ?? '');
          await told?.(ids.length);
        }
        return { ids, kinds };
      },
      { count: tokens, callback: name },
    );
  }

  it('does not choose a card that is a program by itself', async () => {
    const model = await load('auto');
    expect(model.choice).toMatchObject({ kind: 'wasm', reason: 'software-gpu' });
    const report = await page.evaluate(() => hermit.device.report());
    expect(report.webgpu).toBe(true);
    expect(report.gpu?.features).toContain('subgroups');
  });

  it('goes on with the sentence when the card fails, and with the processor when it fails again', async () => {
    const model = await load('webgpu');
    expect(model.choice).toMatchObject({ kind: 'webgpu', reason: 'asked' });
    expect(model.backend).toMatch(/^WebGPU, /);
    const undisturbed = await write('watch', () => Promise.resolve());
    expect(undisturbed.ids).toHaveLength(tokens);
    const left = [...crashes];
    const { ids, kinds } = await write('crash', async (written) => {
      if (left[0] !== written) return;
      left.shift();
      await control.send('Browser.crashGpuProcess');
    });
    expect(left).toEqual([]);
    expect(ids).toHaveLength(tokens);
    // After the first crash the card computes again, and what it would have without it.
    const second = crashes[1] ?? 0;
    expect(ids.slice(0, second)).toEqual(undisturbed.ids.slice(0, second));
    expect(kinds.slice(0, second)).toEqual(new Array<string>(second).fill('webgpu'));
    expect(kinds.at(-1)).toBe('wasm');
    const { model: after } = await page.evaluate(() => hermit.device.report());
    expect(after?.choice).toMatchObject({ kind: 'wasm', reason: 'device-lost' });
  });
});
