/**
 * The library of model files on this device: which there are, which may be used, and their bytes.
 *
 * It knows nothing of the network. States: reserved, downloading, verifying, ready, damaged,
 * deleting; only `ready` can be opened, and only a verified file becomes `ready`.
 */
import { AppError, hasCode } from '../common/errors.ts';
import { Emitter } from '../common/events.ts';
import { type BlockSizes, defaultBlockSizes } from './block-layout.ts';
import type { ChangeChannel } from './change-channel.ts';
import type { ChunkStore } from './chunk-store.ts';
import { collectGarbage, deleteContent, releaseContent } from './garbage-collector.ts';
import { LocalLocks, type Locks, modelLockName } from './locks.ts';
import type { ManifestStore } from './manifest-store.ts';
import {
  contentIn,
  type ContentRecord,
  inState,
  joinManifest,
  type ManifestTables,
  modelIn,
  type ModelManifest,
  type ModelRecord,
  originKey,
  storedBytes,
} from './manifest.ts';
import { ModelWriter } from './model-writer.ts';
import { newContentId, type StoreContext } from './store-context.ts';
import { StoredByteSource } from './stored-byte-source.ts';
import { verifyContent, type VerifyOptions } from './verifier.ts';

/** What is known of a model before its first byte. */
export type ModelDraft = Pick<
  ModelRecord,
  'name' | 'fileName' | 'origin' | 'expectedSize' | 'expectedSha256' | 'licence' | 'facts'
>;

export type ModelPatch = Partial<ModelDraft & Pick<ModelRecord, 'halt'>>;

/** `elsewhere`: in another tab or worker over the same storage. */
export interface ModelChange {
  readonly modelId: string;
  readonly from: 'here' | 'elsewhere';
}

export interface ModelStoreOptions {
  readonly manifest: ManifestStore;
  readonly chunks: ChunkStore;
  readonly locks?: Locks;
  readonly sizes?: BlockSizes;
  readonly now?: () => number;
  /** Connects the lists of several tabs and workers. */
  readonly channel?: ChangeChannel;
}

export class ModelStore {
  readonly locks: Locks;
  readonly #context: StoreContext;
  readonly #changes = new Emitter<ModelChange>();
  readonly #channel: ChangeChannel | null;
  readonly #checkedBlocks = new Set<string>();

