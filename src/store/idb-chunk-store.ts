/**
 * Blocks as Blobs in IndexedDB, one database for each content.
 *
 * Why Blobs: the browser streams them to a file of their own; an ArrayBuffer record is copied several
 * times through memory. Why a database each: a block that was half written when the browser was
 * killed stays on disk and counts as usage until its database is deleted.
 */
import { type DBSchema, deleteDB } from 'idb';
import { delay } from '../common/abort.ts';
import { MEBIBYTE } from '../common/bytes.ts';
import { AppError } from '../common/errors.ts';
import { BlobHandles, encourageCollection } from './blob-handles.ts';
import { readBlob } from './blob-reader.ts';
import type { ChunkStore } from './chunk-store.ts';
import { Database } from './database.ts';
import { errorName, missingBlock, toBlockReadError, toStoreError } from './store-errors.ts';

interface BlockSchema extends DBSchema {
  blocks: { key: number; value: Blob | ArrayBuffer };
}

export interface IdbChunkStoreOptions {
  /** Start of the database names; what follows is the content's id. */
  readonly namePrefix?: string;
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/**
 * Waits before writing a Blob again, in milliseconds. In its first three seconds Chromium holds all
 * live Blobs in about 500 MB and fails beyond that; later it does not.
 */
const blobRetryDelaysMs = [250, 1000, 2000] as const;

/** What browsers throw when a Blob cannot be written (Chromium; WebKit in ephemeral sessions). */
const blobErrorNames = new Set(['UnknownError', 'NotReadableError', 'DataError', 'DataCloneError']);

/** Bytes in Blobs that are written before a garbage collection is brought about. */
const collectEveryBytes = 16 * MEBIBYTE;

export class IdbChunkStore implements ChunkStore {
  readonly kind = 'indexeddb';
  readonly #prefix: string;
  readonly #sleep: (milliseconds: number) => Promise<void>;
  readonly #databases = new Map<string, Database<BlockSchema>>();
  /** Of each content. */
  readonly #blobsRead = new Map<string, BlobHandles>();
  #bytesSinceCollection = 0;
  /** Set once Blobs failed where a buffer succeeded: no more waiting for the rest of the session. */
  #blobsFail = false;

  constructor(options: IdbChunkStoreOptions = {}) {
    this.#prefix = options.namePrefix ?? 'hermit-model-bytes-';
    this.#sleep = options.sleep ?? delay;
  }

  async put(contentId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      if (!this.#blobsFail && (await this.#putBlob(contentId, index, bytes))) return;
      const copy = bytes.slice().buffer;
      await this.#write(contentId, index, copy);
      this.#blobsFail = true;
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async get(
    contentId: string,
    index: number,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const record = await this.#record(contentId, index);
      if (!(record instanceof Blob)) return new Uint8Array(record);
      this.#noteRead(contentId, record);
      return await readBlob(record, spare);
    } catch (error) {
      throw toBlockReadError(error);
    }
  }

  async blob(contentId: string, index: number): Promise<Blob> {
    try {
      const record = await this.#record(contentId, index);
      return record instanceof Blob ? record : new Blob([record]);
    } catch (error) {
      throw toBlockReadError(error);
    }
  }

  async #record(contentId: string, index: number): Promise<Blob | ArrayBuffer> {
    const record = await this.#database(contentId).run((database) => database.get('blocks', index));
    if (record === undefined) throw missingBlock(contentId, index);
    return record;
  }

  async delete(contentId: string, index: number): Promise<void> {
    await this.#change(contentId, (database) =>
      database.delete('blocks', index).then(() => undefined),
    );
  }

  async list(contentId: string): Promise<number[]> {
    try {
      return await this.#database(contentId).run((database) => database.getAllKeys('blocks'));
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async removeContent(contentId: string): Promise<void> {
    this.#databases.get(contentId)?.close();
    this.#databases.delete(contentId);
    try {
      await deleteDB(this.#prefix + contentId);
    } catch (error) {
      throw toStoreError(error);
    }
    await this.release(contentId);
  }

  /** A stored Blob's file is only deleted when the last handle to it is gone: see `BlobHandles`. */
  async release(contentId: string): Promise<void> {
    const handles = this.#blobsRead.get(contentId);
    this.#blobsRead.delete(contentId);
    await handles?.letGo();
  }

  async contents(): Promise<string[]> {
    try {
      const databases = await indexedDB.databases();
      return databases
        .map((database) => database.name ?? '')
        .filter((name) => name.startsWith(this.#prefix))
        .map((name) => name.slice(this.#prefix.length));
    } catch (error) {
      throw toStoreError(error);
    }
  }

  close(): void {
    for (const database of this.#databases.values()) database.close();
    this.#databases.clear();
  }

  #noteRead(contentId: string, blob: Blob): void {
    const handles = this.#blobsRead.get(contentId) ?? new BlobHandles(this.#sleep);
    this.#blobsRead.set(contentId, handles);
    handles.add(blob);
  }

  #database(contentId: string): Database<BlockSchema> {
    let database = this.#databases.get(contentId);
    if (database === undefined) {
      database = new Database<BlockSchema>({
        name: this.#prefix + contentId,
        version: 1,
        upgrade: (fresh) => {
          fresh.createObjectStore('blocks');
        },
        reopenAfterDelete: true,
        sleep: this.#sleep,
      });
      this.#databases.set(contentId, database);
    }
    return database;
  }

  /** Whether the block was written as a Blob; throws what has nothing to do with Blobs. */
  async #putBlob(
    contentId: string,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    this.#bytesSinceCollection += bytes.byteLength;
    if (this.#bytesSinceCollection >= collectEveryBytes) {
      this.#bytesSinceCollection = 0;
      await encourageCollection(this.#sleep);
    }
    for (let attempt = 0; ; attempt++) {
      try {
        const blob = new Blob([bytes]);
        if (blob.size !== bytes.byteLength) {
          throw new AppError('store/unavailable', 'The browser made a part of the wrong length.');
        }
        await this.#write(contentId, index, blob);
        return true;
      } catch (error) {
        if (!blobErrorNames.has(errorName(error))) throw error;
        const wait = blobRetryDelaysMs[attempt];
        if (wait === undefined) return false;
        await this.#sleep(wait);
      }
    }
  }

  async #write(contentId: string, index: number, value: Blob | ArrayBuffer): Promise<void> {
    await this.#database(contentId).run(async (database) => {
      const transaction = database.transaction('blocks', 'readwrite', { durability: 'strict' });
      const put = transaction.store.put(value, index);
      // The browser goes on by itself, even while this thread is busy hashing.
      transaction.commit();
      // The put may succeed and the commit still fail, so both are awaited together.
      await Promise.all([put, transaction.done]);
    });
  }

  async #change(
    contentId: string,
    work: Parameters<Database<BlockSchema>['run']>[0],
  ): Promise<void> {
    try {
      await this.#database(contentId).run(work);
    } catch (error) {
      throw toStoreError(error);
    }
  }
}
