/**
 * Fills one model with bytes, block by block, and ends with `ready` or a reason why not.
 *
 * The order is always: bytes committed, then the block written down, then the next block. A kill at
 * any point loses at most the block under way. Only `finish` makes a model `ready`, in one strict
 * transaction after the hash of the whole file was compared.
 */
import { AppError, hasCode } from '../common/errors.ts';
import { type BlockRange, blockCount, blockRange } from './block-layout.ts';
import { hashBlock } from './content-hash.ts';
import { writeNote } from './content-note.ts';
import { damagedError, markDamaged } from './damage.ts';
import { type FileHash, LocalFileHash } from './file-hash.ts';
import { deleteContent, releaseContent } from './garbage-collector.ts';
import {
  type BlockEntry,
  contentIn,
  type ContentRecord,
  inState,
  joinManifest,
  type ManifestTables,
  modelIn,
  type ModelManifest,
  type ModelRecord,
  storedBytes,
  toStoredError,
  withBlock,
} from './manifest.ts';
import type { StoreContext } from './store-context.ts';

/** So many are read back after a kill before the download goes on. */
const catchUpBlocks = 4;

export class ModelWriter {
  readonly modelId: string;
  readonly #context: StoreContext;
  readonly #hash: FileHash;
  #content: ContentRecord;

  private constructor(
    context: StoreContext,
    modelId: string,
    content: ContentRecord,
    hash: FileHash,
  ) {
    this.#context = context;
    this.modelId = modelId;
    this.#content = content;
    this.#hash = hash;
  }

  /**
   * Takes an unfinished or damaged model for writing; hold its exclusive lock, and `close` it.
   * @throws AppError `store/not-found`
   */
  static async open(context: StoreContext, modelId: string): Promise<ModelWriter> {
    const content = await context.manifest.change((tables) => {
      const model = modelIn(tables, modelId);
      const next: ContentRecord = {
        ...inState(contentIn(tables, model.contentId), 'downloading'),
        problem: null,
      };
      tables.contents.set(next.id, next);
      tables.models.set(modelId, { ...model, halt: null });
      return next;
    });
    context.changed(modelId);
    const hash =
      content.sha256 === null
        ? await context.openHash(content.hashProgress)
        : // A repair compares its blocks with those of the verified file.
          await LocalFileHash.open(null);
    return new ModelWriter(context, modelId, content, hash);
  }

  close(): void {
    this.#hash.close();
  }

  /** Length of the file, null until `setSize`. */
  get size(): number | null {
    return this.#content.size;
  }