  constructor(options: ModelStoreOptions) {
    this.locks = options.locks ?? new LocalLocks();
    this.#channel = options.channel ?? null;
    this.#channel?.listen((modelId) => {
      this.#changes.emit({ modelId, from: 'elsewhere' });
    });
    this.#context = {
      manifest: options.manifest,
      chunks: options.chunks,
      locks: this.locks,
      sizes: options.sizes ?? defaultBlockSizes,
      now: options.now ?? Date.now,
      changed: (modelId) => {
        this.#changes.emit({ modelId, from: 'here' });
        this.#channel?.announce(modelId);
      },
    };
  }

  /** Whether what is stored outlives the page. */
  get isPersistent(): boolean {
    return this.#context.chunks.kind !== 'memory';
  }

  /** All models, the newest first. */
  async list(): Promise<ModelManifest[]> {
    const tables = await this.#context.manifest.read();
    return [...tables.models.values()]
      .flatMap((model) => {
        const content = tables.contents.get(model.contentId);
        return content === undefined ? [] : [joinManifest(model, content)];
      })
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** @throws AppError `store/not-found` */
  async get(id: string): Promise<ModelManifest> {
    const tables = await this.#context.manifest.read();
    const model = modelIn(tables, id);
    return joinManifest(model, contentIn(tables, model.contentId));
  }

  /** Calls `listener` for every model that changed, here or in another tab. */
  observe(listener: (change: ModelChange) => void): () => void {
    return this.#changes.on(listener);
  }

  /**
   * Lists a new model, or finds the one that was added from the same place before. When its
   * published hash is that of a stored file, it is `ready` at once.
   */
  async begin(
    draft: ModelDraft,
  ): Promise<{ readonly manifest: ModelManifest; readonly created: boolean }> {
    const result = await this.#context.manifest.change((tables) => {
      const known = findByOrigin(tables, draft);
      if (known !== null) return { manifest: known, created: false };
      const content = findReady(tables, draft.expectedSha256) ?? this.#newContent(draft);
      const model: ModelRecord = {
        ...draft,
        id: uniqueId(tables, draft.fileName),
        createdAt: this.#context.now(),
        lastUsedAt: null,
        halt: null,
        contentId: content.id,
      };
      tables.contents.set(content.id, content);
      tables.models.set(model.id, model);
      return { manifest: joinManifest(model, content), created: true };
    });
    this.#context.changed(result.manifest.id);
    return result;
  }

  /** Writes down what became known or was decided. @throws AppError `store/not-found` */
  async update(id: string, patch: ModelPatch): Promise<ModelManifest> {
    const manifest = await this.#context.manifest.change((tables) => {
      const model: ModelRecord = { ...modelIn(tables, id), ...patch };
      tables.models.set(id, model);
      return joinManifest(model, contentIn(tables, model.contentId));
    });
    this.#context.changed(id);
    return manifest;
  }

  /**
   * Makes an unfinished model `ready` without fetching it, when its published hash is that of a
   * stored file. Hold its exclusive lock. @returns whether it did
   */
  async shareIfStored(id: string): Promise<boolean> {
    const result = await this.#context.manifest.change((tables) => {
      const model = modelIn(tables, id);
      const content = contentIn(tables, model.contentId);
      const twin = findReady(tables, model.expectedSha256);
      if (twin === null || twin.id === content.id) return null;
      tables.models.set(id, { ...model, contentId: twin.id, halt: null });
      return { released: releaseContent(tables, content.id) ? content.id : null };
    });
    if (result === null) return false;
    this.#context.changed(id);
    if (result.released !== null) await deleteContent(this.#context, result.released);
    return true;
  }

  /** For filling a model with bytes; hold its exclusive lock. */
  openWriter(id: string): Promise<ModelWriter> {
    return ModelWriter.open(this.#context, id);
  }

  /** Forgets all bytes of an unfinished or damaged model; hold its exclusive lock. */
  async restart(id: string): Promise<void> {
    const released = await this.#context.manifest.change((tables) => {
      const model = modelIn(tables, id);
      const fresh = this.#newContent(model);
      tables.contents.set(fresh.id, fresh);
      tables.models.set(id, { ...model, contentId: fresh.id });
      return releaseContent(tables, model.contentId) ? model.contentId : null;
    });
    this.#context.changed(id);
    if (released !== null) await deleteContent(this.#context, released);
  }

  /**
   * Opens a `ready` model for reading; `close` it afterwards, until then it cannot be removed.
   * @throws AppError `store/not-ready`, `store/damaged`, `store/in-use`, `store/not-found`
   */
  async open(id: string): Promise<StoredByteSource> {
    const release = await this.#holdShared(id);
    try {
      const tables = await this.#context.manifest.read();
      const record = modelIn(tables, id);
      const content = contentIn(tables, record.contentId);
      checkUsable(record, content);
      const model = joinManifest(record, content);
      await this.#noteUse(id);
      const checkedBlocks = this.#checkedBlocks;
      return new StoredByteSource({ context: this.#context, model, checkedBlocks, release });
    } catch (error) {
      release();
      throw error;
    }
  }

  /** On a full disk nothing can be noted, and what is on it can be used all the same. */
  async #noteUse(id: string): Promise<void> {
    try {
      await this.#context.manifest.change((tables) => {
        const record: ModelRecord = { ...modelIn(tables, id), lastUsedAt: this.#context.now() };
        tables.models.set(id, record);
      });
      this.#context.changed(id);
    } catch (error) {
      if (!hasCode(error, 'store/quota')) throw error;
    }
  }

  /** Reads all bytes back. @returns indices of damaged blocks; the model is marked accordingly */
  async verify(id: string, options: VerifyOptions = {}): Promise<readonly number[]> {
    const model = await this.get(id);
    for (const block of model.blocks) {
      this.#checkedBlocks.delete(`${model.contentId}:${block.index}`);
    }
    return verifyContent(this.#context, model, options);
  }

  /**
   * Deletes a model; its bytes go when no other model has them. Resumed at the next start when cut
   * off. Hold its exclusive lock.
   */
  async remove(id: string): Promise<void> {
    try {
      const contentId = await this.#context.manifest.change((tables) =>
        release(tables, id, (content) => {
          tables.contents.set(content.id, inState(content, 'deleting'));
        }),
      );
      this.#context.changed(id);
      if (contentId !== null) await deleteContent(this.#context, contentId);
    } catch (error) {
      if (!hasCode(error, 'store/quota')) throw error;
      await this.#removeOnFullDisk(id);
    }
  }

  /**
   * Where not even a mark can be written, the records go first, which takes no space; bytes that are
   * left when this is cut off belong to nobody and are collected at the next start.
   */
  async #removeOnFullDisk(id: string): Promise<void> {
    const contentId = await this.#context.manifest.change((tables) =>
      release(tables, id, (content) => {
        tables.models.delete(id);
        tables.contents.delete(content.id);
      }),
    );
    this.#context.changed(id);
    if (contentId !== null) await this.#context.chunks.removeContent(contentId);
  }

  /** Bytes of all stored blocks, shared ones counted once. */
  async bytesStored(): Promise<number> {
    const tables = await this.#context.manifest.read();
    return [...tables.contents.values()].reduce((sum, content) => sum + storedBytes(content), 0);
  }

  /** Gives back what nothing points at; run it once at start. */
  collectGarbage(): Promise<void> {
    return collectGarbage(this.#context);
  }

  close(): void {
    this.#channel?.close();
    this.#context.manifest.close();
    this.#context.chunks.close();
  }

  #newContent(draft: Pick<ModelRecord, 'expectedSize'>): ContentRecord {
    return {
      id: newContentId(),
      state: 'reserved',
      sizes: this.#context.sizes,
      size: draft.expectedSize,
      blocks: [],
      hashProgress: null,
      sha256: null,
      problem: null,
    };
  }

  /** Takes the shared lock and resolves with the function that lets it go. */
  #holdShared(id: string): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const holding = (): Promise<void> =>
        new Promise((release) => {
          resolve(release);
        });
      this.locks.tryHold(modelLockName(id), 'shared', holding).then(
        (result) => {
          if (result.held) return;
          reject(
            new AppError(
              'store/in-use',
              'This model is being changed just now. Try again in a moment.',
              { details: { id } },
            ),
          );
        },
        (error: unknown) => {
          reject(error);
        },
      );
    });
  }
}

