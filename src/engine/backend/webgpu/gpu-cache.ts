/** What is remembered of one conversation in GPU memory: a buffer for each layer, one for all states. */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import type { KvCacheHandle, KvCacheSpec, KvLayerSpec, RecurrentSnapshot } from '../backend.ts';
import {
  convertVectors,
  headRanges,
  kvElementBytes,
  type KvPositions,
  type KvVectors,
} from '../kv-data.ts';
import {
  BINDING_ALIGNMENT,
  bufferUsage,
  MAP_READ,
  type GpuMemory,
  type Slice,
} from './gpu-memory.ts';

/**
 * (kvHead, position, headDim) of keys and (kvHead, position, valueDim) of values; q8 has scales (keys,
 * values; kvHead, position).
 */
export interface CacheLayer {
  readonly keys: Slice;
  readonly values: Slice;
  readonly scales: Slice | null;
}

/** A copy of all recurrent blocks, as they lie in the cache. */
export class GpuSnapshot implements RecurrentSnapshot {
  readonly buffer: GPUBuffer;

  constructor(buffer: GPUBuffer) {
    this.buffer = buffer;
  }

  get bytes(): number {
    return this.buffer.size;
  }
}

export class GpuCache implements KvCacheHandle {
  readonly spec: KvCacheSpec;
  readonly bytes: number;
  readonly owner: GpuMemory;
  readonly layers: readonly CacheLayer[];
  /** The capacity, for kernels. */
  readonly info: Slice;
  #buffers: readonly GPUBuffer[];

  /** In the order of `KvCacheSpec.recurrent`, all in one buffer. */
  readonly recurrent: readonly Slice[];
  readonly #queue: GPUQueue;
  readonly #device: GPUDevice;
  readonly #recurrentBytes: number;
  readonly #snapshots = new Set<GpuSnapshot>();

