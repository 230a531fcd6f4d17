/**
 * A stored model as a `ByteSource`.
 *
 * Browsers do not report a disk that lost a bit, so the first read of a block in a session compares
 * its hash with the manifest. A few blocks are kept in memory, because the reader of a model walks
 * through it from front to back in pieces smaller or larger than a block.
 */
import { throwIfAborted } from '../common/abort.ts';
import { type ByteSource, checkRange } from '../common/byte-source.ts';
import { AppError, hasCode } from '../common/errors.ts';
import { blockIndexAt, blockRange } from './block-layout.ts';
import { hashBlock } from './content-hash.ts';
import { damagedError, markDamaged } from './damage.ts';
import type { BlockEntry, ModelManifest } from './manifest.ts';
import type { StoreContext } from './store-context.ts';

/** The block being read, the one read ahead, and the one before (a tensor may begin in it). */
const cachedBlocks = 3;

export interface StoredByteSourceOptions {
  readonly context: StoreContext;
  readonly model: ModelManifest;
  /** Blocks whose hash was right in this session, as `contentId:index`; shared by all sources. */
  readonly checkedBlocks: Set<string>;
  /** Lets the shared lock go. */
  readonly release: () => void;
}

interface CachedBlock {
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
  /** Reads that wait for it. */
  readers: number;
}

export class StoredByteSource implements ByteSource {
  readonly size: number;
  /** SHA-256 of the file. */
  readonly contentHash: string;
  readonly #options: StoredByteSourceOptions;
  readonly #entries: ReadonlyMap<number, BlockEntry>;
  /** In order of last use, the newest last. */
  readonly #cache = new Map<number, CachedBlock>();
  #lastIndex = -1;
  #closed = false;

  constructor(options: StoredByteSourceOptions) {
    this.#options = options;
    this.size = options.model.size ?? 0;
    // A ready model was hashed as a whole; one that was not is named by nothing that others have.
    this.contentHash = options.model.sha256 ?? options.model.contentId;
    this.#entries = new Map(options.model.blocks.map((block) => [block.index, block]));
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    const { sizes } = this.#options.model;
    const fits = spare !== undefined && spare.byteLength >= length;
    const result = new Uint8Array(fits ? spare : new ArrayBuffer(length), 0, length);
    let done = 0;
    while (done < length) {
      throwIfAborted(signal);
      const position = offset + done;
      const range = blockRange(sizes, this.size, blockIndexAt(sizes, position));
      const from = position - range.offset;
      const count = Math.min(range.bytes - from, length - done);
      const block = this.#block(range.index);
      block.readers++;
      try {
        result.set((await block.bytes).subarray(from, from + count), done);
      } finally {
        block.readers--;
      }
      this.#readAhead(range.index);
      done += count;
    }
    return result;
  }

  /** Ends the use of the model, so that it can be deleted. Reads after it are refused. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cache.clear();
    this.#options.release();
    const { context, model } = this.#options;
    void context.chunks.release(model.contentId);
  }

  #block(index: number): CachedBlock {
    if (this.#closed) {
      throw new AppError('store/closed', 'The model was closed. Load it again.');
    }
    const known = this.#cache.get(index);
    this.#cache.delete(index);
    const block = known ?? { bytes: this.#load(index, this.#spareBlock()), readers: 0 };
    this.#cache.set(index, block);
    if (known === undefined) {
      block.bytes.catch(() => {
        if (this.#cache.get(index) === block) this.#cache.delete(index);
      });
    }
    return block;
  }

  /** Begins to read the next block for whoever goes through the file from front to back. */
  #readAhead(index: number): void {
    const sequential = index === this.#lastIndex || index === this.#lastIndex + 1;
    this.#lastIndex = index;
    if (!sequential || this.#closed || !this.#entries.has(index + 1)) return;
    // A failure ahead is told when the block is really asked for.
    this.#block(index + 1).bytes.catch(() => undefined);
  }

  /** Makes room for one more block: the memory of the one that was not used for longest. */
  #spareBlock(): Promise<ArrayBuffer | undefined> {
    if (this.#cache.size < cachedBlocks) return Promise.resolve(undefined);
    for (const [index, block] of this.#cache) {
      this.#cache.delete(index);
      // A reader that still waits for it will look into this memory.
      if (block.readers > 0) break;
      return block.bytes.then(
        (bytes) => bytes.buffer,
        () => undefined,
      );
    }
    return Promise.resolve(undefined);
  }

  async #load(
    index: number,
    spare: Promise<ArrayBuffer | undefined>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { context, model, checkedBlocks } = this.#options;
    const entry = this.#entries.get(index);
    let cause: unknown;
    try {
      const bytes = await context.chunks.get(model.contentId, index, await spare);
      if (entry !== undefined && (await this.#isIntact(bytes, entry))) return bytes;
    } catch (error) {
      // A store that cannot be reached says nothing about the bytes in it.
      if (!hasCode(error, 'store/damaged', 'store/not-found')) throw error;
      cause = error;
    }
    checkedBlocks.delete(`${model.contentId}:${index}`);
    const problem = damagedError(model.fileName, entry?.bytes ?? 0, [index], cause);
    await markDamaged(context, model.contentId, [index], problem);
    throw problem;
  }

  async #isIntact(bytes: Uint8Array<ArrayBuffer>, entry: BlockEntry): Promise<boolean> {
    if (bytes.byteLength !== entry.bytes) return false;
    const key = `${this.#options.model.contentId}:${entry.index}`;
    if (this.#options.checkedBlocks.has(key)) return true;
    if ((await hashBlock(bytes, this.#options.model.sizes.hashPieceBytes)) !== entry.sha256)
      return false;
    this.#options.checkedBlocks.add(key);
    return true;
  }
}
