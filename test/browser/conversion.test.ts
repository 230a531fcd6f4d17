/**
 * Making one file of a model's folder in safetensors, by hand, in the built page; and a repository of the
 * hub: looked for, its divided model looked into, its safetensors converted while they are read.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { fixtureModel, folderFiles } from '../fixtures/safetensors-folder.ts';
import { fixtureModels } from '../fixtures/shared-models.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { partNames, splitModel } from '../fixtures/split-model.ts';
import {
  isLocalRequest,
  launchBrowser,
  type PageLog,
  type TestBrowser,
} from './browser-harness.ts';

interface ServedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The repository `owner/tiny` as the hub tells of it. */
function serveRepository(server: ModelServer, files: readonly ServedFile[]): void {
  const commit = 'c'.repeat(40);
  const api = '/api/models/owner/tiny';
  const siblings = files.map(({ name, bytes }) => ({ rfilename: name, size: bytes.length }));
  server.serveJson('/api/models', []);
  server.serveJson(`${api}/revision/main`, { sha: commit, siblings });
  server.serveJson(`${api}/revision/${commit}`, { sha: commit, siblings });
  server.serveJson(
    `${api}/tree/${commit}`,
    files.map(({ name, bytes }) => ({ type: 'file', path: name, size: bytes.length })),
  );
  for (const { name, bytes } of files) {
    server.serve(`/owner/tiny/resolve/${commit}/${name}`, { bytes });
  }
}

describe.skipIf(fixtureModels === null)('a folder of safetensors', () => {
  const temporary = mkdtempSync(path.join(tmpdir(), 'hermit-folder-'));
  const folder = path.join(temporary, 'Tiny');
  let browser: TestBrowser;
  let page: Page;
  let log: PageLog;
  let server: ModelServer;

  beforeAll(async () => {
    mkdirSync(folder);
    for (const { name, bytes } of await folderFiles(await fixtureModel('llama.F32'))) {
      writeFileSync(path.join(folder, name), bytes);
    }
    server = await startModelServer();
    browser = await launchBrowser();
    ({ page, log } = await browser.openPage(inject('baseUrl')));
    await page.evaluate((hubUrl) => {
      localStorage.setItem('hermit.settings', JSON.stringify({ hubUrl }));
    }, server.origin);
    await page.goto(`${inject('baseUrl')}/#/models`);
    await page.reload();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
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

  it('is found in a repository, beside a divided model, and converted as it is read', async () => {
    const { bytes } = await fixtureModel('llama.Q8_0');
    const parts = await splitModel(bytes, 2);
    const gguf = partNames('tiny-Q8_0', 2).map((name, index) => ({
      name,
      bytes: parts[index] ?? new Uint8Array(0),
    }));
    serveRepository(server, [...gguf, ...(await folderFiles(await fixtureModel('llama.F32')))]);
    await page.getByLabel('Search Hugging Face').fill('owner/tiny');
    await page.getByRole('button', { name: 'Search', exact: true }).click();
    await page.getByRole('button', { name: 'owner/tiny' }).click();
    await page.getByText('2 files').waitFor();
    await page.getByRole('button', { name: 'Details of Q8_0' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('tab', { name: /Tensors/ }).click();
    await dialog.getByText('blk.0.attn_q.weight').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Download and convert owner/tiny' }).click();
    await page.getByRole('heading', { name: 'tiny', exact: true }).waitFor();
    const converted = await page.evaluate(async () => {
      const found = (await hermit.models.list()).find(({ name }) => name === 'tiny');
      const inspection = await hermit.models.inspect(found?.id ?? '');
      const again = await hermit.models.convert(
        { repository: 'owner/tiny' },
        { recipe: 'Q8_0', name: 'Small' },
      );
      return { inspection, again };
    });
    expect(converted.inspection.architecture).toBe('llama');
    expect(converted.again.id).toBe('small-q8_0');
    expect(log.policyViolations).toEqual([]);
    expect(log.requests.filter((url) => !isLocalRequest(url))).toEqual([]);
  });

  it('says which file a folder lacks', async () => {
    rmSync(path.join(folder, 'tokenizer.json'));
    await page.locator('#folder').setInputFiles(folder);
    const told = page.getByText('The file tokenizer.json is missing').first();
    await told.waitFor();
    expect(await told.textContent()).toContain('Choose the whole folder of the model');
  });
});