  /** @throws AppError `invalid-argument`, `engine/out-of-memory` */
  constructor(owner: GpuMemory, device: GPUDevice, spec: KvCacheSpec, bindingBytes: number) {
    checkShape(spec);
    const { layers: shapes, recurrent = [], capacity } = spec;
    const sizes = shapes.map((layer) => layerSizes(spec, layer, bindingBytes));
    const buffers: GPUBuffer[] = [];
    const make = (label: string, bytes: number, usage: number): GPUBuffer => {
      const buffer = owner.buffer(label, bytes, usage);
      buffers.push(buffer);
      return buffer;
    };
    const { uniform, copyTarget } = bufferUsage;
    try {
      this.layers = sizes.map(({ keys, values, scales }) => {
        const [valuesAt, scalesAt] = [section(keys), section(keys) + section(values)];
        const buffer = make('cache', scalesAt + scales, cacheUsage);
        return {
          keys: { buffer, offset: 0, size: alignUp(keys, 16) },
          values: { buffer, offset: valuesAt, size: alignUp(values, 16) },
          scales: scales === 0 ? null : { buffer, offset: scalesAt, size: scales },
        };
      });
      this.#recurrentBytes = recurrent.reduce((sum, count) => sum + section(4 * count), 0);
      let offset = 0;
      const blocks =
        recurrent.length === 0 ? null : make('states', this.#recurrentBytes, cacheUsage);
      this.recurrent = recurrent.map((count) => {
        const slice = { buffer: blocks as GPUBuffer, offset, size: alignUp(4 * count, 16) };
        offset += section(4 * count);
        return slice;
      });
      const info = make('cache info', 16, uniform | copyTarget);
      device.queue.writeBuffer(info, 0, Uint32Array.of(capacity));
      this.info = { buffer: info, offset: 0, size: 16 };
    } catch (error) {
      for (const buffer of buffers) owner.free(buffer);
      throw error;
    }
    this.#device = device;
    this.#queue = device.queue;
    this.owner = owner;
    this.spec = spec;
    this.bytes = sizes.reduce(
      (sum, { keys, values, scales }) => sum + keys + values + scales,
      4 * recurrent.reduce((sum, count) => sum + count, 0),
    );
    this.#buffers = buffers;
  }

  get released(): boolean {
    return this.#buffers.length === 0;
  }

  /** Copies positions of a layer through a buffer that can be mapped; steps before it are done first. */
  async read(index: number, first: number, count: number): Promise<KvPositions> {
    const layer = this.#layer(index, first + count);
    const shape = this.spec.layers[index];
    const places = this.#places(index, first, count);
    const total = places.reduce((sum, { ranges }) => sum + sumOf(ranges), 0);
    const { mapRead, copyTarget } = bufferUsage;
    const staging = this.owner.buffer('cache read', total, mapRead | copyTarget);
    try {
      this.#encode((encoder) => {
        let at = 0;
        for (const { offset, ranges } of places) {
          for (const range of ranges) {
            const from = offset + range.offset;
            encoder.copyBufferToBuffer(layer.keys.buffer, from, staging, at, range.length);
            at += range.length;
          }
        }
      });
      await staging.mapAsync(MAP_READ);
      const bytes = new Uint8Array(staging.getMappedRange().slice(0));
      let start = 0;
      const [keys, values, keyScales, valueScales] = places.map(({ ranges }) => {
        const end = start + sumOf(ranges);
        const part = bytes.slice(start, end);
        start = end;
        return part;
      });
      const vectors = (
        size = 0,
        data = new Uint8Array(0),
        scales?: Uint8Array<ArrayBuffer>,
      ): KvVectors => ({
        type: this.spec.type,
        size,
        data,
        scales: scales === undefined ? null : new Float32Array(scales.buffer),
      });
      return {
        keys: vectors(shape?.headDim, keys, keyScales),
        values: vectors(shape?.valueDim, values, valueScales),
      };
    } finally {
      this.owner.free(staging);
    }
  }

  write(index: number, first: number, { keys, values }: KvPositions): void {
    const { type } = this.spec;
    const shape = this.spec.layers[index];
    const given = [convertVectors(keys, type), convertVectors(values, type)];
    const vectorBytes = (shape?.headDim ?? 0) * kvElementBytes[type];
    const count = (given[0]?.data.length ?? 0) / ((shape?.kvHeads ?? 0) * vectorBytes);
    const layer = this.#layer(index, first + count);
    const parts = [
      ...given.map(({ data }) => data),
      ...given.flatMap(({ scales }) => (scales === null ? [] : [new Uint8Array(scales.buffer)])),
    ];
    this.#places(index, first, count).forEach(({ offset, ranges }, part) => {
      let from = 0;
      for (const range of ranges) {
        const bytes = parts[part] ?? new Uint8Array(0);
        const to = offset + range.offset;
        this.#queue.writeBuffer(layer.keys.buffer, to, bytes, from, range.length);
        from += range.length;
      }
    });
  }

  #layer(index: number, end: number): CacheLayer {
    const layer = this.layers[index];
    if (layer !== undefined && end <= this.spec.capacity) return layer;
    throw new AppError('invalid-argument', 'There are no such keys in the conversation memory.', {
      details: { layer: index, end },
    });
  }

  /** Where keys, values and their scales lie in the layer's buffer, in this order. */
  #places(index: number, first: number, count: number) {
    const { capacity, type } = this.spec;
    const { kvHeads = 0, headDim = 0, valueDim = 0 } = this.spec.layers[index] ?? {};
    const { keys, values, scales } = this.#layer(index, first + count);
    const place = (offset: number, bytes: number) => ({
      offset,
      ranges: headRanges({ kvHeads, capacity, bytes }, first, count),
    });
    const vectors = [
      place(keys.offset, headDim * kvElementBytes[type]),
      place(values.offset, valueDim * kvElementBytes[type]),
    ];
    if (scales === null) return vectors;
    return [...vectors, place(scales.offset, 4), place(scales.offset + kvHeads * capacity * 4, 4)];
  }

  /** A copy of the recurrent blocks as the steps submitted so far leave them. */
  save(): GpuSnapshot {
    const { copySource, copyTarget } = bufferUsage;
    const bytes = this.#recurrentBytes;
    const snapshot = new GpuSnapshot(this.owner.buffer('states', bytes, copySource | copyTarget));
    const [first] = this.recurrent;
    if (first !== undefined) this.#copy(first.buffer, snapshot.buffer);
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  /** Null: zeros, as before the first token. */
  restore(snapshot: GpuSnapshot | null): void {
    const [first] = this.recurrent;
    if (first === undefined) return;
    if (snapshot !== null) this.#copy(snapshot.buffer, first.buffer);
    else
      this.#encode((encoder) => {
        encoder.clearBuffer(first.buffer);
      });
  }

  releaseSnapshot(snapshot: GpuSnapshot): void {
    if (this.#snapshots.delete(snapshot)) this.owner.free(snapshot.buffer);
  }

  release(): void {
    for (const buffer of this.#buffers) this.owner.free(buffer);
    for (const { buffer } of this.#snapshots) this.owner.free(buffer);
    this.#buffers = [];
    this.#snapshots.clear();
  }

  #copy(source: GPUBuffer, target: GPUBuffer): void {
    this.#encode((encoder) => {
      encoder.copyBufferToBuffer(source, 0, target, 0, this.#recurrentBytes);
    });
  }

  #encode(record: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.#device.createCommandEncoder();
    record(encoder);
    this.#queue.submit([encoder.finish()]);
  }
}

function sumOf(ranges: readonly { readonly length: number }[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

const cacheUsage = bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyTarget;

/** Bytes of a section of a buffer, the next of which begins where a binding may. */
function section(bytes: number): number {
  return alignUp(bytes, BINDING_ALIGNMENT);
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

/** Bytes of a layer's keys, values and scales. */
function layerSizes(
  { capacity, type }: KvCacheSpec,
  { kvHeads, headDim, valueDim }: KvLayerSpec,
  bindingBytes: number,
): { readonly keys: number; readonly values: number; readonly scales: number } {
  const vectors = kvHeads * capacity;
  const [keys, values] = [headDim, valueDim].map(
    (size) => vectors * size * kvElementBytes[type],
  ) as [number, number];
  const scales = type === 'q8' ? 2 * vectors * 4 : 0;
  if (Math.max(keys, values, scales) > bindingBytes) {
    throw new AppError(
      'engine/out-of-memory',
      'The graphics card cannot address a context of this length. Choose a shorter context, or compute on the processor.',
      { details: { layerBytes: Math.max(keys, values), bindingBytes } },
    );
  }
  return { keys, values, scales };
}
