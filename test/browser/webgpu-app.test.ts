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

const tokens = 24;

describe('the app on WebGPU', () => {
  let server: ModelServer;
  let browser: TestBrowser;
  let page: Page;
  let control: CDPSession;

  beforeAll(async () => {
    server = await startModelServer();
    server.serve('/one.gguf', { bytes: syntheticLlama({ ...modelShape, layers: 2 }) });
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

  /** Writes greedily; crashes the GPU process once each of `crashes` tokens were written. */
  async function write(crashes: readonly number[]): Promise<readonly string[]> {
    const left = [...crashes];
    await page.exposeFunction(`crash${crashes.length}`, async (written: number) => {
      if (left[0] !== written) return;
      left.shift();
      await control.send('Browser.crashGpuProcess');
    });
    const written = await page.evaluate(
      async ({ count, name }) => {
        const crash = (globalThis as unknown as Record<string, (n: number) => Promise<void>>)[name];
        const stream = await hermit.completions.create({
          model: 'one',
          prompt: [1, ...Array.from({ length: 40 }, (_, i) => 300 + i)],
          max_tokens: count,
          temperature: 0,
          logprobs: 1,
          stream: true,
        });
        const texts: string[] = [];
        for await (const chunk of stream) {
          texts.push(...(chunk.choices[0]?.logprobs?.tokens ?? []));
          await crash?.(texts.length);
        }
        return texts;
      },
      { count: tokens, name: `crash${crashes.length}` },
    );
    expect(left).toEqual([]);
    return written;
  }

  const choice = async () => (await page.evaluate(() => hermit.device.report())).model?.choice;

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
    const undisturbed = await write([]);
    expect(undisturbed).toHaveLength(tokens);
    expect(await write([6])).toEqual(undisturbed);
    expect(await choice()).toMatchObject({ kind: 'webgpu' });
    await load('wasm');
    await load('webgpu');
    const twice = await write([5, 9]);
    expect(twice).toHaveLength(tokens);
    expect(twice.slice(0, 9)).toEqual(undisturbed.slice(0, 9));
    expect(await choice()).toMatchObject({ kind: 'wasm', reason: 'device-lost' });
  });
});
