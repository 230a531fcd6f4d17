/**
 * A chunk store that fails on purpose, around a real one: tests state which operation fails, and
 * how, and then see that nothing false became `ready`.
 */
import type { ChunkStore } from './chunk-store.ts';

export type ChunkOperation = 'put' | 'get' | 'delete' | 'list' | 'removeContent';

export interface ChunkCall {
  readonly operation: ChunkOperation;
  readonly contentId: string;
  /** Null where the operation is not about one block. */
  readonly index: number | null;
  /** How many calls of this operation came before. */
  readonly count: number;
}

/**
 * `throw` fails before anything happens; `throw-after` does the work and then fails, as a connection
 * does that is lost after the commit; `drop` acknowledges without keeping (a lying disk);
 * `flip-bit` changes one bit of what is read.
 */
export type ChunkFault =
  | { readonly kind: 'throw' | 'throw-after'; readonly error: Error }
  | { readonly kind: 'drop' }
  | { readonly kind: 'flip-bit'; readonly byte: number };

export type FaultPlan = (call: ChunkCall) => ChunkFault | null;

export class FaultyChunkStore implements ChunkStore {
  readonly #inner: ChunkStore;
  readonly #counts = new Map<ChunkOperation, number>();
  /** Replace it at any time; the counts go on. */
  plan: FaultPlan;

  constructor(inner: ChunkStore, plan: FaultPlan = () => null) {
    this.#inner = inner;
    this.plan = plan;
  }

  get kind(): ChunkStore['kind'] {
    return this.#inner.kind;
  }

  get notes(): ChunkStore['notes'] {
    return this.#inner.notes;
  }

  async put(contentId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const fault = this.#next('put', contentId, index);
    if (fault?.kind === 'throw') throw fault.error;
    if (fault?.kind === 'drop') return;
    await this.#inner.put(contentId, index, bytes);
    if (fault?.kind === 'throw-after') throw fault.error;
  }

  async get(
    contentId: string,
    index: number,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const fault = this.#next('get', contentId, index);
    if (fault?.kind === 'throw' || fault?.kind === 'throw-after') throw fault.error;
    const bytes = await this.#inner.get(contentId, index, spare);
    if (fault?.kind === 'flip-bit') bytes[fault.byte] = (bytes[fault.byte] ?? 0) ^ 1;
    return bytes;
  }

  async blob(contentId: string, index: number): Promise<Blob> {
    return new Blob([await this.get(contentId, index)]);
  }

  async delete(contentId: string, index: number): Promise<void> {
    const fault = this.#next('delete', contentId, index);
    if (fault?.kind === 'throw') throw fault.error;
    await this.#inner.delete(contentId, index);
    if (fault?.kind === 'throw-after') throw fault.error;
  }

  async list(contentId: string): Promise<number[]> {
    const fault = this.#next('list', contentId, null);
    if (fault?.kind === 'throw' || fault?.kind === 'throw-after') throw fault.error;
    return this.#inner.list(contentId);
  }

  async removeContent(contentId: string): Promise<void> {
    const fault = this.#next('removeContent', contentId, null);
    if (fault?.kind === 'throw') throw fault.error;
    await this.#inner.removeContent(contentId);
    if (fault?.kind === 'throw-after') throw fault.error;
  }

  release(contentId: string): Promise<void> {
    return this.#inner.release(contentId);
  }

  contents(): Promise<string[]> {
    return this.#inner.contents();
  }

  close(): void {
    this.#inner.close();
  }

  #next(operation: ChunkOperation, contentId: string, index: number | null): ChunkFault | null {
    const count = this.#counts.get(operation) ?? 0;
    this.#counts.set(operation, count + 1);
    return this.plan({ operation, contentId, index, count });
  }
}
