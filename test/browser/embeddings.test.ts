/**
 * Embedding models in a real Chromium on the built page: `hermit.embeddings` against the vectors of an
 * independent implementation, beside a model that answers, and what a person sees of it.
 */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';
import { normalisedError, readJson } from '../integration/reference-files.ts';
import { failureOf, openApiPage, type ApiPage } from './page-api-harness.ts';

interface EmbeddingReference {
  readonly output: { readonly file: string };
  readonly cases: readonly {
    readonly tokens: readonly number[];
    readonly embedding: { readonly offset: number; readonly size: number };
  }[];
  readonly tokenizer_cases: {
    readonly cases: readonly {
      readonly text: string;
      readonly add_special: boolean;
      readonly tokens: readonly number[];
    }[];
  };
}

const names = ['bert.F32', 'nomic-bert.F32'] as const;
const fixture = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(sharedModelPath('fixtures', 'models', name)));
const referenceOf = (name: string): EmbeddingReference =>
  readJson<EmbeddingReference>('fixtures', 'models', `${name}.reference.json`);

/** `auto` keeps these small files in float32; the reference is not scaled to length 1. */
function expectedVectors(name: string): Float32Array[] {
  const reference = referenceOf(name);
  const values = fixture(reference.output.file);
  return reference.cases.map(({ embedding: { offset, size } }) => {
    const vector = new Float32Array(values.slice(offset, offset + 4 * size).buffer);
    const length = Math.hypot(...vector);
    return vector.map((x) => x / length);
  });
}

describe.skipIf(sharedModels === null)('embeddings', () => {
  let api: ApiPage;
  let page: Page;
  const ids: string[] = [];

  beforeAll(async () => {
    api = await openApiPage();
    ({ page } = api);
    for (const name of names) api.server.serve(`/${name}.gguf`, { bytes: fixture(`${name}.gguf`) });
    const urls = ['/one.gguf', ...names.map((name) => `/${name}.gguf`)].map((path) =>
      api.server.url(path),
    );
    for (const url of urls) {
      ids.push(await page.evaluate((address) => hermit.models.install(address), url));
    }
  });
  afterAll(async () => {
    await api.close();
  });

  it('are those of the reference, while a model that answers stays loaded', async () => {
    const [chatModel = ''] = ids;
    await page.evaluate((id) => hermit.models.load(id), chatModel);
    for (const [index, name] of names.entries()) {
      const model = ids[index + 1] ?? '';
      const input = referenceOf(name).cases.map(({ tokens }) => tokens);
      const response = await page.evaluate((request) => hermit.embeddings.create(request), {
        model,
        input,
      });
      const expected = expectedVectors(name);
      expect(response.data).toHaveLength(expected.length);
      expect(response.usage.total_tokens).toBe(input.flat().length);
      for (const [row, vector] of expected.entries()) {
        const found = Float32Array.from(response.data[row]?.embedding as number[]);
        expect(normalisedError(found, vector)).toBeLessThan(1e-6);
      }
    }
    const { model } = await page.evaluate(() => hermit.device.report());
    expect(model?.id).toBe(chatModel);
    const answer = await page.evaluate(
      (id) => hermit.completions.create({ model: id, prompt: 'a', max_tokens: 2 }),
      chatModel,
    );
    expect(answer.choices[0]?.token_ids).toHaveLength(2);
  });

  it('read texts as the tokens of the reference', async () => {
    const [, model = ''] = ids;
    const cases = referenceOf(names[0]).tokenizer_cases.cases.filter(
      ({ add_special, text }) => add_special && text !== '',
    );
    expect(cases.length).toBeGreaterThan(10);
    const texts = cases.map(({ text }) => text);
    const byText = await page.evaluate(
      (request) => hermit.embeddings.create({ ...request, encoding_format: 'base64' }),
      { model, input: texts },
    );
    const byTokens = await page.evaluate(
      (request) => hermit.embeddings.create({ ...request, encoding_format: 'base64' }),
      { model, input: cases.map(({ tokens }) => tokens) },
    );
    expect(byText.data).toEqual(byTokens.data);
    expect(byText.usage).toEqual(byTokens.usage);
  });

  it('are refused with the reason', async () => {
    const [chatModel = '', model = ''] = ids;
    const create = (request: Parameters<typeof hermit.embeddings.create>[0]): Promise<unknown> =>
      hermit.embeddings.create(request);
    expect(await failureOf(page, create, { model: chatModel, input: 'a' })).toMatchObject({
      code: 'model-file/wrong-kind',
      details: { purpose: 'chat' },
    });
    const input = Array.from({ length: 257 }, () => 20);
    expect(await failureOf(page, create, { model, input })).toMatchObject({
      code: 'engine/context-overflow',
      details: { index: 0, tokens: 257, capacity: 256 },
    });
    const chat = (id: string): Promise<unknown> =>
      hermit.chat.completions.create({ model: id, messages: [{ role: 'user', content: 'a' }] });
    expect(await failureOf(page, chat, model)).toMatchObject({
      code: 'model-file/wrong-kind',
      details: { purpose: 'embedding' },
    });
  });

  it('stop by their signal', async () => {
    const [, model = ''] = ids;
    const outcome = await page.evaluate(async (id) => {
      const controller = new AbortController();
      const { signal } = controller;
      const input = Array.from({ length: 500 }, () => [5, 6, 7]);
      const working = hermit.embeddings.create({ model: id, input }, { signal });
      controller.abort();
      return working.then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      );
    }, model);
    expect(outcome).toBe('aborted');
  });

  it('are shown as what they are in the list of models, and not offered for a chat', async () => {
    await page.goto(`${new URL(page.url()).origin}/#/models`);
    const row = page.locator('hermit-model-row', { hasText: 'bert.F32' }).first();
    await row.getByText('For search, not for chat').waitFor();
    expect(await row.getByRole('button', { name: 'Use' }).count()).toBe(0);
    await page.reload();
    await row.getByText('For search, not for chat').waitFor();
    expect(api.log.uncaught).toEqual([]);
    expect(api.log.policyViolations).toEqual([]);
  });
});
