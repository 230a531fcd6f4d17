import type { BlockSizes } from './block-layout.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { OpenFileHash } from './file-hash.ts';
import type { Locks } from './locks.ts';
import type { ManifestStore } from './manifest-store.ts';

/** What the parts of the model store share. */
export interface StoreContext {
  readonly manifest: ManifestStore;
  readonly chunks: ChunkStore;
  readonly locks: Locks;
  /** For files stored from now on. */
  readonly sizes: BlockSizes;
  /** For files that arrive from now on. */
  readonly openHash: OpenFileHash;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Tells everybody, here and in other tabs, that a model's record changed. */
  readonly changed: (modelId: string) => void;
}

/** The content that the start-up probe writes; no manifest knows it and no clean-up may take it. */
export const probeContentId = 'probe';

/** A name for a content that no other content has. */
export function newContentId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
