/**
 * The low planes of a loaded model: given up where memory is short, read again from the model's file
 * where there is enough.
 *
 * 4-bit mode does not read them, so that a model whose low planes are gone answers as before in that
 * mode, from half the memory.
 */
import { throwIfAborted } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import { AppError } from '../../common/errors.ts';
import { bitsRead, type Backend, type Precision, type WeightHandle } from '../backend/backend.ts';
import type { GivenPlanes } from '../models/language-model.ts';
import type { ModelTensor } from '../models/model-definition.ts';
import { readAhead, RowFeeder } from './row-feeder.ts';

export class LowPlanes implements GivenPlanes {
  readonly #backend: Backend;
  readonly #weights: ReadonlyMap<string, WeightHandle>;
  readonly #tensors: readonly ModelTensor[];
  /** Bytes of each plane that was given up. */
  readonly #dropped = new Map<WeightHandle, number>();

  /** @param tensors of the weights, in file order */
  constructor(
    backend: Backend,
    weights: ReadonlyMap<string, WeightHandle>,
    tensors: readonly ModelTensor[],
  ) {
    this.#backend = backend;
    this.#weights = weights;
    this.#tensors = tensors;
  }

  get droppable(): boolean {
    return this.#backend.dropLow !== undefined;
  }

  /** Bytes that are in memory. */
  get bytes(): number {
    let sum = 0;
    for (const { lowBytes } of this.#weights.values()) sum += lowBytes;
    return sum;
  }

  /** Bytes that were given up and not restored yet. */
  get droppedBytes(): number {
    let sum = 0;
    for (const bytes of this.#dropped.values()) sum += bytes;
    return sum;
  }

  /** Gives up those that steps of this precision do not read; nothing where the backend cannot. */
  drop(precision: Precision): void {
    if (this.#backend.dropLow === undefined) return;
    for (const weight of this.#weights.values()) {
      const { lowBytes } = weight;
      if (lowBytes === 0 || bitsRead(weight, precision) === 8) continue;
      this.#backend.dropLow(weight);
      if (weight.lowBytes === 0) this.#dropped.set(weight, lowBytes);
    }
  }

  /** Whether everything that steps of this precision read is in memory. */
  has(precision: Precision): boolean {
    if (precision === 8) return this.#dropped.size === 0;
    return precision === 4 || ![...this.#dropped.keys()].some(({ sensitive }) => sensitive);
  }

  /**
   * Reads again what was given up and steps of this precision read, tensor by tensor; steps may run
   * meanwhile and read 4 bits of what is not here yet.
   * @throws AppError `engine/out-of-memory`, `aborted`, what the source throws: what was restored stays
   */
  async restore(precision: Precision, source: ByteSource, signal: AbortSignal): Promise<void> {
    const missing = this.#tensors.filter(({ tensor }) => {
      const weight = this.#weights.get(tensor.name);
      const wanted = weight !== undefined && this.#dropped.has(weight);
      return wanted && (precision === 8 || (precision === 'mixed' && weight.sensitive));
    });
    let feeder: RowFeeder | null = null;
    try {
      for await (const { weight, bytes, last } of readAhead(source, missing, signal)) {
        throwIfAborted(signal);
        feeder ??= this.#feeder(weight);
        feeder.push(bytes);
        if (last) {
          this.#dropped.delete(feeder.finish());
          feeder = null;
        }
        await this.#backend.ready();
      }
    } catch (error) {
      feeder?.abandon();
      throw error;
    }
  }

  #feeder(weight: ModelTensor): RowFeeder {
    const handle = this.#weights.get(weight.tensor.name);
    const writer = handle && this.#backend.restoreLow?.(handle);
    if (writer === undefined) {
      throw new AppError('internal', 'A plane was given up that cannot be restored.');
    }
    return new RowFeeder(weight, writer);
  }
}
