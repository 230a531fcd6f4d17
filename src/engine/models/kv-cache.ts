/**
 * The memory of one conversation inside a graph model: a backend's cache and how much of it is filled.
 *
 * Keys and values are cut by counting fewer of them. Recurrent blocks cannot be cut: copies of them,
 * taken at places one is likely to come back to, are put back instead, and what lies between is read
 * again by the caller.
 */
import { AppError } from '../../common/errors.ts';
import type { Backend, KvCacheHandle, KvCacheSpec, RecurrentSnapshot } from '../backend/backend.ts';
import { isSegment } from '../backend/kv-segment.ts';
import type { ModelState, SegmentAccess } from './language-model.ts';

/**
 * Copies kept at a time: the ends of the last prompts of a chat, so that another answer, an edited
 * question and the one before it are near. Of Mamba 2.8B one takes 25 MB.
 */
export const mostSnapshots = 4;

interface Remembered {
  readonly length: number;
  readonly snapshot: RecurrentSnapshot;
}

export class KvCache implements ModelState {
  readonly #backend: Backend;
  readonly #onDispose: (cache: KvCache) => void;
  #handle: KvCacheHandle | null;
  #length = 0;
  /** In the order of their lengths. */
  #remembered: Remembered[] = [];
  /** From before the present step, which may fail. */
  #before: Remembered | null = null;
  readonly capacity: number;
  readonly bytes: number;
  readonly cuttable: boolean;
  readonly segments: SegmentAccess | null;

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
    this.cuttable = (spec.recurrent ?? []).length === 0;
    this.segments = this.cuttable ? this.#segmentAccess(spec.layers) : null;
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

  truncate(length: number): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.#length) {
      throw new AppError('invalid-argument', 'A conversation can only be cut where it has been.', {
        details: { length, current: this.#length },
      });
    }
    if (this.cuttable || length === this.#length) this.#length = length;
    else this.#goBack(length);
    return this.#length;
  }

  async copyFrom(other: ModelState): Promise<void> {
    if (!(other instanceof KvCache) || (!this.cuttable && other.#backend !== this.#backend)) {
      throw new AppError('not-supported', 'This conversation cannot be copied.');
    }
    if (other.#length > this.capacity) {
      throw new AppError(
        'engine/context-overflow',
        `The conversation holds ${other.#length} tokens and cannot be kept in ${this.capacity}.`,
        { details: { capacity: this.capacity, tokens: other.#length } },
      );
    }
    if (this.#length > other.#length) this.truncate(other.#length);
    const [first, end] = [this.#length, other.#length];
    if (end > first) {
      for (const layer of this.handle.spec.layers.keys()) {
        const positions = await other.#backend.readCache(other.handle, layer, first, end - first);
        this.#backend.writeCache(this.handle, layer, first, positions);
      }
    }
    if (!this.cuttable) {
      this.#backend.restoreRecurrent(this.handle, this.#backend.saveRecurrent(other.handle));
      this.#remembered = [...other.#remembered];
    }
    this.#length = end;
  }

  remember(): void {
    if (this.cuttable || this.#length === 0) return;
    if (this.#remembered.at(-1)?.length === this.#length) return;
    const snapshot = this.#backend.saveRecurrent(this.handle);
    this.#remembered.push({ length: this.#length, snapshot });
    if (this.#remembered.length > mostSnapshots) this.#release(this.#remembered.shift());
  }

  /** A step begins. Before a long one a copy is taken, so that stopping it does not cost those before. */
  begin(positions: number): void {
    if (this.cuttable || positions === 1 || this.#length === 0) return;
    this.#before = { length: this.#length, snapshot: this.#backend.saveRecurrent(this.handle) };
  }

  /** Counts positions that a step has filled. */
  advance(positions: number): void {
    this.#length += positions;
    this.#release(this.#before);
    this.#before = null;
  }

  /** A step failed: keys behind `length` do not count, but recurrent blocks may have moved on. */
  spoil(): void {
    const before = this.#before;
    this.#before = null;
    if (this.cuttable || this.#handle === null) return;
    if (before === null) this.#goBack(this.#length);
    else this.#backend.restoreRecurrent(this.#handle, before.snapshot);
    this.#release(before);
  }

  dispose(): void {
    if (this.#handle === null) return;
    this.#backend.releaseCache(this.#handle);
    this.#handle = null;
    this.#length = 0;
    this.#remembered = [];
    this.#before = null;
    this.#onDispose(this);
  }

  #segmentAccess(layers: KvCacheSpec['layers']): SegmentAccess | null {
    const { segments } = this.#backend;
    if (segments === undefined) return null;
    return {
      format: layers.map((one) => `${one.kvHeads}x${one.headDim}+${one.valueDim}`).join(),
      read: (start, positions) => segments.read(this.handle, start, positions),
      append: (tokens, segment) => {
        const fits = this.#length + tokens.length <= this.capacity;
        if (!fits || !isSegment(layers, tokens.length, segment)) return false;
        segments.write(this.handle, this.#length, tokens.length, segment);
        this.#length += tokens.length;
        return true;
      },
    };
  }

  /** To the last remembered place that is not behind `length`, or to the start. */
  #goBack(length: number): void {
    for (const place of this.#remembered) if (place.length > length) this.#release(place);
    this.#remembered = this.#remembered.filter((place) => place.length <= length);
    const place = this.#remembered.at(-1);
    this.#backend.restoreRecurrent(this.handle, place?.snapshot ?? null);
    this.#length = place?.length ?? 0;
  }

  #release(place: Remembered | null | undefined): void {
    if (place && this.#handle) this.#backend.releaseRecurrent?.(this.#handle, place.snapshot);
  }
}
