/** SHA-256 of blocks (at once) and of whole files (streaming, with a state that can be saved). */
import { createSHA256, sha256 } from 'hash-wasm';
import { toHex } from '../common/bytes.ts';
import type { HashProgress } from './manifest.ts';

/** Lower-case hexadecimal SHA-256 of one block. */
export async function hashBlock(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // Web Crypto works beside this thread, but pages served without TLS do not have it.
  if (typeof crypto === 'undefined' || typeof crypto.subtle === 'undefined') return sha256(bytes);
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

/** SHA-256 of a file that arrives from its beginning, piece by piece. */
export class StreamingHash {
  readonly #hasher: Awaited<ReturnType<typeof createSHA256>>;
  #bytes: number;

  private constructor(hasher: Awaited<ReturnType<typeof createSHA256>>, bytes: number) {
    this.#hasher = hasher;
    this.#bytes = bytes;
  }

  /**
   * Goes on from a saved state; starts anew when there is none or when it was saved by another
   * version of the hash library (then `bytes` is 0 and the caller feeds the stored part again).
   */
  static async resume(progress: HashProgress | null): Promise<StreamingHash> {
    const hasher = await createSHA256();
    if (progress !== null) {
      try {
        hasher.load(progress.state);
        return new StreamingHash(hasher, progress.bytes);
      } catch {
        // The state is only a saving of work; what it stood for is on disk.
      }
    }
    hasher.init();
    return new StreamingHash(hasher, 0);
  }

  /** How many bytes of the file went in. */
  get bytes(): number {
    return this.#bytes;
  }

  update(bytes: Uint8Array): void {
    this.#hasher.update(bytes);
    this.#bytes += bytes.byteLength;
  }

  save(): HashProgress {
    return { bytes: this.#bytes, state: this.#hasher.save().slice() };
  }

  /** Takes back what was added since `save`. */
  restore(progress: HashProgress): void {
    this.#hasher.load(progress.state);
    this.#bytes = progress.bytes;
  }

  /** Lower-case hexadecimal; nothing can be added afterwards. */
  digest(): string {
    return this.#hasher.digest('hex');
  }
}
