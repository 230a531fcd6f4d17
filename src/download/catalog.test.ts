import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../common/errors.ts';
import { parseCatalog, parseCatalogEntry } from './catalog.ts';

const entry = {
  id: 'tiny',
  name: 'Tiny',
  description: { en: 'Small.', 'zh-Hans': '小。' },
  repository: 'owner/tiny-GGUF',
  revision: 'a'.repeat(40),
  file: 'folder/tiny.Q8_0.gguf',
  bytes: 1000,
  approximateBytes: 1000,
  sha256: 'b'.repeat(64),
  architecture: 'llama',
  parameters: '1.1B',
  quantization: 'Q8_0',
  contextLength: 2048,
  dialect: { chat: 'chatml', tools: null },
  licence: {
    spdx: 'MIT',
    name: 'MIT License',
    url: 'https://example.org/mit',
    gated: false,
    useLimits: null,
  },
  languages: ['en', 'zh-Hans'],
  memoryBytes: 2000,
  verified: true,
};

/** What parsing `value` complains about. */
function pathOf(value: unknown): unknown {
  try {
    parseCatalog(value);
  } catch (error) {
    if (hasCode(error, 'catalog/invalid')) return error.details['path'];
    throw error;
  }
  return null;
}

const catalogOf = (change: object): unknown => ({ version: 1, models: [{ ...entry, ...change }] });

describe('catalogue', () => {
  test('the one that is shipped is valid, and claims nothing unverified', async () => {
    const text = await readFile(new URL('../../public/catalog.json', import.meta.url), 'utf8');
    const { models } = parseCatalog(JSON.parse(text));
    expect(models.length).toBeGreaterThanOrEqual(8);
    for (const model of models) {
      // These are what the engine can load.
      expect(model.architecture).toBe('llama');
      expect(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1']).toContain(
        model.quantization,
      );
      if (!model.verified) expect(model.sha256).toBeNull();
    }
  });

  test('a complete entry is read as it is', () => {
    expect(parseCatalogEntry(entry)).toEqual(entry);
  });

  test.each([
    [{ id: 'Not An Id' }, 'models[0].id'],
    [{ id: undefined }, 'models[0].id'],
    [{ revision: 'main' }, 'models[0].revision'],
    [{ file: '../secret.gguf' }, 'models[0].file'],
    [{ file: '/absolute.gguf' }, 'models[0].file'],
    [{ file: 'model.bin' }, 'models[0].file'],
    [{ bytes: 1.5 }, 'models[0].bytes'],
    [{ bytes: 0 }, 'models[0].bytes'],
    [{ approximateBytes: null }, 'models[0].approximateBytes'],
    [{ sha256: 'B'.repeat(64) }, 'models[0].sha256'],
    [{ languages: ['en', 'x'] }, 'models[0].languages[1]'],
    [{ description: { en: 'Small.' } }, 'models[0].description.zh-Hans'],
    [{ licence: { ...entry.licence, url: 'http://example.org' } }, 'models[0].licence.url'],
    [{ licence: { ...entry.licence, gated: 'no' } }, 'models[0].licence.gated'],
    [{ licence: { ...entry.licence, useLimits: 'none' } }, 'models[0].licence.useLimits'],
    [
      { licence: { ...entry.licence, useLimits: { en: 'x' } } },
      'models[0].licence.useLimits.zh-Hans',
    ],
    [{ dialect: { chat: 'ChatML', tools: null } }, 'models[0].dialect.chat'],
    [{ dialect: { chat: null } }, 'models[0].dialect.tools'],
    [{ extra: 1 }, 'models[0].extra'],
    [{ sha256: null }, 'models[0].verified'],
    [{ name: 'two\nlines' }, 'models[0].name'],
  ])('names the path of what is wrong: %j', (change, path) => {
    expect(pathOf(catalogOf(change))).toBe(path);
  });

  test('refuses other versions, other shapes and ids that are there twice', () => {
    expect(pathOf({ version: 2, models: [] })).toBe('version');
    expect(pathOf([])).toBe('catalogue');
    expect(pathOf({ version: 1, models: {} })).toBe('models');
    expect(pathOf({ version: 1, models: [entry, entry] })).toBe('models[1].id');
  });

  test('unknown facts are null and then the entry is not verified', () => {
    const unknown = { revision: null, bytes: null, sha256: null, memoryBytes: null };
    const parsed = parseCatalogEntry({ ...entry, ...unknown, verified: false });
    expect(parsed.sha256).toBeNull();
  });
});
