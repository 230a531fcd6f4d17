/**
 * Where the records of chats lie: IndexedDB, or memory where the browser gives none. Records are
 * unknown when read: what a database returns is checked by the reader.
 *
 * Database `hermit-conversations`, version 1; apart from the models, so that nothing that happens to
 * them can touch a chat.
 *
 * | object store | key                          | value                                         |
 * |--------------|------------------------------|-----------------------------------------------|
 * | `heads`      | id                           | title, times, end of the shown path, number of messages |
 * | `messages`   | [conversationId, message id] | one message                                   |
 *
 * A message gained fields without a new version of the database: the reader knows older ones.
 */
import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase } from 'idb';
import { delay } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';

export const conversationDatabaseName = 'hermit-conversations';
const schemaVersion = 1;

/** Written as a head; the number of messages is added by the store of records. */
export interface HeadRecord {
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface MessageRecord {
  readonly id: string;
  readonly [field: string]: unknown;
}

export interface RecordChange {
  readonly head: HeadRecord;
  /** Added or replaced. */
  readonly messages: readonly MessageRecord[];
}

/** Every change is atomic, and on disk when its promise resolves. */
export interface ConversationRecords {
  /** False when everything is gone with the tab. */
  readonly kept: boolean;
  heads(): Promise<unknown[]>;
  head(id: string): Promise<unknown>;
  messages(id: string): Promise<unknown[]>;
  write(change: RecordChange): Promise<void>;
  /** Replaces the head by what `update` makes of it, in one transaction; undefined leaves it. */
  updateHead(id: string, update: (head: unknown) => HeadRecord | undefined): Promise<void>;
  remove(id: string): Promise<void>;
  close(): void;
}

/** What happens to the database behind the back of whoever uses it. */
export interface DatabaseEvents {
  /** Everything stored is gone, and the database is there again, empty. */
  readonly cleared?: () => void;
  /** Another tab brings a newer version: nothing can be stored until this page is reloaded. */
  readonly superseded?: () => void;
}

interface Schema extends DBSchema {
  heads: { key: string; value: unknown };
  messages: { key: [string, string]; value: unknown };
}

/** All keys of one conversation: an array sorts after every string. */
function messagesOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}

function storeError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const name = error instanceof Error ? error.name : '';
  const options = { details: { reason: name }, cause: error };
  if (name === 'QuotaExceededError') {
    return new AppError(
      'store/quota',
      'There is no space left to keep this chat. Remove a model or free space on the device.',
      options,
    );
  }
  if (name === 'VersionError' || name === 'InvalidStateError') {
    return new AppError(
      'store/closed',
      'The chats were opened by a newer Hermit in another tab. Reload this tab.',
      options,
    );
  }
  return new AppError(
    'store/unavailable',
    'The browser could not read or write the chats. Reload the page; if that does not help, restart the browser.',
    options,
  );
}

/** The browser has no database for this page; a newer version of it is another matter. */
function hasNoDatabase(error: unknown): boolean {
  return !(error instanceof Error) || error.name !== 'VersionError';
}

/** Waits before each new attempt after a lost connection, in milliseconds. */
const reopenDelaysMs = [100, 400, 1600] as const;

/** Safari: "Connection to Indexed Database server lost. Refresh the page to try again". */
function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === 'InvalidStateError' ||
    error.name === 'AbortError' ||
    (error.name === 'UnknownError' && /\b(connection|server)\b.*\blost\b/iu.test(error.message))
  );
}

export class IndexedDbConversationRecords implements ConversationRecords {
  readonly kept = true;
  readonly #name: string;
  readonly #events: DatabaseEvents;
  #database: Promise<IDBPDatabase<Schema>> | null = null;
  #opened = false;
  #closedFor: 'newer-version' | 'owner' | null = null;

  private constructor(name: string, events: DatabaseEvents) {
    this.#name = name;
    this.#events = events;
  }

  /** Rejects with the browser's own error where there is no database. */
  static async open(
    name: string,
    events: DatabaseEvents = {},
  ): Promise<IndexedDbConversationRecords> {
    const records = new IndexedDbConversationRecords(name, events);
    records.#database = records.#connect();
    await records.#database;
    return records;
  }

  heads(): Promise<unknown[]> {
    return this.#try((database) => database.getAll('heads'));
  }

  head(id: string): Promise<unknown> {
    return this.#try((database) => database.get('heads', id));
  }

  messages(id: string): Promise<unknown[]> {
    return this.#try((database) => database.getAll('messages', messagesOf(id)));
  }

