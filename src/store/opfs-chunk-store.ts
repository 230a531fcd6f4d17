/**
 * Blocks as files of the origin private file system: a folder for each content, a file for each block.
 *
 * A worker writes and reads such a file directly, so that a block passes through no other process and
 * no Blob keeps it in memory (Chromium 156, 2 GB: 3 MB more in the browser process instead of 480,
 * written five times and read six times as fast as Blobs in IndexedDB).
 *
 * A block is written beside its place, flushed, and then moved there: whoever is killed in between
 * leaves the old block or none, never a part of one.
 */
import { delay } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';
import type { ChunkStore, ContentNotes } from './chunk-store.ts';
import { errorName, missingBlock, toBlockReadError, toStoreError } from './store-errors.ts';

/** Steps that the library's types do not have yet (File System standard, `mode`: Chromium 121). */
interface BlockFile extends FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode: 'read-only' }): Promise<FileSystemSyncAccessHandle>;
  move(name: string): Promise<void>;
}

export interface OpfsChunkStoreOptions {
  /** Folder under the origin's root. */
  readonly folder?: string;
  readonly root?: () => Promise<FileSystemDirectoryHandle>;
  /** Writes one file; unless given, in this thread. */
  readonly write?: WriteFile;
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/**
 * Makes a file of these bytes, or replaces one, and resolves when they are on the disk.
 * Rejects with what the browser throws; then there is no file of this name.
 */
export type WriteFile = (
  folder: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
) => Promise<void>;

/** Waits while another thread has the file open, in milliseconds: it does so for one block only. */
const lockedDelaysMs = [5, 20, 100, 500, 1000] as const;

const noteName = 'note';

export class OpfsChunkStore implements ChunkStore {
  readonly kind = 'opfs';
  readonly notes: ContentNotes = {
    write: (contentId, bytes) => this.#put(contentId, noteName, bytes),
    read: async (contentId) => {
      try {
        const folder = await this.#content(contentId, false);
        return await readFile((await folder.getFileHandle(noteName)) as BlockFile);
      } catch {
        // Without a note nothing can be listed again, whatever keeps it from being read.
        return null;
      }
    },
  };
  readonly #folder: string;
  readonly #root: () => Promise<FileSystemDirectoryHandle>;
  readonly #writeFile: WriteFile;
  readonly #sleep: (milliseconds: number) => Promise<void>;
  readonly #contents = new Map<string, FileSystemDirectoryHandle>();

  constructor(options: OpfsChunkStoreOptions = {}) {
    this.#folder = options.folder ?? 'hermit-model-bytes';
    this.#root = options.root ?? (() => navigator.storage.getDirectory());
    this.#writeFile = options.write ?? writeFile;
    this.#sleep = options.sleep ?? delay;
  }

  put(contentId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#put(contentId, String(index), bytes);
  }

