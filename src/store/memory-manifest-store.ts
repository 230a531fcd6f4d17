import type { ManifestStore } from './manifest-store.ts';
import type { ManifestTables } from './manifest.ts';

/** The manifest where the browser forbids storage: it lives as long as this object. */
export class MemoryManifestStore implements ManifestStore {
  #tables: ManifestTables = { models: new Map(), contents: new Map() };

  read(): Promise<ManifestTables> {
    return Promise.resolve(copyOf(this.#tables));
  }

  async change<T>(edit: (tables: ManifestTables) => T): Promise<T> {
    // A turn of the queue, so that callers meet the same order as with a real database.
    await Promise.resolve();
    const next = copyOf(this.#tables);
    const result = edit(next);
    this.#tables = next;
    return result;
  }

  close(): void {
    // Nothing is held.
  }
}

function copyOf(tables: ManifestTables): ManifestTables {
  return { models: new Map(tables.models), contents: new Map(tables.contents) };
}
