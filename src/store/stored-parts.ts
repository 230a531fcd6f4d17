import type { ByteSource } from '../common/byte-source.ts';
import { JoinedByteSource } from '../common/joined-byte-source.ts';
import type { ModelManifest } from './manifest.ts';
import type { StoreContext } from './store-context.ts';
import { StoredByteSource } from './stored-byte-source.ts';

/** A stored model being read; close it to let the model be deleted again. */
export interface OpenedModel extends ByteSource {
  close(): void;
}

/** The files of a stored model, read as one. */
export class StoredParts extends JoinedByteSource<StoredByteSource> implements OpenedModel {
  readonly contentHash: string;
  readonly #release: () => void;

  constructor(
    context: StoreContext,
    parts: readonly ModelManifest[],
    checkedBlocks: Set<string>,
    release: () => void,
  ) {
    super(
      parts.map(
        (model) =>
          new StoredByteSource({ context, model, checkedBlocks, release: () => undefined }),
      ),
    );
    this.contentHash = this.parts.map((part) => part.contentHash).join('+');
    this.#release = release;
  }

  /** Ends the use of the model. Reads after it are refused. */
  close(): void {
    for (const part of this.parts) part.close();
    this.#release();
  }
}
