/**
 * What models have read of conversations, so that they need not read it again: bytes under the hash
 * of the text they stand for.
 *
 * A cache, in a database of its own: every record can be lost or damaged at no cost but time, so what
 * is not exactly what was written counts as missing. A record belongs to the conversations that used
 * it and goes with the last of them; with its model; and when the whole grows beyond its limit, the
 * longest unused first.
 */
import type { DBSchema, IDBPDatabase } from 'idb';
import { GIBIBYTE } from '../common/bytes.ts';
import { hashBlock } from './content-hash.ts';
import { Database } from './database.ts';

const databaseName = 'hermit-segments';

/** Some ten conversations of 4,000 tokens with a model of a billion parameters. */
const mostBytes = GIBIBYTE;

interface SegmentEntry {
  /** Hash of model, format and all tokens up to the end of the segment. */
  readonly key: string;
  readonly model: string;
  /** Place in its text, from 0: without those before it a segment is of no use. */
  readonly index: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly owners: readonly string[];
  readonly usedAt: number;
}

interface SegmentSchema extends DBSchema {
  entries: { key: string; value: SegmentEntry };
  data: { key: string; value: ArrayBuffer };
  /** When a conversation was forgotten; under `everything`: when all were. */
  forgotten: { key: string; value: number };
}

const everything = '*';
/** No request that was under way when its conversation was deleted is at work after a day. */
const rememberForgottenMs = 24 * 60 * 60 * 1000;

export interface SegmentStoreOptions {
  readonly name?: string;
  /** Most bytes to keep. */
  readonly limitBytes?: () => Promise<number>;
  readonly now?: () => number;
}

export interface SegmentText {
  readonly model: string;
  readonly format: string;
  readonly tokens: readonly number[];
  readonly segmentTokens: number;
}

export interface SegmentOwner {
  readonly conversation: string;
  /** When its request began: what was forgotten at that time or later is not stored again. */
  readonly since: number;
}

export class SegmentStore {
  readonly #database: Database<SegmentSchema>;
  readonly #limitBytes: () => Promise<number>;
  readonly #now: () => number;

  constructor(options: SegmentStoreOptions = {}) {
    this.#database = new Database<SegmentSchema>({
      name: options.name ?? databaseName,
      version: 1,
      upgrade: (database) => {
        database.createObjectStore('entries', { keyPath: 'key' });
        database.createObjectStore('data');
        database.createObjectStore('forgotten');
      },
      reopenAfterDelete: true,
    });
    this.#limitBytes = options.limitBytes ?? (() => Promise.resolve(mostBytes));
    this.#now = options.now ?? (() => Date.now());
  }

  /** The whole segments of a text. */
  async open(text: SegmentText): Promise<TextSegments> {
    return new TextSegments(this, text.model, await keysOf(text));
  }

  /** Bytes of all segments. @throws AppError `store/*` */
  async usage(): Promise<number> {
    const entries = await this.#database.run((database) => database.getAll('entries'));
    return entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Deletes what belongs to this conversation alone. @throws AppError `store/*` */
  async forget(conversation: string): Promise<void> {
    await this.#forget(conversation, (entry) => {
      const owners = entry.owners.filter((owner) => owner !== conversation);
      return owners.length === 0 ? null : { ...entry, owners };
    });
  }

  /** Deletes everything. @throws AppError `store/*` */
  async clear(): Promise<void> {
    await this.#forget(everything, () => null);
  }

  /** Deletes what belongs to models that are not among these. @throws AppError `store/*` */
  async retainModels(models: ReadonlySet<string>): Promise<void> {
    await this.#change((entry) => (models.has(entry.model) ? entry : null));
  }

  close(): void {
    this.#database.close();
  }

  /** @throws AppError `store/*` */
  async read(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const [entry, data] = await this.#database.run(async (database) => {
      const transaction = database.transaction(['entries', 'data'], 'readonly');
      const found = await Promise.all([
        transaction.objectStore('entries').get(key),
        transaction.objectStore('data').get(key),
      ]);
      await transaction.done;
      return found;
    });
    if (entry === undefined || data === undefined) return null;
    const bytes = new Uint8Array(data);
    if ((await hashBlock(bytes, undefined)) === entry.sha256) return bytes;
    await this.#change((candidate) => (candidate.key === key ? null : candidate));
    return null;
  }

  /** Which of these are not stored; the others are noted as used now, by this conversation too. */
  async claim(keys: readonly string[], owner: SegmentOwner): Promise<readonly string[]> {
    return this.#database.run(async (database) => {
      const transaction = database.transaction(['entries', 'forgotten'], 'readwrite');
      const entries = transaction.objectStore('entries');
      const missing: string[] = [];
      const gone = await isForgotten(transaction.objectStore('forgotten'), owner);
      for (const key of gone ? [] : keys) {
        const entry = await entries.get(key);
        if (entry === undefined) missing.push(key);
        else await entries.put({ ...entry, ...usedBy(owner, entry.owners) });
      }
      await transaction.done;
      return missing;
    });
  }

  /** Stores a segment, unless its conversation was forgotten meanwhile; whether it was stored. */
  async write(
    segment: Pick<SegmentEntry, 'key' | 'model' | 'index'>,
    bytes: Uint8Array<ArrayBuffer>,
    owner: SegmentOwner,
  ): Promise<boolean> {
    const sha256 = await hashBlock(bytes, undefined);
    const { key, model, index } = segment;
    return this.#database.run(async (database) => {
      const transaction = database.transaction(['entries', 'data', 'forgotten'], 'readwrite');
      const gone = await isForgotten(transaction.objectStore('forgotten'), owner);
      if (!gone) {
        const use = usedBy(owner, []);
        const entry = { key, model, index, bytes: bytes.byteLength, sha256, ...use };
        await transaction.objectStore('entries').put(entry);
        await transaction.objectStore('data').put(bytes.buffer, key);
      }
      await transaction.done;
      return !gone;
    });
  }

  /** Deletes the longest unused until the rest is within the limit. */
  async trim(): Promise<void> {
    const limit = await this.#limitBytes();
    const entries = await this.#database.run((database) => database.getAll('entries'));
    entries.sort((a, b) => b.usedAt - a.usedAt || a.index - b.index);
    let total = 0;
    const kept = new Set<string>();
    for (const { key, bytes } of entries) {
      total += bytes;
      if (total > limit) break;
      kept.add(key);
    }
    if (kept.size < entries.length) {
      const over = new Set(entries.map(({ key }) => key).filter((key) => !kept.has(key)));
      await this.#change((entry) => (over.has(entry.key) ? null : entry));
    }
  }

  async #forget(name: string, edit: (entry: SegmentEntry) => SegmentEntry | null): Promise<void> {
    const now = this.#now();
    await this.#database.run(async (database) => {
      const transaction = database.transaction('forgotten', 'readwrite');
      for (const known of await transaction.store.getAllKeys()) {
        const at = (await transaction.store.get(known)) ?? 0;
        if (at < now - rememberForgottenMs) await transaction.store.delete(known);
      }
      await transaction.store.put(now, name);
      await transaction.done;
    });
    await this.#change(edit);
  }

  /** Replaces every record by what `edit` makes of it, null: deletes it. */
  #change(edit: (entry: SegmentEntry) => SegmentEntry | null): Promise<void> {
    return this.#database.run((database) => change(database, edit));
  }
}

