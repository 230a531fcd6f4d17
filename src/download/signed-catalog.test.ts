import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { signCatalog } from '../../scripts/sign-catalog.mjs';
import { hasCode } from '../common/errors.ts';
import { parseCatalog } from './catalog.ts';
import { catalogKeys, readSignedCatalog } from './signed-catalog.ts';

const bundled = readFileSync(new URL('../../public/catalog.json', import.meta.url), 'utf8');
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const keys = [publicKey.export({ format: 'jwk' }).x ?? ''];
const issued = '2026-11-25T10:00:00.000Z';
const file = signCatalog(bundled, pem, issued);
const invalid = (error: unknown): boolean => hasCode(error, 'catalog/invalid');

describe('a signed catalogue', () => {
  it('is read where its key is known', async () => {
    expect(await readSignedCatalog(file, ['AAAA', ...keys])).toEqual({
      issuedAt: Date.parse(issued),
      catalog: parseCatalog(JSON.parse(bundled)),
    });
  });

  it('is refused where its key is not', async () => {
    await expect(readSignedCatalog(file)).rejects.toSatisfy(invalid);
    expect(catalogKeys.every((key) => /^[\w-]{43}$/u.test(key))).toBe(true);
  });

  it.each([
    ['a changed catalogue', (text: string) => text.replace('SmolLM2', 'SmolLM3')],
    ['another date', (text: string) => text.replace('2026-11-25T10', '2027-11-25T10')],
    ['half a file', (text: string) => text.slice(0, text.length / 2)],
    [
      'another signature',
      (text: string) => text.replace(/"signature": "..../u, '"signature": "AAAA'),
    ],
    ['no signature', (text: string) => text.replace('"signature"', '"sign"')],
    ['a future format', (text: string) => text.replace('"version": 1', '"version": 2')],
    ['a bare catalogue', () => bundled],
  ])('with %s is refused', async (_, change) => {
    const changed = change(file);
    expect(changed).not.toBe(file);
    await expect(readSignedCatalog(changed, keys)).rejects.toSatisfy(invalid);
  });

  it('that is signed and unsound is refused', async () => {
    const unsound = signCatalog(bundled.replace('"version": 1', '"version": 7'), pem, issued);
    await expect(readSignedCatalog(unsound, keys)).rejects.toSatisfy(invalid);
    const undated = signCatalog(bundled, pem, 'yesterday');
    await expect(readSignedCatalog(undated, keys)).rejects.toSatisfy(invalid);
  });
});
