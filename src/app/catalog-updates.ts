/**
 * The catalogue that a person put in the place of the bundled one. It is verified again whenever it is
 * read, and given up with the version of Hermit it was given to, which the next brings a newer one.
 */
import { AppError } from '../common/errors.ts';
import type { Catalog } from '../download/catalog.ts';
import { readSignedCatalog, type SignedCatalog } from '../download/signed-catalog.ts';
import type { KeyValueStorage } from './settings.ts';

const KEY = 'hermit.catalog-update';

export class CatalogUpdates {
  readonly #storage: KeyValueStorage | null;
  readonly #version: string;
  readonly #read: typeof readSignedCatalog;

  constructor(
    storage: KeyValueStorage | null,
    version: string,
    read: typeof readSignedCatalog = readSignedCatalog,
  ) {
    this.#storage = storage;
    this.#version = version;
    this.#read = read;
  }

  /** The catalogue to use; null for the bundled one. */
  async current(): Promise<Catalog | null> {
    return (await this.#stored())?.catalog ?? null;
  }

  /** Takes a signed catalogue. @throws AppError `catalog/invalid`; then the one before stays */
  async take(text: string): Promise<Catalog> {
    const given = await this.#read(text);
    const before = await this.#stored();
    if (before !== null && given.issuedAt < before.issuedAt) {
      throw new AppError(
        'catalog/invalid',
        'The new catalogue is not used: it is older than the one in use.',
        { details: { reason: 'it is older than the one in use' } },
      );
    }
    try {
      this.#storage?.setItem(KEY, JSON.stringify({ version: this.#version, text }));
    } catch {
      // A full or blocked localStorage: it is in use until the page is closed.
    }
    return given.catalog;
  }

  async #stored(): Promise<SignedCatalog | null> {
    try {
      const stored: unknown = JSON.parse(this.#storage?.getItem(KEY) ?? 'null');
      if (typeof stored !== 'object' || stored === null) return null;
      const { version, text } = stored as Readonly<Record<string, unknown>>;
      if (version !== this.#version || typeof text !== 'string') return null;
      return await this.#read(text);
    } catch {
      // Blocked storage, or what somebody else wrote there: the bundled catalogue is as good.
      return null;
    }
  }
}
