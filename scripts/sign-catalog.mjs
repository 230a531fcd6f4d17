/**
 * Signs a catalogue, so that installed copies of Hermit take it in the place of theirs:
 *
 *     node scripts/sign-catalog.mjs KEY.pem public/catalog.json > catalog.signed.json
 *     node scripts/sign-catalog.mjs --new-key KEY.pem      makes a key and prints its public half
 *
 * KEY.pem is an Ed25519 private key (PKCS #8). It stays with who publishes catalogues; its public half
 * is in `src/download/signed-catalog.ts`.
 */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @param {string} catalog The catalogue as text.
 * @param {string} key PEM.
 * @param {string} issued ISO 8601.
 */
export function signCatalog(catalog, key, issued) {
  const signed = Buffer.from(`hermit-catalog-1\n${issued}\n${catalog}`);
  const signature = sign(null, signed, createPrivateKey(key)).toString('base64');
  return JSON.stringify({ version: 1, issued, catalog, signature }, null, 1);
}

/** @param {readonly string[]} args */
function main([first, second]) {
  if (first === undefined || second === undefined) {
    console.error('node scripts/sign-catalog.mjs KEY.pem CATALOG.json');
    process.exitCode = 1;
  } else if (first === '--new-key') {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(second, pem, { mode: 0o600, flag: 'wx' });
    console.log(publicKey.export({ format: 'jwk' }).x);
  } else {
    const issued = new Date().toISOString();
    console.log(signCatalog(readFileSync(second, 'utf8'), readFileSync(first, 'utf8'), issued));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
