import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readEmbedOrigins } from '../../../scripts/security-headers.mjs';
import { parseEmbedOrigins } from './embed-origins.ts';

const listed = [
  'https://site.example',
  'http://127.0.0.1:8080',
  'https://site.example/path',
  'https://*.example',
  '*',
  'null',
  "'self'; script-src *",
  'javascript:1',
  5,
];
const exact = ['https://site.example', 'http://127.0.0.1:8080'];

describe('the list of sites that may embed', () => {
  it('holds exact origins alone', () => {
    expect([...parseEmbedOrigins({ origins: listed })]).toEqual(exact);
    for (const content of [null, [], 'x', { origins: 'https://a.example' }]) {
      expect(parseEmbedOrigins(content).size).toBe(0);
    }
  });

  it('is the same in the headers of the widget', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hermit-origins-'));
    await writeFile(join(directory, 'embed-origins.json'), JSON.stringify({ origins: listed }));
    expect(await readEmbedOrigins(directory)).toEqual(exact);
    await rm(directory, { recursive: true });
    expect(await readEmbedOrigins(directory)).toEqual([]);
  });
});
