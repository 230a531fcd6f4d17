/** The memory of one conversation inside WASM memory: keys, values, recurrent blocks. */
import { AppError } from '../../../common/errors.ts';
import type { KvCacheHandle, KvCacheSpec, RecurrentSnapshot } from '../backend.ts';
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
import type { CacheNeeds } from './compiled-graph.ts';
import type { Kernels } from './kernel-module.ts';

const kvElementBytes = { f32: 4, f16: 2, q8: 1 } as const;

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

/** Addresses of vectors (kvHead, position, dim) and, in a `q8` cache, of their scales. */
interface Vectors {
  readonly data: number;
  readonly scales: number;
}

interface CacheLayer {
  readonly keys: Vectors;
  readonly values: Vectors;
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
    const vectors = (kvHeads: number, size: number): Vectors => {
      const count = kvHeads * capacity;
      const data = allocate(count * size * kvElementBytes[type]);
      return { data, scales: type === 'q8' ? allocate(count * 4) : 0 };
    };
    try {
      const rows: number[] = [];
      this.#layers = spec.layers.map(({ kvHeads, headDim, valueDim }) => {
        const keys = vectors(kvHeads, headDim);
        const values = vectors(kvHeads, valueDim);
        rows.push(kvHeads, headDim, keys.data, keys.scales, valueDim, values.data, values.scales);
        return { keys, values };
      });
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

  /** Whether a compiled graph finds here what its commands address. */
  fits({ layers, recurrent }: CacheNeeds): boolean {
    const attends = [...layers].every(([layer, needs]) => {
      const shape = this.spec.layers[layer];
      if (shape === undefined) return false;
      const { kvHeads, headDim, valueDim } = shape;
      return (
        kvHeads * headDim === (needs.keyWidth ?? kvHeads * headDim) &&
        kvHeads * valueDim === (needs.valueWidth ?? kvHeads * valueDim) &&
        kvHeads === (needs.kvHeads ?? kvHeads)
      );
    });
    return attends && [...recurrent].every(([slot, size]) => this.#recurrent[slot]?.size === size);
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
  ): Vectors & { readonly count: number } {
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
