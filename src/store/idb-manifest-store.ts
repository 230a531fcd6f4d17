/** The manifest in IndexedDB, every change in one strict transaction. */
import type { DBSchema } from 'idb';
import type { Observable } from '../common/observable.ts';
import { Database, type DatabaseStatus } from './database.ts';
import type { ManifestStore } from './manifest-store.ts';
import type { ContentRecord, ManifestTables, ModelRecord } from './manifest.ts';
import { toStoreError } from './store-errors.ts';

export const manifestDatabaseName = 'hermit-models';

interface ManifestSchema extends DBSchema {
  models: { key: string; value: ModelRecord };
  contents: { key: string; value: ContentRecord };
}

export interface IdbManifestStoreOptions {
  readonly name?: string;
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

export class IdbManifestStore implements ManifestStore {
  readonly #database: Database<ManifestSchema>;

  constructor(options: IdbManifestStoreOptions = {}) {
    this.#database = new Database<ManifestSchema>({
      name: options.name ?? manifestDatabaseName,
      version: 1,
      upgrade: (database) => {
        database.createObjectStore('models', { keyPath: 'id' });
        database.createObjectStore('contents', { keyPath: 'id' });
      },
      ...(options.sleep === undefined ? {} : { sleep: options.sleep }),
    });
  }

  /** Tells of other tabs that block or close the database. */
  get status(): Observable<DatabaseStatus> {
    return this.#database.status;
  }

  async read(): Promise<ManifestTables> {
    try {
      return await this.#database.run(async (database) => {
        const transaction = database.transaction(['models', 'contents'], 'readonly');
        const [models, contents] = await Promise.all([
          transaction.objectStore('models').getAll(),
          transaction.objectStore('contents').getAll(),
          transaction.done,
        ]);
        return { models: byId(models), contents: byId(contents) };
      });
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async change<T>(edit: (tables: ManifestTables) => T): Promise<T> {
    // What `edit` throws is the caller's own error and must come out unchanged.
    let thrownByEdit: { readonly error: unknown } | null = null;
    try {
      return await this.#database.run(async (database) => {
        const transaction = database.transaction(['models', 'contents'], 'readwrite', {
          durability: 'strict',
        });
        const committed = transaction.done;
        // Handled here, for the case that something else throws before it is awaited below.
        committed.catch(() => undefined);
        const models = transaction.objectStore('models');
        const contents = transaction.objectStore('contents');
        const [storedModels, storedContents] = await Promise.all([
          models.getAll(),
          contents.getAll(),
        ]);
        const before = { models: byId(storedModels), contents: byId(storedContents) };
        const after = { models: new Map(before.models), contents: new Map(before.contents) };
        let result: T;
        try {
          result = edit(after);
        } catch (error) {
          thrownByEdit = { error };
          transaction.abort();
          throw error;
        }
        await Promise.all([
          ...writeDifference(before.models, after.models, models),
          ...writeDifference(before.contents, after.contents, contents),
          committed,
        ]);
        return result;
      });
    } catch (error) {
      if (thrownByEdit !== null) throw (thrownByEdit as { readonly error: unknown }).error;
      throw toStoreError(error);
    }
  }

  close(): void {
    this.#database.close();
  }
}

function byId<T extends { readonly id: string }>(records: readonly T[]): Map<string, T> {
  return new Map(records.map((record) => [record.id, record]));
}

interface Writable<T> {
  put(record: T): Promise<unknown>;
  delete(id: string): Promise<unknown>;
}

function writeDifference<T>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  store: Writable<T>,
): Promise<unknown>[] {
  const writes: Promise<unknown>[] = [];
  for (const [id, record] of after) {
    if (before.get(id) !== record) writes.push(store.put(record));
  }
  for (const id of before.keys()) {
    if (!after.has(id)) writes.push(store.delete(id));
  }
  return writes;
}
