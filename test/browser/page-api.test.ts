/** `globalThis.hermit` as scripts of the page use it, in a real Chromium on the built page. */
import { availableParallelism } from 'node:os';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../src/engine/engine.ts';
import { writeGguf } from '../../src/engine/formats/gguf/writer.ts';
import type { ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { failureOf, modelShape, openApiPage, type ApiPage } from './page-api-harness.ts';

let api: ApiPage;
let page: Page;
let server: ModelServer;

beforeAll(async () => {
  api = await openApiPage();
  ({ page, server } = api);
  server.serve('/page.gguf', { bytes: new Uint8Array(8), script: () => ({ kind: 'html' }) });
  server.serve('/slow.gguf', {
    bytes: syntheticLlama({ ...modelShape, layers: 1 }),
    script: () => ({ kind: 'slow', bytesPerSecond: 200_000 }),
  });
  const architecture = { type: 'string', value: 'unheard-of' } as const;
  server.serve('/strange.gguf', {
    bytes: writeGguf({ metadata: [['general.architecture', architecture]], tensors: [] }),
  });
});
afterAll(async () => {
  await api.close();
});

describe('hermit.models', () => {
  it('installs by address, with progress up to the whole file', async () => {
    const seen = await page.evaluate(async (url) => {
      const progress: { bytesDone: number; bytesTotal: number | null }[] = [];
      const id = await hermit.models.install(url, { onProgress: (now) => progress.push(now) });
      return { id, progress };
    }, server.url('/one.gguf'));
    expect(seen.id).toBe('one');
    const done = seen.progress.map(({ bytesDone }) => bytesDone);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    const [entry] = await page.evaluate(() => hermit.models.list());
    expect(entry).toMatchObject({ id: 'one', state: { kind: 'ready' } });
    const all = entry?.bytesTotal;
    expect(seen.progress.at(-1)).toEqual({ bytesDone: all, bytesTotal: all });
  });

  it('stops an installation by its signal and gives the space back', async () => {
    const outcome = await page.evaluate(async (url) => {
      const controller = new AbortController();
      const { signal } = controller;
      const onProgress = ({ bytesDone }: { bytesDone: number }): void => {
        if (bytesDone > 0) controller.abort();
      };
      return hermit.models.install(url, { signal, onProgress }).then(
        () => 'installed',
        (error: unknown) => (error as { code: string }).code,
      );
    }, server.url('/slow.gguf'));
    expect(outcome).toBe('aborted');
    await expect
      .poll(() => page.evaluate(async () => (await hermit.models.list()).map(({ id }) => id)))
      .toEqual(['one']);
  });

  it('installs a file with a checksum, refuses another one, and verifies what it holds', async () => {
    const outcome = await page.evaluate(async (url) => {
      const bytes = await (async () => {
        const id = await hermit.models.install(url);
        const entry = (await hermit.models.list()).find((each) => each.id === id);
        return entry?.sha256 ?? '';
      })();
      await hermit.models.remove('two');
      const wrong = await hermit.models.install({ url, sha256: '0'.repeat(64) }).then(
        () => '',
        (error: unknown) => (error as { code: string }).code,
      );
      for (const { id } of await hermit.models.list()) {
        if (id !== 'one') await hermit.models.remove(id);
      }
      const id = await hermit.models.install({ url, sha256: bytes });
      await hermit.models.verify(id);
      const entry = (await hermit.models.list()).find((each) => each.id === id);
      return { wrong, id, verified: entry?.verified };
    }, server.url('/two.gguf'));
    expect(outcome).toEqual({
      wrong: 'download/hash-mismatch',
      id: 'two',
      verified: 'published-hash',
    });
  });

  it('imports a file of this device', async () => {
    const bytes = [...syntheticLlama({ ...modelShape, layers: 1 })];
    const entry = await page.evaluate(async (given) => {
      const file = new File([Uint8Array.from(given)], 'mine.gguf');
      const id = await hermit.models.install(file);
      const found = (await hermit.models.list()).find((each) => each.id === id);
      await hermit.models.remove(id);
      return found;
    }, bytes);
    expect(entry).toMatchObject({ id: 'mine', bytesTotal: bytes.length, state: { kind: 'ready' } });
  });

  it('loads with progress, tells what it loaded, and unloads', async () => {
    const outcome = await page.evaluate(async () => {
      const progress: number[] = [];
      const model = await hermit.models.load('one', {
        contextLength: 512,
        onProgress: (fraction) => progress.push(fraction),
      });
      await hermit.models.unload('two');
      const still = (await hermit.device.report()).model?.id ?? null;
      await hermit.models.unload('one');
      const after = (await hermit.device.report()).model;
      return { model, progress, still, after };
    });
    expect(outcome.model).toMatchObject({ contextLength: 512, info: { architecture: 'llama' } });
    expect(outcome.progress.at(-1)).toBe(1);
    expect(outcome.still).toBe('one');
    expect(outcome.after).toBeNull();
  });

  it('computes on several threads, with the same outcome as on one', async () => {
    const run = (threads: number): Promise<{ backend: string; text: string }> =>
      page.evaluate(async (count) => {
        const { backend } = await hermit.models.load('one', { threads: count });
        const request = { model: 'one', prompt: 'word300 word301', max_tokens: 12, temperature: 0 };
        const { choices } = await hermit.completions.create(request);
        return { backend, text: choices[0]?.text ?? '' };
      }, threads);
    const [alone, together] = [await run(1), await run(2)];
    expect(alone.backend).toContain('1 thread');
    expect(together.backend).toContain(availableParallelism() > 1 ? '2 threads' : '1 thread');
    expect(together.text).toBe(alone.text);
    expect(alone.text).not.toBe('');
  });

  it('tries the kernels once on this device and remembers what it found', async () => {
    const load = (): Promise<{ kernels: unknown }> =>
      page.evaluate(async () => {
        const { kernels } = (await hermit.models.load('one', { threads: 1 })) as LoadedModel;
        await hermit.models.unload();
        return { kernels };
      });
    const { kernels } = await load();
    expect(kernels).toMatchObject({ variant: 'relaxed', failures: [], remembered: true });
  });

  it('stops a load by its signal, and loads afterwards', async () => {
    const stopLoading = (id: string): Promise<unknown> => {
      const controller = new AbortController();
      const loading = hermit.models.load(id, { signal: controller.signal });
      controller.abort();
      return loading;
    };
    const failure = await failureOf(page, stopLoading, 'one');
    expect(failure.code).toBe('aborted');
    const { backend } = await page.evaluate(() => hermit.models.load('one'));
    expect(backend).toContain('WASM');
  });

  it('reports the device and the loaded model as JSON', async () => {
    const { json, report } = await page.evaluate(async () => {
      const given = await hermit.device.report();
      return { json: JSON.stringify(given), report: given };
    });
    expect(JSON.parse(json)).toEqual(report);
    expect(report).toMatchObject({ crossOriginIsolated: true, model: { id: 'one' } });
    expect(report.cores).toBeGreaterThan(0);
  });
});

describe('failures in the workers', () => {
  const install = (url: string): Promise<unknown> => hermit.models.install(url);

  it('of the store keep class, code and details', async () => {
    const failure = await failureOf(page, install, server.url('/page.gguf'));
    expect(failure).toMatchObject({ name: 'AppError', code: 'download/not-a-model' });
    expect(failure.message).toMatch(/\.$/);
    await page.evaluate(() => hermit.models.remove('page'));
  });

  it('of the sandbox keep the field and its place in the file', async () => {
    const failure = await failureOf(page, install, server.url('/strange.gguf'));
    expect(failure).toMatchObject({
      name: 'ModelFileError',
      code: 'model-file/unsupported-architecture',
      details: { field: 'general.architecture' },
    });
    await page.evaluate(() => hermit.models.remove('strange'));
  });

  it('of the engine keep code and details, and the next request works', async () => {
    await page.evaluate(() => hermit.models.load('one', { contextLength: 300 }));
    const tooLong = (count: number): Promise<unknown> =>
      hermit.completions.create({ prompt: Array.from({ length: count }, () => 5) });
    expect(await failureOf(page, tooLong, 301)).toMatchObject({
      name: 'AppError',
      code: 'engine/context-overflow',
      details: { tokens: 301, capacity: 300 },
    });
    const { usage } = await page.evaluate(() =>
      hermit.completions.create({ prompt: [1, 5], max_tokens: 2 }),
    );
    expect(usage?.completion_tokens).toBe(2);
  });

  it('of a model that is not there leave the loaded one alone', async () => {
    const load = (id: string): Promise<unknown> => hermit.models.load(id);
    const ask = (model: string): Promise<unknown> =>
      hermit.chat.completions.create({ model, messages: [{ role: 'user', content: 'x' }] });
    for (const call of [load, ask]) {
      expect(await failureOf(page, call, 'gone')).toMatchObject({
        code: 'store/not-found',
        details: { id: 'gone' },
      });
    }
    expect((await page.evaluate(() => hermit.device.report())).model?.id).toBe('one');
  });

  it('of arguments name the field', async () => {
    const calls: [string, (argument: never) => Promise<unknown>, unknown][] = [
      ['request', (source) => hermit.models.install(source), 7],
      ['url', (source) => hermit.models.install(source), {}],
      ['precision', (options) => hermit.models.load('one', options), { precision: 5 }],
      ['contextLength', (options) => hermit.models.load('one', options), { contextLength: 0 }],
      ['backend', (options) => hermit.models.load('one', options), { backend: 'cloud' }],
      ['text', (text) => hermit.tokenize('one', text), 5],
      ['ids', (ids) => hermit.detokenize('one', ids), [1.5]],
      ['model', (id) => hermit.tokenize(id, 'x'), 5],
    ];
    for (const [field, call, argument] of calls) {
      const failure = await failureOf(page, call, argument as never);
      expect(failure).toMatchObject({ code: 'invalid-argument', details: { field } });
      expect(failure.message).toContain(`"${field}"`);
    }
  });
});

describe('tokens', () => {
  it('outside the vocabulary are refused', async () => {
    const decode = (ids: number[]): Promise<unknown> => hermit.detokenize('one', ids);
    expect(await failureOf(page, decode, [1_000_000])).toMatchObject({ code: 'invalid-argument' });
    const complete = (prompt: number[]): Promise<unknown> => hermit.completions.create({ prompt });
    expect(await failureOf(page, complete, [1, 1_000_000])).toMatchObject({
      code: 'invalid-argument',
    });
  });
});

describe('hermit.models.remove', () => {
  it('gives up the loaded model and its space, and reported nothing', async () => {
    await page.evaluate(async () => {
      await hermit.models.load('two');
      await hermit.models.remove('two');
    });
    const list = await page.evaluate(() => hermit.models.list());
    expect(list.map(({ id }) => id)).toEqual(['one']);
    expect((await page.evaluate(() => hermit.device.report())).model).toBeNull();
    expect(api.log.uncaught).toEqual([]);
    expect(api.log.policyViolations).toEqual([]);
  });
});
