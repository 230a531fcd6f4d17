import { AppError } from '../common/errors.ts';
import type { ChunkStore } from './chunk-store.ts';
import { missingBlock } from './store-errors.ts';

export interface MemoryChunkStoreOptions {
  /** `put` beyond this many bytes in all is refused as `store/quota`. */
  readonly limitBytes?: number;
}

/** Blocks in memory: for private windows and blocked storage. */
export class MemoryChunkStore implements ChunkStore {
  readonly kind = 'memory';
  readonly #contents = new Map<string, Map<number, Uint8Array<ArrayBuffer>>>();
  readonly #limitBytes: number;
  #bytes = 0;

  constructor(options: MemoryChunkStoreOptions = {}) {
    this.#limitBytes = options.limitBytes ?? Infinity;
  }

  async put(contentId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await Promise.resolve();
    const blocks = this.#contents.get(contentId) ?? new Map<number, Uint8Array<ArrayBuffer>>();
    const growth = bytes.byteLength - (blocks.get(index)?.byteLength ?? 0);
    if (this.#bytes + growth > this.#limitBytes) {
      throw new AppError(
        'store/quota',
        'Without browser storage the model must fit in memory, and it does not. Choose a smaller model or leave the private window.',
        { details: { limitBytes: this.#limitBytes } },
      );
    }
    blocks.set(index, bytes.slice());
    this.#contents.set(contentId, blocks);
    this.#bytes += growth;
  }

  async get(contentId: string, index: number): Promise<Uint8Array<ArrayBuffer>> {
    await Promise.resolve();
    const block = this.#contents.get(contentId)?.get(index);
    if (block === undefined) throw missingBlock(contentId, index);
    return block.slice();
  }

  async blob(contentId: string, index: number): Promise<Blob> {
    return new Blob([await this.get(contentId, index)]);
  }

  async delete(contentId: string, index: number): Promise<void> {
    await Promise.resolve();
    const blocks = this.#contents.get(contentId);
    this.#bytes -= blocks?.get(index)?.byteLength ?? 0;
    blocks?.delete(index);
  }

  async list(contentId: string): Promise<number[]> {
    await Promise.resolve();
    return [...(this.#contents.get(contentId)?.keys() ?? [])].sort((a, b) => a - b);
  }

  async removeContent(contentId: string): Promise<void> {
    await Promise.resolve();
    for (const block of this.#contents.get(contentId)?.values() ?? []) {
      this.#bytes -= block.byteLength;
    }
    this.#contents.delete(contentId);
  }

  release(): Promise<void> {
    // Reads are copies.
    return Promise.resolve();
  }

  async contents(): Promise<string[]> {
    await Promise.resolve();
    return [...this.#contents.keys()];
  }

  close(): void {
    this.#contents.clear();
    this.#bytes = 0;
  }
}