  write({ head, messages }: RecordChange): Promise<void> {
    return this.#try(async (database) => {
      const transaction = database.transaction(['heads', 'messages'], 'readwrite', {
        durability: 'strict',
      });
      const store = transaction.objectStore('messages');
      const work = async (): Promise<void> => {
        for (const message of messages) await store.put(message, [head.id, message.id]);
        const messageCount = await store.count(messagesOf(head.id));
        await transaction.objectStore('heads').put({ ...head, messageCount }, head.id);
      };
      await Promise.all([work(), transaction.done]);
    });
  }

  updateHead(id: string, update: (head: unknown) => HeadRecord | undefined): Promise<void> {
    return this.#try(async (database) => {
      const transaction = database.transaction('heads', 'readwrite', { durability: 'strict' });
      const work = async (): Promise<void> => {
        const changed = update(await transaction.store.get(id));
        if (changed !== undefined) await transaction.store.put(changed, id);
      };
      await Promise.all([work(), transaction.done]);
    });
  }

  remove(id: string): Promise<void> {
    return this.#try(async (database) => {
      const transaction = database.transaction(['heads', 'messages'], 'readwrite', {
        durability: 'strict',
      });
      await Promise.all([
        transaction.objectStore('heads').delete(id),
        transaction.objectStore('messages').delete(messagesOf(id)),
        transaction.done,
      ]);
    });
  }

  close(): void {
    this.#closedFor ??= 'owner';
    this.#drop();
  }

  async #connection(): Promise<IDBPDatabase<Schema>> {
    const opening = (this.#database ??= this.#connect());
    try {
      return await opening;
    } catch (error) {
      if (this.#database === opening) this.#database = null;
      throw error;
    }
  }

  #drop(): void {
    const database = this.#database;
    this.#database = null;
    void database?.then(
      (open) => {
        open.close();
      },
      () => undefined, // it never opened; who asked for it was told
    );
  }

  async #connect(): Promise<IDBPDatabase<Schema>> {
    let empty = false;
    const database = await openDB<Schema>(this.#name, schemaVersion, {
      upgrade: (opened) => {
        empty = this.#opened;
        opened.createObjectStore('heads');
        opened.createObjectStore('messages');
      },
      // Another tab brings a newer version, or the user deletes everything: never stand in the way.
      blocking: (_current, wanted) => {
        this.#drop();
        if (wanted !== null) {
          this.#closedFor ??= 'newer-version';
          this.#events.superseded?.();
        } else this.#lookAgain();
      },
      terminated: () => {
        this.#database = null;
        this.#lookAgain();
      },
    });
    this.#opened = true;
    if (empty) this.#events.cleared?.();
    return database;
  }

  /** Sees at once whether what was stored is still there, and not only when it is wanted. */
  #lookAgain(): void {
    // A database that cannot be opened now says so to whoever needs it.
    this.heads().catch(() => undefined);
  }

  async #try<T>(work: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        if (this.#closedFor !== null) {
          throw new AppError(
            'store/closed',
            'Hermit was updated in another tab. Reload this one to go on.',
          );
        }
        return await work(await this.#connection());
      } catch (error) {
        const wait = reopenDelaysMs[attempt];
        if (error instanceof AppError || !isConnectionLost(error) || wait === undefined) {
          throw storeError(error);
        }
        this.#drop();
        await delay(wait);
      }
    }
  }
}

export class MemoryConversationRecords implements ConversationRecords {
  readonly kept = false;
  readonly #heads = new Map<string, unknown>();
  readonly #messages = new Map<string, Map<string, MessageRecord>>();

  heads(): Promise<unknown[]> {
    return Promise.resolve([...this.#heads.values()]);
  }

  head(id: string): Promise<unknown> {
    return Promise.resolve(this.#heads.get(id));
  }

  messages(id: string): Promise<unknown[]> {
    return Promise.resolve([...(this.#messages.get(id)?.values() ?? [])]);
  }

  write({ head, messages }: RecordChange): Promise<void> {
    const kept = this.#messages.get(head.id) ?? new Map<string, MessageRecord>();
    for (const message of messages) kept.set(message.id, message);
    this.#messages.set(head.id, kept);
    this.#heads.set(head.id, { ...head, messageCount: kept.size });
    return Promise.resolve();
  }

  updateHead(id: string, update: (head: unknown) => HeadRecord | undefined): Promise<void> {
    const changed = update(this.#heads.get(id));
    if (changed !== undefined) this.#heads.set(id, changed);
    return Promise.resolve();
  }

  remove(id: string): Promise<void> {
    this.#heads.delete(id);
    this.#messages.delete(id);
    return Promise.resolve();
  }

  close(): void {
    this.#heads.clear();
    this.#messages.clear();
  }
}

/**
 * The records of this browser, or memory where it has no database for this page (private windows,
 * blocked storage).
 * @throws AppError `store/closed` when a newer version of the database exists
 */
export async function openConversationRecords(
  name: string = conversationDatabaseName,
  events: DatabaseEvents = {},
): Promise<ConversationRecords> {
  try {
    return await IndexedDbConversationRecords.open(name, events);
  } catch (error) {
    if (hasNoDatabase(error)) return new MemoryConversationRecords();
    throw storeError(error);
  }
}