  async #put(contentId: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      await this.#unlocked(() => this.#write(contentId, name, bytes));
    } catch (error) {
      // The folder may be gone with all data of this site: the next block makes it anew.
      this.#contents.delete(contentId);
      throw toStoreError(error);
    }
  }

  get(contentId: string, index: number, spare?: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>> {
    return this.#read(contentId, index, (file) => readFile(file, spare));
  }

  blob(contentId: string, index: number): Promise<Blob> {
    return this.#read(contentId, index, (file) => file.getFile());
  }

  async delete(contentId: string, index: number): Promise<void> {
    try {
      const folder = await this.#content(contentId, false);
      await this.#unlocked(() => folder.removeEntry(String(index)));
    } catch (error) {
      if (errorName(error) !== 'NotFoundError') throw toStoreError(error);
    }
  }

  async list(contentId: string): Promise<number[]> {
    try {
      const folder = await this.#content(contentId, false);
      return (await namesIn(folder))
        .filter((name) => /^\d+$/u.test(name))
        .map(Number)
        .sort((a, b) => a - b);
    } catch (error) {
      if (errorName(error) === 'NotFoundError') return [];
      throw toStoreError(error);
    }
  }

  async removeContent(contentId: string): Promise<void> {
    try {
      // First, so that a deletion that is cut off leaves nothing that looks complete.
      const folder = await this.#content(contentId, false);
      await folder.removeEntry(noteName).catch(() => undefined);
      const all = await this.#all(false);
      await this.#unlocked(() => all.removeEntry(contentId, { recursive: true }));
    } catch (error) {
      if (errorName(error) !== 'NotFoundError') throw toStoreError(error);
    } finally {
      this.#contents.delete(contentId);
    }
  }

  /** Reads are copies, and files are closed after each. */
  release(): Promise<void> {
    return Promise.resolve();
  }

  async contents(): Promise<string[]> {
    try {
      return await namesIn(await this.#all(false));
    } catch (error) {
      if (errorName(error) === 'NotFoundError') return [];
      throw toStoreError(error);
    }
  }

  close(): void {
    this.#contents.clear();
  }

  async #all(create: boolean): Promise<FileSystemDirectoryHandle> {
    return (await this.#root()).getDirectoryHandle(this.#folder, { create });
  }

  async #content(contentId: string, create: boolean): Promise<FileSystemDirectoryHandle> {
    const known = this.#contents.get(contentId);
    if (known !== undefined) return known;
    const folder = await (await this.#all(create)).getDirectoryHandle(contentId, { create });
    this.#contents.set(contentId, folder);
    return folder;
  }

  async #read<T>(
    contentId: string,
    index: number,
    read: (file: BlockFile) => Promise<T>,
  ): Promise<T> {
    try {
      const folder = await this.#content(contentId, false);
      return await read((await folder.getFileHandle(String(index))) as BlockFile);
    } catch (error) {
      if (errorName(error) !== 'NotFoundError') throw toBlockReadError(error);
      this.#contents.delete(contentId);
      throw missingBlock(contentId, index, error);
    }
  }

  async #write(contentId: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const folder = await this.#content(contentId, true);
    const part = `${name}.part`;
    await this.#writeFile(folder, part, bytes);
    const file = (await folder.getFileHandle(part)) as BlockFile;
    await file.move(name);
  }

  /** Again after a while, as long as another thread is at the same file. */
  async #unlocked<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const wait = lockedDelaysMs[attempt];
        if (errorName(error) !== 'NoModificationAllowedError' || wait === undefined) throw error;
        await this.#sleep(wait);
      }
    }
  }
}

export const writeFile: WriteFile = async (folder, name, bytes) => {
  const file = await folder.getFileHandle(name, { create: true });
  try {
    const handle = await file.createSyncAccessHandle();
    try {
      handle.truncate(bytes.byteLength);
      if (handle.write(bytes, { at: 0 }) !== bytes.byteLength) {
        throw new AppError('store/unavailable', 'The browser wrote only a part of a block.');
      }
      handle.flush();
    } finally {
      handle.close();
    }
  } catch (error) {
    // Gives the space back that a full disk lacks; whatever happens here, the failure is the news.
    await folder.removeEntry(name).catch(() => undefined);
    throw error;
  }
};

async function namesIn(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names;
}

async function readFile(file: BlockFile, spare?: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>> {
  let handle: FileSystemSyncAccessHandle;
  try {
    handle = await file.createSyncAccessHandle({ mode: 'read-only' });
  } catch (error) {
    // Browsers without shared handles let one reader in at a time; the others read a copy.
    if (errorName(error) !== 'NoModificationAllowedError') throw error;
    return new Uint8Array(await (await file.getFile()).arrayBuffer());
  }
  try {
    const size = handle.getSize();
    const fits = spare !== undefined && spare.byteLength >= size;
    const bytes = new Uint8Array(fits ? spare : new ArrayBuffer(size), 0, size);
    if (handle.read(bytes, { at: 0 }) !== size) {
      throw new AppError('store/damaged', 'A part of the model could not be read completely.');
    }
    return bytes;
  } finally {
    handle.close();
  }
}
