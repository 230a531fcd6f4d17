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
import { type OpenFileHash, openLocalFileHash } from './file-hash.ts';
import { collectGarbage, deleteContent, releaseContent } from './garbage-collector.ts';
import { LocalLocks, type Locks, modelLockName } from './locks.ts';
import { findByOrigin, findReady, release, uniqueId } from './manifest-queries.ts';
import type { ManifestStore } from './manifest-store.ts';
import {
  contentIn,
  type ContentRecord,
  inState,
  type ManifestTables,
  modelIn,
  type ModelManifest,
  type ModelRecord,
  type PartPlace,
  storedBytes,
} from './manifest.ts';
import {
  allManifests,
  filesOf,
  manifestOf,
  partId,
  recordsOf,
  wholeModelId,
} from './model-parts.ts';
import { ModelWriter } from './model-writer.ts';
import { newContentId, type StoreContext } from './store-context.ts';
import { StoredByteSource } from './stored-byte-source.ts';
import { type OpenedModel, StoredParts } from './stored-parts.ts';
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
  /** Hashes files that arrive; unless given, in this thread. */
  readonly openHash?: OpenFileHash;
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
      openHash: options.openHash ?? openLocalFileHash,
      now: options.now ?? Date.now,
      changed: (modelId) => {
        const whole = wholeModelId(modelId);
        this.#changes.emit({ modelId: whole, from: 'here' });
        this.#channel?.announce(whole);
      },
    };
  }

  /** Whether what is stored outlives the page. */
  get isPersistent(): boolean {
    return this.#context.chunks.kind !== 'memory';
  }

  /** All models, the newest first. */
  async list(): Promise<ModelManifest[]> {
    const models = allManifests(await this.#context.manifest.read());
    return models.sort((a, b) => b.createdAt - a.createdAt);
  }

  /** @throws AppError `store/not-found` */
  async get(id: string): Promise<ModelManifest> {
    return manifestOf(await this.#context.manifest.read(), id);
  }

  /** Calls `listener` for every model that changed, here or in another tab. */
  observe(listener: (change: ModelChange) => void): () => void {
    return this.#changes.on(listener);
  }

  /**
   * Lists a new model, or finds the one that was added from the same place before. When its
   * published hash is that of a stored file, it is `ready` at once. Several drafts are the files of
   * one model, in order; one of them that was lost is listed again.
   */
  async begin(
    draft: ModelDraft,
    ...more: readonly ModelDraft[]
  ): Promise<{ readonly manifest: ModelManifest; readonly created: boolean }> {
    const result = await this.#context.manifest.change((tables) => {
      const known = findByOrigin(tables, draft, more.length + 1);
      if (known !== null && more.length === 0) {
        return { manifest: manifestOf(tables, known.id), created: false };
      }
      const id = known?.partOf?.modelId ?? uniqueId(tables, draft.fileName);
      if (more.length === 0) this.#list(tables, draft, id);
      else {
        for (const [index, part] of [draft, ...more].entries()) {
          if (tables.models.has(partId(id, index))) continue;
          const partOf = { modelId: id, index, count: more.length + 1 };
          this.#list(tables, part, partId(id, index), partOf);
        }
      }
      return { manifest: manifestOf(tables, id), created: known === null };
    });
    this.#context.changed(result.manifest.id);
    return result;
  }

  #list(tables: ManifestTables, draft: ModelDraft, id: string, partOf?: PartPlace): void {
    const content = findReady(tables, draft.expectedSha256) ?? this.#newContent(draft);
    tables.contents.set(content.id, content);
    tables.models.set(id, {
      ...draft,
      id,
      ...(partOf === undefined ? {} : { partOf }),
      createdAt: this.#context.now(),
      lastUsedAt: null,
      halt: null,
      contentId: content.id,
    });
  }

  /**
   * Writes down what became known or was decided; of a model in several files, for those that are
   * not complete. @throws AppError `store/not-found`
   */
  async update(id: string, patch: ModelPatch): Promise<ModelManifest> {
    const manifest = await this.#context.manifest.change((tables) => {
      const records = recordsOf(tables, id);
      for (const record of records) {
        const complete = contentIn(tables, record.contentId).state === 'ready';
        if (records.length === 1 || !complete) {
          tables.models.set(record.id, { ...record, ...patch });
        }
      }
      return manifestOf(tables, id);
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
  async open(id: string): Promise<OpenedModel> {
    const release = await this.#holdShared(id);
    try {
      const model = manifestOf(await this.#context.manifest.read(), id);
      checkUsable(model);
      await this.#noteUse(id);
      const checkedBlocks = this.#checkedBlocks;
      const context = this.#context;
      if (model.parts.length === 0) {
        return new StoredByteSource({ context, model, checkedBlocks, release });
      }
      return new StoredParts(context, model.parts, checkedBlocks, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * The files of a `ready` model, whose bytes stay where they are stored: what is saved from them is
   * streamed by the browser. Look first whether they are intact (`verify`): here nothing is compared.
   * @throws AppError `store/not-ready`, `store/damaged`, `store/in-use`, `store/not-found`
   */
  async exportFiles(id: string): Promise<readonly File[]> {
    const release = await this.#holdShared(id);
    try {
      const model = manifestOf(await this.#context.manifest.read(), id);
      checkUsable(model);
      const type = 'application/octet-stream';
      return await Promise.all(
        filesOf(model).map(async ({ contentId, fileName, blocks }) => {
          const blobs: Blob[] = [];
          for (const { index } of blocks) {
            blobs.push(await this.#context.chunks.blob(contentId, index));
          }
          return new File(blobs, fileName, { type });
        }),
      );
    } finally {
      release();
    }
  }

  /** On a full disk nothing can be noted, and what is on it can be used all the same. */
  async #noteUse(id: string): Promise<void> {
    try {
      await this.#context.manifest.change((tables) => {
        const lastUsedAt = this.#context.now();
        for (const record of recordsOf(tables, id)) {
          tables.models.set(record.id, { ...record, lastUsedAt });
        }
      });
      this.#context.changed(id);
    } catch (error) {
      if (!hasCode(error, 'store/quota')) throw error;
    }
  }

  /** Reads all bytes back. What is damaged is marked, so that it can be fetched again. */
  async verify(id: string, options: VerifyOptions = {}): Promise<void> {
    const model = await this.get(id);
    const files = filesOf(model);
    const bytesTotal = model.size ?? 0;
    let bytesBefore = 0;
    for (const file of files) {
      for (const block of file.blocks) {
        this.#checkedBlocks.delete(`${file.contentId}:${block.index}`);
      }
      const before = bytesBefore;
      await verifyContent(this.#context, file, {
        ...options,
        onProgress: (bytesDone) => options.onProgress?.(before + bytesDone, bytesTotal),
      });
      bytesBefore += file.size ?? 0;
    }
  }

  /**
   * Deletes a model; its bytes go when no other model has them. Resumed at the next start when cut
   * off. Hold its exclusive lock.
   */
  async remove(id: string): Promise<void> {
    try {
      const contentIds = await this.#context.manifest.change((tables) =>
        release(tables, id, (content) => {
          tables.contents.set(content.id, inState(content, 'deleting'));
        }),
      );
      this.#context.changed(id);
      for (const contentId of contentIds) await deleteContent(this.#context, contentId);
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
    const contentIds = await this.#context.manifest.change((tables) =>
      release(tables, id, (content) => {
        for (const record of recordsOf(tables, id)) {
          if (record.contentId === content.id) tables.models.delete(record.id);
        }
        tables.contents.delete(content.id);
      }),
    );
    this.#context.changed(id);
    for (const contentId of contentIds) await this.#context.chunks.removeContent(contentId);
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

function checkUsable(model: ModelManifest): void {
  const { state, problem } = model;
  if (state === 'ready') return;
  if (state === 'damaged') {
    throw new AppError(
      'store/damaged',
      problem?.message ?? `"${model.fileName}" is damaged. Repair it first.`,
      { details: problem?.details ?? {} },
    );
  }
  throw new AppError(
    'store/not-ready',
    `"${model.name}" is not complete yet. Wait for its download to end.`,
    { details: { state } },
  );
}

/** Whether a model's bytes must be fetched from the beginning, not only its damaged blocks. */
export function needsRestart(model: ModelManifest): boolean {
  return model.problem?.code === 'download/hash-mismatch';
}
