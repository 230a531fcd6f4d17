/** Making a smaller model, by hand and by script, and saving models as files, in the built page. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import { failureOf, modelShape } from './page-api-harness.ts';
import { Person } from './person.ts';

/** Rows of whole super-blocks, and several blocks of the store. */
const bytes = syntheticLlama({ ...modelShape, feedForward: 1024, layers: 6 });

let server: ModelServer;
let browser: TestBrowser;
let page: Page;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
  server.serve('/one-Q8_0.gguf', { bytes });
  browser = await launchBrowser();
  ({ page } = await browser.openPage(inject('baseUrl')));
  await page.waitForFunction(() => 'hermit' in globalThis);
  person = new Person(page, server, inject('baseUrl'));
  await page.evaluate((url) => hermit.models.install(url), server.url('/one-Q8_0.gguf'));
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

async function savedFile(id: string): Promise<Uint8Array> {
  const download = page.waitForEvent('download');
  await page.evaluate(async (model) => {
    const [file] = await hermit.models.exportFiles(model);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file ?? new Blob());
    link.download = 'model.gguf';
    link.click();
  }, id);
  return new Uint8Array(readFileSync(await (await download).path()));
}

describe('hermit.models.quantise', () => {
  it('makes a smaller model that answers, and tells the error of every tensor', async () => {
    const result = await page.evaluate(async () => {
      const phases: string[] = [];
      const made = await hermit.models.quantise('one-q8_0', {
        recipe: 'Q4_K_M',
        onProgress: ({ phase }) => phases.push(phase),
      });
      const answer = await hermit.completions.create({
        model: made.id,
        prompt: 'word300 word301',
        max_tokens: 5,
      });
      return { made, phases: [...new Set(phases)], text: answer.choices[0]?.text ?? '' };
    });
    expect(result.made.id).toBe('one-q4_k_m');
    expect(result.phases).toEqual(['measuring', 'writing']);
    expect(result.text.length).toBeGreaterThan(0);
    expect(result.made.report.sizeBytes).toBeLessThan(0.65 * bytes.length);
    const { tensors } = result.made.report;
    expect(tensors.every(({ error }) => error > 0 && error < 0.1)).toBe(true);
    const types = new Set(tensors.map(({ to }) => to));
    expect([...types].sort()).toEqual(['Q4_K', 'Q6_K']);
  });

  it('writes a file that other readers understand', async () => {
    const file = await savedFile('one-q4_k_m');
    const header = await readGguf(new BufferByteSource(file));
    expect(header.metadata.getString('hermit.quantise.recipe')).toBe('Q4_K_M');
    expect(header.metadata.getUnsigned('general.file_type')).toBe(15);
    expect(header.tensors.get('blk.0.attn_k.weight')?.type).toBe('Q4_K');
    expect(header.sizeBytes).toBe(file.length);
  });

  it('gives an installed model back as it was', async () => {
    const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
    expect(hash(await savedFile('one-q8_0'))).toBe(hash(bytes));
  });

  it('stops by its signal and leaves nothing behind', async () => {
    const failure = await failureOf(
      page,
      async (recipe) => {
        const controller = new AbortController();
        await hermit.models.quantise('one-q8_0', {
          recipe,
          signal: controller.signal,
          onProgress: ({ phase }) => {
            if (phase === 'writing') controller.abort();
          },
        });
      },
      { bitsPerWeight: 6 },
    );
    expect(failure.code).toBe('aborted');
    await expect
      .poll(() => page.evaluate(async () => (await hermit.models.list()).map(({ id }) => id)))
      .toEqual(['one-q4_k_m', 'one-q8_0']);
  });

  it('refuses recipes there are not', async () => {
    const call = (recipe: string): Promise<unknown> =>
      hermit.models.quantise('one-q8_0', { recipe: recipe as 'Q4_0' });
    expect((await failureOf(page, call, 'Q17')).code).toBe('invalid-argument');
  });
});

describe('a person', () => {
  it('makes a smaller model from the row of a model, watches, and uses it', async () => {
    await page.goto(`${inject('baseUrl')}/#/models`);
    const row = person.row('one-Q8_0');
    await row.getByRole('button', { name: 'Options for “one-Q8_0”' }).click();
    await row.getByRole('button', { name: 'Make a smaller version…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Recommended').waitFor();
    await dialog.getByText('This version was rounded before').waitFor();
    await dialog.getByLabel('Compact and simple (Q4_0)').check();
    await dialog.getByRole('button', { name: 'Make it' }).click();
    const made = person.row('one Q4_0');
    await made.getByRole('button', { name: 'Use', exact: true }).click();
    await made.getByText('In use').waitFor();
    expect(await made.getByText('made here from “one-Q8_0”, Q4_0').count()).toBe(1);
  });

  it('saves a model as a file', async () => {
    const row = person.row('one Q4_0');
    await row.getByRole('button', { name: 'Options for “one Q4_0”' }).click();
    const download = page.waitForEvent('download');
    await row.getByRole('button', { name: 'Save as a file' }).click();
    expect((await download).suggestedFilename()).toBe('one-Q4_0.gguf');
  });

  it('is told that a small model cannot become smaller', async () => {
    const row = person.row('one Q4_0');
    await row.getByRole('button', { name: 'Options for “one Q4_0”' }).click();
    await row.getByRole('button', { name: 'Make a smaller version…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('This model is small already').waitFor();
    expect(await dialog.getByRole('button', { name: 'Make it' }).isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
  });
});