function checkUsable(model: ModelRecord, content: ContentRecord): void {
  if (content.state === 'ready') return;
  if (content.state === 'damaged') {
    throw new AppError(
      'store/damaged',
      content.problem?.message ?? `"${model.fileName}" is damaged. Repair it first.`,
      { details: content.problem?.details ?? {} },
    );
  }
  throw new AppError(
    'store/not-ready',
    `"${model.name}" is not complete yet. Wait for its download to end.`,
    { details: { state: content.state } },
  );
}

function findByOrigin(tables: ManifestTables, draft: ModelDraft): ModelManifest | null {
  const key = originKey(draft.origin, draft.expectedSize);
  for (const model of tables.models.values()) {
    const content = tables.contents.get(model.contentId);
    if (content === undefined || content.state === 'deleting') continue;
    if (originKey(model.origin, model.expectedSize) === key) return joinManifest(model, content);
  }
  return null;
}

function findReady(tables: ManifestTables, sha256: string | null): ContentRecord | null {
  if (sha256 === null) return null;
  for (const content of tables.contents.values()) {
    if (content.state === 'ready' && content.sha256 === sha256) return content;
  }
  return null;
}

/** A readable id out of the file's name, made unique by a number. */
function uniqueId(tables: ManifestTables, fileName: string): string {
  const plain = fileName
    .replace(/\.gguf$/iu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/gu, '');
  const base = plain === '' ? 'model' : plain;
  let id = base;
  for (let number = 2; tables.models.has(id); number++) id = `${base}-${number}`;
  return id;
}

/** Whether a model's bytes must be fetched from the beginning, not only its damaged blocks. */
export function needsRestart(model: ModelManifest): boolean {
  return model.problem?.code === 'download/hash-mismatch';
}

/**
 * Takes a model away from its content; the last one's content is handed to `giveUp`.
 * @returns the id of that content, null where others still need it or there is no such model
 */
function release(
  tables: ManifestTables,
  id: string,
  giveUp: (content: ContentRecord) => void,
): string | null {
  const model = tables.models.get(id);
  if (model === undefined) return null;
  const content = contentIn(tables, model.contentId);
  const shared = [...tables.models.values()].some(
    (other) => other.id !== id && other.contentId === content.id,
  );
  if (shared) {
    tables.models.delete(id);
    return null;
  }
  giveUp(content);
  return content.id;
}
