/** The memory of one conversation inside WASM memory: keys, values, recurrent blocks. */
import { AppError } from '../../../common/errors.ts';
import type { KvCacheHandle, KvCacheSpec, RecurrentSnapshot } from '../backend.ts';
import {
  convertVectors,
  headRanges,
  kvElementBytes,
  type KvPositions,
  type KvVectors,
} from '../kv-data.ts';
import {
  expandHalves,
  expandRun,
  quantiseHalves,
  quantiseRun,
  segmentBytes,
  segmentRuns,
  type SegmentRun,
} from '../kv-segment.ts';
import { CACHE_WORDS, kvTypeCodes } from './command-layout.ts';
import type { Kernels } from './kernel-module.ts';

/** Copies of the recurrent blocks, outside WASM memory. */
export class WasmSnapshot implements RecurrentSnapshot {
  readonly blocks: readonly Float32Array[];

  constructor(blocks: readonly Float32Array[]) {
    this.blocks = blocks;
  }

  get bytes(): number {
    return this.blocks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

/** Where the vectors of a layer lie; `scales` is 0 where there are none. */
interface VectorPlace {
  readonly kvHeads: number;
  readonly size: number;
  readonly data: number;
  readonly scales: number;
}

interface CacheLayer {
  readonly keys: VectorPlace;
  readonly values: VectorPlace;
}

export class WasmCache implements KvCacheHandle {
  readonly spec: KvCacheSpec;
  readonly bytes: number;
  /** Of the C `Cache`. */
  readonly address: number;
  readonly owner: Kernels;
  readonly #blocks: number[] = [];
  readonly #layers: readonly CacheLayer[];
  readonly #recurrent: readonly { readonly address: number; readonly size: number }[];
  #released = false;

  /** @throws AppError `invalid-argument`, `engine/out-of-memory` */
  constructor(owner: Kernels, spec: KvCacheSpec) {
    checkShape(spec);
    this.owner = owner;
    this.spec = spec;
    const { capacity, type } = spec;
    const { heap } = owner;
    let bytes = 0;
    const allocate = (size: number): number => {
      bytes += size;
      this.#blocks.push(heap.allocate(size));
      return this.#blocks.at(-1) ?? 0;
    };
    const vectors = (kvHeads: number, size: number): VectorPlace => {
      const count = kvHeads * capacity;
      const data = allocate(count * size * kvElementBytes[type]);
      return { kvHeads, size, data, scales: type === 'q8' ? allocate(count * 4) : 0 };
    };
    const words = ({ size, data, scales }: VectorPlace): number[] => [size, data, scales];
    try {
      this.#layers = spec.layers.map(({ kvHeads, headDim, valueDim }) => ({
        keys: vectors(kvHeads, headDim),
        values: vectors(kvHeads, valueDim),
      }));
      const rows = this.#layers.flatMap(({ keys, values }) => [
        keys.kvHeads,
        ...words(keys),
        ...words(values),
      ]);
      this.#recurrent = (spec.recurrent ?? []).map((size) => ({
        address: allocate(size * 4),
        size,
      }));
      this.bytes = bytes;
      const layersAt = allocate(rows.length * 4);
      const slotsAt = allocate(this.#recurrent.length * 4);
      this.address = allocate(CACHE_WORDS * 4);
      heap.u32(layersAt, rows.length).set(rows);
      heap.u32(slotsAt, this.#recurrent.length).set(this.#recurrent.map(({ address }) => address));
      heap.u32(this.address, CACHE_WORDS).set([capacity, kvTypeCodes[type], layersAt, slotsAt]);
    } catch (error) {
      this.release();
      throw error;
    }
    this.restore(null);
  }

  get released(): boolean {
    return this.#released;
  }

  read(layer: number, first: number, count: number): KvPositions {
    const { keys, values } = this.#layer(layer, first + count);
    return { keys: this.#copyOut(keys, first, count), values: this.#copyOut(values, first, count) };
  }

  write(layer: number, first: number, positions: KvPositions): void {
    const { keys, values } = this.#layer(layer, first);
    this.#copyIn(keys, first, positions.keys);
    this.#copyIn(values, first, positions.values);
  }

  #layer(index: number, end: number): CacheLayer {
    const layer = this.#layers[index];
    if (layer !== undefined && end <= this.spec.capacity) return layer;
    throw outside(index, end);
  }

  #copyOut({ kvHeads, size, data, scales }: VectorPlace, first: number, count: number): KvVectors {
    const { type, capacity } = this.spec;
    const gather = (address: number, bytes: number): Uint8Array<ArrayBuffer> => {
      const all = new Uint8Array(kvHeads * count * bytes);
      const memory = this.owner.heap.bytes();
      headRanges({ kvHeads, capacity, bytes }, first, count).forEach(({ offset, length }, head) => {
        const start = address + offset;
        all.set(memory.subarray(start, start + length), head * length);
      });
      return all;
    };
    const components = gather(data, size * kvElementBytes[type]);
    const factors = scales === 0 ? null : new Float32Array(gather(scales, 4).buffer);
    return { type, size, data: components, scales: factors };
  }

  #copyIn(place: VectorPlace, first: number, given: KvVectors): void {
    const { kvHeads, size, data, scales } = place;
    const { type, capacity } = this.spec;
    const vectors = convertVectors(given, type);
    const bytes = size * kvElementBytes[type];
    const count = vectors.data.length / (kvHeads * bytes);
    if (vectors.size !== size || !Number.isInteger(count) || first + count > capacity) {
      throw outside(first, count);
    }
    const scatter = (address: number, from: Uint8Array, each: number): void => {
      const memory = this.owner.heap.bytes();
      headRanges({ kvHeads, capacity, bytes: each }, first, count).forEach(
        ({ offset, length }, head) => {
          memory.set(from.subarray(head * length, (head + 1) * length), address + offset);
        },
      );
    };
    scatter(data, vectors.data, bytes);
    if (vectors.scales !== null) scatter(scales, new Uint8Array(vectors.scales.buffer), 4);
  }

  save(): WasmSnapshot {
    const { heap } = this.owner;
    return new WasmSnapshot(
      this.#recurrent.map(({ address, size }) => heap.f32(address, size).slice()),
    );
  }

  /** Null: zeros, as before the first token. */
  restore(snapshot: WasmSnapshot | null): void {
    this.#recurrent.forEach(({ address, size }, slot) => {
      const block = this.owner.heap.f32(address, size);
      const saved = snapshot?.blocks[slot];
      if (saved === undefined) block.fill(0);
      else block.set(saved);
    });
  }

  readSegment(start: number, positions: number): Uint8Array<ArrayBuffer> {
    const { layers, type } = this.spec;
    const { heap } = this.owner;
    const segment = new Uint8Array(segmentBytes(layers, positions));
    for (const run of segmentRuns(layers, positions, segment)) {
      const { data, scales, count } = this.#vectorsAt(run, start, positions);
      if (type === 'f16') quantiseHalves(run, heap.u16(data, count));
      else if (type === 'f32') quantiseRun(run, heap.f32(data, count));
      else {
        run.digits.set(heap.i8(data, count));
        run.scales.set(heap.f32(scales, positions));
      }
    }
    return segment;
  }

  writeSegment(start: number, positions: number, segment: Uint8Array<ArrayBuffer>): void {
    const { layers, type } = this.spec;
    const { heap } = this.owner;
    for (const run of segmentRuns(layers, positions, segment)) {
      const { data, scales, count } = this.#vectorsAt(run, start, positions);
      if (type === 'f16') expandHalves(run, heap.u16(data, count));
      else if (type === 'f32') expandRun(run, heap.f32(data, count));
      else {
        heap.i8(data, count).set(run.digits);
        heap.f32(scales, positions).set(run.scales);
      }
    }
  }

  /** Where positions [start, start + positions) of a run lie, and how many components they have. */
  #vectorsAt(
    { layer, part, head, size }: SegmentRun,
    start: number,
    positions: number,
  ): Pick<VectorPlace, 'data' | 'scales'> & { readonly count: number } {
    const { capacity, type } = this.spec;
    const { data, scales } = (this.#layers[layer] as CacheLayer)[part];
    const first = head * capacity + start;
    return {
      data: data + first * size * kvElementBytes[type],
      scales: scales + first * 4,
      count: positions * size,
    };
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const block of this.#blocks) this.owner.heap.free(block);
  }
}

function outside(layer: number, end: number): AppError {
  return new AppError('invalid-argument', 'There are no such keys in the conversation memory.', {
    details: { layer, end },
  });
}

function checkShape({ layers, recurrent = [], capacity }: KvCacheSpec): void {
  const isCount = (size: number): boolean => Number.isSafeInteger(size) && size > 0;
  const fits = layers.every(({ kvHeads, headDim, valueDim }) => {
    return [kvHeads, headDim, valueDim].every(isCount) && headDim % 4 === 0 && valueDim % 4 === 0;
  });
  if (fits && recurrent.every(isCount) && isCount(capacity)) return;
  throw new AppError('invalid-argument', 'The shape of the conversation memory is out of range.', {
    details: { layers: JSON.stringify(layers), recurrent: recurrent.join(), capacity },
  });
}
