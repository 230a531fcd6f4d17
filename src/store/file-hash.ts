/** SHA-256 of a whole file that arrives from its beginning, with a state that can be saved. */
import { createSHA256 } from 'hash-wasm';
import type { HashProgress } from './manifest.ts';

export interface FileHash {
  /** How many bytes of the file went in: the place of the next ones. It goes back after a failure. */
  readonly bytes: number;
  /** What can be saved now; it may lag behind by what another thread is still at. */
  readonly progress: HashProgress;
  /** Takes the next bytes, which may be reused afterwards; waits while it is too far behind. */
  update(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /**
   * Lower-case hexadecimal; nothing can be added afterwards. Null when a failure lost bytes: then
   * those from `bytes` on are needed again.
   */
  digest(): Promise<string | null>;
  close(): void;
}

/**
 * Goes on from a saved state; starts anew when there is none or when it was saved by another version
 * of the hash library (then `bytes` is 0 and the caller feeds the stored part again).
 */
export type OpenFileHash = (progress: HashProgress | null) => Promise<FileHash>;

type Hasher = Awaited<ReturnType<typeof createSHA256>>;

/** In this thread: 200 MB/s, during which nothing else happens here. */
export class LocalFileHash implements FileHash {
  readonly #hasher: Hasher;
  #bytes: number;

  private constructor(hasher: Hasher, bytes: number) {
    this.#hasher = hasher;
    this.#bytes = bytes;
  }

  static async open(progress: HashProgress | null): Promise<LocalFileHash> {
    const hasher = await createSHA256();
    if (progress !== null) {
      try {
        hasher.load(progress.state);
        return new LocalFileHash(hasher, progress.bytes);
      } catch {
        // The state is only a saving of work; what it stood for is on disk.
      }
    }
    hasher.init();
    return new LocalFileHash(hasher, 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get progress(): HashProgress {
    return { bytes: this.#bytes, state: this.#hasher.save().slice() };
  }

  update(bytes: Uint8Array): Promise<void> {
    this.#hasher.update(bytes);
    this.#bytes += bytes.byteLength;
    return Promise.resolve();
  }

  digest(): Promise<string> {
    return Promise.resolve(this.#hasher.digest('hex'));
  }

  close(): void {
    // Nothing outlives the object.
  }
}

export const openLocalFileHash: OpenFileHash = (progress) => LocalFileHash.open(progress);
