/**
 * A catalogue that comes after the bundled one, from whoever holds the key to it.
 *
 * The file is JSON: `{ version: 1, issued, catalog, signature }`. `issued` is a moment (ISO 8601, UTC),
 * `catalog` the catalogue as text, `signature` an Ed25519 signature (RFC 8032, base64) of the UTF-8
 * bytes of both, made by `scripts/sign-catalog.mjs`. The text is signed as it stands, so that nothing
 * depends on how JSON is written. An older catalogue never takes the place of a newer one.
 */
import { AppError } from '../common/errors.ts';
import { type Catalog, parseCatalog } from './catalog.ts';
import { isRecord } from './untrusted.ts';

/** The public keys whose catalogues are taken, base64url. A second one is here while keys change. */
export const catalogKeys: readonly string[] = ['DVdGNUr7uaPGXftoGtffqKU2OmMrv32XWOPu9U-Yapc'];

/** A catalogue is some kilobytes; far more is no catalogue. UTF-16 units. */
const maxLength = 1024 * 1024;

export interface SignedCatalog {
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly catalog: Catalog;
}

/**
 * What was signed, as text: its first line keeps a signature of something else from being taken for
 * one of a catalogue.
 */
export function signedText(issued: string, catalog: string): string {
  return `hermit-catalog-1\n${issued}\n${catalog}`;
}

/**
 * Reads such a file.
 * @throws AppError `catalog/invalid` unless one of the keys signed it and the catalogue is sound
 */
export async function readSignedCatalog(
  text: string,
  keys: readonly string[] = catalogKeys,
): Promise<SignedCatalog> {
  const { issued, catalog, signature } = parseFile(text);
  const issuedAt = Date.parse(issued);
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+Z$/u.test(issued) || Number.isNaN(issuedAt)) {
    throw refused('it does not say when it was issued');
  }
  const signed = new TextEncoder().encode(signedText(issued, catalog));
  for (const key of keys) {
    if (!(await isSignedBy(key, signature, signed))) continue;
    return { issuedAt, catalog: parseCatalog(JSON.parse(catalog)) };
  }
  throw refused('it is not signed by the makers of Hermit');
}

function parseFile(text: string): { issued: string; catalog: string; signature: string } {
  if (text.length > maxLength) throw refused('it is too large');
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw refused('it is not JSON', error);
  }
  if (!isRecord(file) || file['version'] !== 1) throw refused('it is no signed catalogue');
  const { issued, catalog, signature } = file;
  if (typeof issued !== 'string' || typeof catalog !== 'string' || typeof signature !== 'string') {
    throw refused('it is no signed catalogue');
  }
  return { issued, catalog, signature };
}

async function isSignedBy(
  key: string,
  signature: string,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: key };
    const imported = await crypto.subtle.importKey('jwk', jwk, 'Ed25519', false, ['verify']);
    const bytes = Uint8Array.from(atob(signature), (char) => char.charCodeAt(0));
    return await crypto.subtle.verify('Ed25519', imported, bytes, signed);
  } catch {
    // No base64, no such algorithm in this browser: whatever cannot be verified is not signed.
    return false;
  }
}

function refused(reason: string, cause?: unknown): AppError {
  return new AppError('catalog/invalid', `The new catalogue is not used: ${reason}.`, {
    details: { reason },
    cause,
  });
}
