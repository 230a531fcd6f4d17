import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { signCatalog } from '../../scripts/sign-catalog.mjs';
import { memoryStorage } from '../../test/fixtures/memory-storage.ts';
import { hasCode } from '../common/errors.ts';
import { readSignedCatalog } from '../download/signed-catalog.ts';
import { CatalogUpdates } from './catalog-updates.ts';

const bundled = readFileSync(new URL('../../public/catalog.json', import.meta.url), 'utf8');
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const keys = [publicKey.export({ format: 'jwk' }).x ?? ''];
const read = (text: string) => readSignedCatalog(text, keys);
const issuedIn = (year: number, text = bundled): string =>
  signCatalog(text, pem, `${year}-01-01T00:00:00.000Z`);
const renamed = bundled.replace('SmolLM2 360M Instruct', 'A new name');
const invalid = (error: unknown): boolean => hasCode(error, 'catalog/invalid');

it('a signed catalogue stays in use until a newer one comes or Hermit does', async () => {
  const storage = memoryStorage();
  const open = (version = '1'): CatalogUpdates => new CatalogUpdates(storage, version, read);
  expect(await open().current()).toBeNull();
  await open().take(issuedIn(2027, renamed));
  expect((await open().current())?.models[0]?.name).toBe('A new name');
  await expect(open().take(issuedIn(2026))).rejects.toSatisfy(invalid);
  expect((await open().current())?.models[0]?.name).toBe('A new name');
  expect(await open('2').current()).toBeNull();
  await open().take(issuedIn(2028));
  expect((await open().current())?.models[0]?.name).toBe('SmolLM2 360M Instruct');
});

it('what is not signed changes nothing, also where somebody put it into storage', async () => {
  const storage = memoryStorage();
  const updates = new CatalogUpdates(storage, '1', read);
  await updates.take(issuedIn(2027));
  const forged = issuedIn(2028).replace('SmolLM2', 'SmolLM3');
  await expect(updates.take(forged)).rejects.toSatisfy(invalid);
  expect((await updates.current())?.models[0]?.name).toBe('SmolLM2 360M Instruct');
  storage.setItem('hermit.catalog-update', JSON.stringify({ version: '1', text: forged }));
  expect(await updates.current()).toBeNull();
});