/** The segments of one text: its keys, and the store they lie in. */
export class TextSegments {
  readonly #store: SegmentStore;
  readonly #model: string;
  readonly #keys: readonly string[];

  constructor(store: SegmentStore, model: string, keys: readonly string[]) {
    this.#store = store;
    this.#model = model;
    this.#keys = keys;
  }

  /** Null where it is missing or damaged. @throws AppError `store/*` */
  async read(index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const key = this.#keys[index];
    return key === undefined ? null : this.#store.read(key);
  }

  /** Stores what is missing, as long as its conversation is wanted. @throws AppError `store/*` */
  async keep(
    owner: SegmentOwner,
    make: (index: number) => Promise<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    const missing = new Set(await this.#store.claim(this.#keys, owner));
    for (const [index, key] of this.#keys.entries()) {
      if (!missing.has(key)) continue;
      const segment = { key, model: this.#model, index };
      if (!(await this.#store.write(segment, await make(index), owner))) return;
    }
    if (missing.size > 0) await this.#store.trim();
  }
}

/** Each key holds the hash of the one before: it stands for the whole text up to its end. */
async function keysOf({ model, format, tokens, segmentTokens }: SegmentText): Promise<string[]> {
  const encoder = new TextEncoder();
  let key = await hashBlock(encoder.encode(JSON.stringify([model, format])), undefined);
  const keys: string[] = [];
  for (let end = segmentTokens; end <= tokens.length; end += segmentTokens) {
    const part = tokens.slice(end - segmentTokens, end);
    key = await hashBlock(encoder.encode(`${key} ${part.join()}`), undefined);
    keys.push(key);
  }
  return keys;
}

/** A text is used as a whole: when its request began, and not when each of its segments was. */
function usedBy(
  { conversation, since }: SegmentOwner,
  owners: readonly string[],
): Pick<SegmentEntry, 'owners' | 'usedAt'> {
  return { owners: [...new Set([...owners, conversation])], usedAt: since };
}

async function isForgotten(
  forgotten: { get(name: string): Promise<number | undefined> },
  { conversation, since }: SegmentOwner,
): Promise<boolean> {
  const [own, all] = [await forgotten.get(conversation), await forgotten.get(everything)];
  return Math.max(own ?? 0, all ?? 0) >= since;
}

async function change(
  database: IDBPDatabase<SegmentSchema>,
  edit: (entry: SegmentEntry) => SegmentEntry | null,
): Promise<void> {
  const transaction = database.transaction(['entries', 'data'], 'readwrite');
  const entries = transaction.objectStore('entries');
  for (const entry of await entries.getAll()) {
    const edited = edit(entry);
    if (edited === entry) continue;
    if (edited !== null) await entries.put(edited);
    else {
      await entries.delete(entry.key);
      await transaction.objectStore('data').delete(entry.key);
    }
  }
  await transaction.done;
}

/** The store of this browser. */
export function openSegmentStore(): SegmentStore {
  return new SegmentStore({ limitBytes: shareOfQuota });
}

/** At most a twentieth of what the browser grants to this site. */
async function shareOfQuota(): Promise<number> {
  try {
    const { quota } = await navigator.storage.estimate();
    return Math.min(mostBytes, (quota ?? Infinity) / 20);
  } catch {
    // Pages served without TLS and some private windows are told nothing.
    return mostBytes;
  }
}
