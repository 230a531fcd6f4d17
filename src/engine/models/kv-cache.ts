/** The memory of one conversation inside a graph model: a backend's KV cache and how much of it is filled. */
import { AppError } from '../../common/errors.ts';
import type { Backend, KvCacheHandle, KvCacheSpec } from '../backend/backend.ts';
import type { ModelState } from './language-model.ts';

export class KvCache implements ModelState {
  readonly #backend: Backend;
  readonly #onDispose: (cache: KvCache) => void;
  #handle: KvCacheHandle | null;
  #length = 0;
  readonly capacity: number;
  readonly bytes: number;

  /**
   * @param onDispose called once, when the memory has been given back
   * @throws AppError `engine/out-of-memory`, `invalid-argument`
   */
  constructor(backend: Backend, spec: KvCacheSpec, onDispose: (cache: KvCache) => void) {
    if (!Number.isSafeInteger(spec.capacity) || spec.capacity < 1) {
      throw new AppError('invalid-argument', 'A context must have at least one position.', {
        details: { capacity: spec.capacity },
      });
    }
    this.#backend = backend;
    this.#onDispose = onDispose;
    this.#handle = backend.createCache(spec);
    this.capacity = spec.capacity;
    this.bytes = this.#handle.bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** @throws AppError `engine/not-loaded` after `dispose` */
  get handle(): KvCacheHandle {
    if (this.#handle === null) {
      throw new AppError(
        'engine/not-loaded',
        'This conversation was closed. Load the model again.',
      );
    }
    return this.#handle;
  }

  truncate(length: number): void {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.#length) {
      throw new AppError('invalid-argument', 'A conversation can only be cut where it has been.', {
        details: { length, current: this.#length },
      });
    }
    this.#length = length;
  }

  /** Counts positions that a step has filled. */
  advance(positions: number): void {
    this.#length += positions;
  }

  dispose(): void {
    if (this.#handle === null) return;
    this.#backend.releaseCache(this.#handle);
    this.#handle = null;
    this.#length = 0;
    this.#onDispose(this);
  }
}