  get bytesStored(): number {
    return storedBytes(this.#content);
  }

  get blockBytes(): number {
    return this.#content.sizes.blockBytes;
  }

  /** Whether any block is stored that a changed file upstream would not fit to. */
  get isEmpty(): boolean {
    return this.#content.blocks.length === 0;
  }

  /** @throws AppError `download/changed-upstream` when another length was known */
  async setSize(size: number): Promise<void> {
    if (this.#content.size === size) return;
    if (this.#content.size !== null) {
      throw new AppError(
        'download/changed-upstream',
        'The file on the server changed during the download. Start over to get the new version.',
        { details: { expectedBytes: this.#content.size, actualBytes: size } },
      );
    }
    await this.#change((_tables, content) => ({ ...content, size }));
  }

  /** Where block `index` lies in the file. */
  range(index: number): BlockRange {
    return blockRange(this.#content.sizes, this.#content.size, index);
  }

  /**
   * The first block that has to be fetched; null when all are there, or will be once `underWay` is
   * written.
   */
  nextMissing(underWay?: number): BlockRange | null {
    const stored = new Set(
      this.#content.blocks.filter((block) => !block.damaged).map((block) => block.index),
    );
    if (underWay !== undefined) stored.add(underWay);
    let index = 0;
    while (stored.has(index)) index++;
    const { size, sizes } = this.#content;
    if (size !== null && index >= blockCount(sizes, size)) return null;
    return blockRange(sizes, size, index);
  }

  /** Where the run of missing blocks from `index` ends: the next stored block, or the chunk's end. */
  endOfGap(index: number): number {
    const first = blockRange(this.#content.sizes, this.#content.size, index);
    const next = this.#content.blocks.find((block) => block.index > index && !block.damaged);
    if (next === undefined) return first.chunkEnd;
    const nextOffset = blockRange(this.#content.sizes, this.#content.size, next.index).offset;
    return Math.min(first.chunkEnd, nextOffset);
  }

  /**
   * Stores one block; `bytes` may be reused afterwards. A block shorter than its place ends a file
   * of unknown length.
   * @throws AppError `aborted` when the model was paused or removed elsewhere, `store/quota`,
   * `store/unavailable`, `download/changed-upstream` (a repaired block is not what it was)
   */
  async write(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { id, sizes, size } = this.#content;
    const range = blockRange(sizes, size, index);
    if (size === null ? bytes.byteLength > range.bytes : bytes.byteLength !== range.bytes) {
      throw new AppError('internal', 'A part of the model has the wrong length.', {
        details: { index, bytes: bytes.byteLength, expected: range.bytes },
      });
    }
    const hashing = hashBlock(bytes, sizes.hashPieceBytes);
    if (this.#content.sha256 !== null) this.#checkRepair(index, await hashing);
    await this.#context.chunks.put(id, index, bytes);
    const sha256 = await hashing;
    if (this.#content.sha256 === null) await this.#hashOn(range.offset, bytes);
    const hashProgress = this.#hash.progress;
    let halt: ModelRecord['halt'] = null;
    // A pause must not cost the block that was on its way to the disk.
    await this.#change((tables, content) => {
      halt = modelIn(tables, this.modelId).halt;
      return {
        ...withBlock(content, { index, bytes: bytes.byteLength, sha256, damaged: false }),
        hashProgress,
      };
    }, 'allow');
    if (halt !== null) throw stopped();
  }

  /**
   * Hashes what has not been hashed yet and makes the model `ready`. Bytes that another model has
   * already are given back and shared.
   * @throws AppError `download/hash-mismatch`, `store/damaged`
   */
  async finish(
    onProgress?: (bytesDone: number, bytesTotal: number) => void,
  ): Promise<ModelManifest> {
    await this.#change((_tables, content) => inState(content, 'verifying'));
    const sha256 = this.#content.sha256 ?? (await this.#hashAll(onProgress));
    const contentId = this.#content.id;
    const outcome = await this.#context.manifest.change((tables) =>
      settle(tables, this.modelId, sha256),
    );
    if (outcome.duplicate) await deleteContent(this.#context, contentId);
    this.#context.changed(this.modelId);
    if (outcome.error !== null) throw outcome.error;
    await writeNote(this.#context, outcome.manifest.contentId);
    return outcome.manifest;
  }

  /**
   * Adds a block to the hash of the whole file where it continues it. What a kill left out, at most
   * a few blocks, is read back first; more than that is left for `finish`.
   */
  async #hashOn(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let count = 0; count <= catchUpBlocks && this.#hash.bytes !== offset; count++) {
      const next = this.#blockToHash();
      if (next === null) return;
      await this.#hashBlock(next);
    }
    if (this.#hash.bytes === offset) await this.#hash.update(bytes);
  }

  /** A block fetched anew must be the block that the verified file had. */
  #checkRepair(index: number, sha256: string): void {
    const before = this.#content.blocks.find((block) => block.index === index);
    if (before === undefined || before.sha256 === sha256) return;
    throw new AppError(
      'download/changed-upstream',
      'The file on the server is not the one that was stored, so it cannot be repaired. Start over to get the new version.',
      { details: { block: index } },
    );
  }

  async #hashAll(onProgress?: (bytesDone: number, bytesTotal: number) => void): Promise<string> {
    for (;;) {
      for (let next = this.#blockToHash(); next !== null; next = this.#blockToHash()) {
        await this.#hashBlock(next);
        onProgress?.(this.#hash.bytes, this.#content.size ?? this.#hash.bytes);
      }
      if (this.#hash.bytes !== this.#content.size) {
        throw new AppError('internal', 'The checksum of the file covers only a part of it.', {
          details: { hashed: this.#hash.bytes, size: this.#content.size },
        });
      }
      const sha256 = await this.#hash.digest();
      if (sha256 !== null) return sha256;
    }
  }

  /**
   * The stored block that continues the hash of the whole file. A hash computed by another thread
   * lags behind what is stored, so that a saved one may end in the middle of a block.
   */
  #blockToHash(): BlockEntry | null {
    const { blocks, sizes, size } = this.#content;
    const continues = (block: BlockEntry): boolean => {
      const into = this.#hash.bytes - blockRange(sizes, size, block.index).offset;
      return into >= 0 && into < block.bytes;
    };
    return blocks.find(continues) ?? null;
  }

  /** Adds what the hash of the whole file lacks of a stored block. */
  async #hashBlock(block: BlockEntry): Promise<void> {
    const { sizes, size } = this.#content;
    const bytes = await this.#readBack(block);
    const into = this.#hash.bytes - blockRange(sizes, size, block.index).offset;
    await this.#hash.update(bytes.subarray(into));
  }

  async #readBack(block: BlockEntry): Promise<Uint8Array<ArrayBuffer>> {
    const { id, sizes } = this.#content;
    let cause: unknown;
    try {
      const bytes = await this.#context.chunks.get(id, block.index);
      if ((await hashBlock(bytes, sizes.hashPieceBytes)) === block.sha256) return bytes;
    } catch (error) {
      if (!hasCode(error, 'store/damaged', 'store/not-found')) throw error;
      cause = error;
    }
    const problem = damagedError(this.modelId, block.bytes, [block.index], cause);
    await markDamaged(this.#context, id, [block.index], problem);
    throw problem;
  }

  /** @throws AppError `aborted` when the model was paused or removed elsewhere */
  async #change(
    edit: (tables: ManifestTables, content: ContentRecord) => ContentRecord,
    halted: 'refuse' | 'allow' = 'refuse',
  ): Promise<void> {
    const contentId = this.#content.id;
    this.#content = await this.#context.manifest.change((tables) => {
      const model = tables.models.get(this.modelId);
      const content = tables.contents.get(contentId);
      const gone =
        model === undefined ||
        content === undefined ||
        model.contentId !== contentId ||
        content.state === 'deleting';
      if (gone || (halted === 'refuse' && model.halt !== null)) throw stopped();
      const next = edit(tables, content);
      tables.contents.set(contentId, next);
      return next;
    });
    this.#context.changed(this.modelId);
  }
}

function stopped(): AppError {
  return new AppError('aborted', 'The download was stopped.');
}

interface Outcome {
  readonly manifest: ModelManifest;
  /** Whether the model now shares another content and its own is marked for deletion. */
  readonly duplicate: boolean;
  readonly error: AppError | null;
}

/** The last step, inside one transaction: ready, shared, or not what was published. */
function settle(tables: ManifestTables, modelId: string, sha256: string): Outcome {
  const model = modelIn(tables, modelId);
  const content = contentIn(tables, model.contentId);
  if (model.expectedSha256 !== null && model.expectedSha256 !== sha256) {
    return rejectHash(tables, model, content, sha256);
  }
  const twin = [...tables.contents.values()].find(
    (other) =>
      other.id !== content.id &&
      other.state === 'ready' &&
      other.sha256 === sha256 &&
      other.size === content.size,
  );
  if (twin !== undefined && !isShared(tables, content.id)) {
    const shared: ModelRecord = { ...model, contentId: twin.id, halt: null };
    tables.models.set(modelId, shared);
    releaseContent(tables, content.id);
    return { manifest: joinManifest(shared, twin), duplicate: true, error: null };
  }
  const ready: ContentRecord = {
    ...inState(content, 'ready'),
    sha256,
    hashProgress: null,
    problem: null,
  };
  const complete: ModelRecord = { ...model, halt: null };
  tables.contents.set(ready.id, ready);
  tables.models.set(modelId, complete);
  return { manifest: joinManifest(complete, ready), duplicate: false, error: null };
}

function isShared(tables: ManifestTables, contentId: string): boolean {
  return [...tables.models.values()].filter((model) => model.contentId === contentId).length > 1;
}

function rejectHash(
  tables: ManifestTables,
  model: ModelRecord,
  content: ContentRecord,
  sha256: string,
): Outcome {
  const error = new AppError(
    'download/hash-mismatch',
    `"${model.fileName}" does not match the checksum its publisher gives, so it cannot be used. Download it again.`,
    { details: { expected: model.expectedSha256, actual: sha256 } },
  );
  const damaged: ContentRecord = {
    ...inState(content, 'damaged'),
    problem: toStoredError(error),
  };
  tables.contents.set(content.id, damaged);
  return { manifest: joinManifest(model, damaged), duplicate: false, error };
}
