/**
 * Where the bytes of models lie: numbered blocks, grouped by content.
 *
 * It knows nothing of files, states or hashes; the manifest does. One contract suite
 * (`test/contract/store`) holds for every implementation.
 */
export interface ChunkStore {
  /** `memory` is forgotten when the page closes. */
  readonly kind: 'opfs' | 'indexeddb' | 'memory';

  /**
   * Resolves after the block was committed; from then on `get` returns it. Overwrites. `bytes` may
   * be reused by the caller afterwards.
   * @throws AppError `store/quota` (nothing was changed), `store/unavailable`, `store/closed`
   */
  put(contentId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;

  /**
   * A copy of the block's bytes: never null, never a part of what was put. `spare` is memory the
   * caller has no use for any more (an older result's buffer); the store may fill and return it.
   * @throws AppError `store/not-found` (no such block), `store/damaged` (there, but unreadable)
   */
  get(contentId: string, index: number, spare?: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * The block as a Blob, without bringing its bytes into this thread's memory where the store can.
   * @throws AppError as `get`
   */
  blob(contentId: string, index: number): Promise<Blob>;

  /** Deleting what is not there is no error. */
  delete(contentId: string, index: number): Promise<void>;

  /** Indices of the blocks, ascending. */
  list(contentId: string): Promise<number[]>;

  /** Deletes all blocks of a content and gives their space back to the browser. */
  removeContent(contentId: string): Promise<void>;

  /**
   * Lets go of what reading a content holds in this thread, so that its deletion, here or in another
   * thread, gives the space back at once. Call it when a reader is done.
   */
  release(contentId: string): Promise<void>;

  /** Undefined where blocks and manifest are lost together. */
  readonly notes?: ContentNotes | undefined;

  /** Contents that occupy space, known to a manifest or not. */
  contents(): Promise<string[]>;

  close(): void;
}

/** A few bytes beside the blocks of a content, for what the manifest says about it: `content-note.ts`. */
export interface ContentNotes {
  /** Replaces the note of a content, at once or not at all. @throws AppError `store/*` */
  write(contentId: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Null without a readable one. */
  read(contentId: string): Promise<Uint8Array | null>;
}
