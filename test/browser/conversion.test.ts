/** Making one file of a model's folder in safetensors, by hand, in the built page. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { fixtureModel, folderFiles } from '../fixtures/safetensors-folder.ts';
import { fixtureModels } from '../fixtures/shared-models.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';

describe.skipIf(fixtureModels === null)('a folder of safetensors', () => {
  const temporary = mkdtempSync(path.join(tmpdir(), 'hermit-folder-'));
  const folder = path.join(temporary, 'Tiny');
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    mkdirSync(folder);
    for (const { name, bytes } of await folderFiles(await fixtureModel('llama.F32'))) {
      writeFileSync(path.join(folder, name), bytes);
    }
    browser = await launchBrowser();
    ({ page } = await browser.openPage(inject('baseUrl')));
    await page.goto(`${inject('baseUrl')}/#/models`);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(temporary, { recursive: true });
  });

  it('becomes a model that computes', async () => {
    await page.getByRole('button', { name: 'From a folder' }).waitFor();
    await page.locator('#folder').setInputFiles(folder);
    await page.getByRole('heading', { name: 'Tiny', exact: true }).waitFor();
    const text = await page.evaluate(async () => {
      const [model] = await hermit.models.list();
      const answer = await hermit.completions.create({
        model: model?.id ?? '',
        prompt: 'Once upon a time',
        max_tokens: 4,
      });
      return answer.choices[0]?.text ?? '';
    });
    expect(text.length).toBeGreaterThan(0);
  });

  it('says which file a folder lacks', async () => {
    rmSync(path.join(folder, 'tokenizer.json'));
    await page.locator('#folder').setInputFiles(folder);
    const told = page.getByText('The file tokenizer.json is missing').first();
    await told.waitFor();
    expect(await told.textContent()).toContain('Choose the whole folder of the model');
  });
});
