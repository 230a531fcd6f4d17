/** Keys and values of one conversation in GPU memory, a buffer for each layer. */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import type { KvCacheHandle, KvCacheSpec, KvLayerSpec } from '../backend.ts';
import {
  convertVectors,
  headRanges,
  kvElementBytes,
  type KvPositions,
  type KvVectors,
} from '../kv-data.ts';
import { BINDING_ALIGNMENT, bufferUsage, type GpuMemory, type Slice } from './gpu-memory.ts';

/** `GPUMapMode.READ` */
const MAP_READ = 1;

/** (kvHead, position, headDim) of keys and values; q8 has scales (keys, values; kvHead, position). */
export interface CacheLayer {
  readonly keys: Slice;
  readonly values: Slice;
  readonly scales: Slice | null;
}

export class GpuCache implements KvCacheHandle {
  readonly spec: KvCacheSpec;
  readonly bytes: number;
  readonly owner: GpuMemory;
  readonly #queue: GPUQueue;
  readonly layers: readonly CacheLayer[];
  /** The capacity, for kernels. */
  readonly info: Slice;
  #buffers: readonly GPUBuffer[];

  /** @throws AppError `invalid-argument`, `engine/out-of-memory` */
  constructor(owner: GpuMemory, queue: GPUQueue, spec: KvCacheSpec, bindingBytes: number) {
    checkShape(spec);
    const sizes = spec.layers.map((layer) => layerSizes(spec, layer, bindingBytes));
    const buffers: GPUBuffer[] = [];
    const usage = bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyTarget;
    try {
      this.layers = sizes.map(({ data, scales, section }) => {
        const buffer = owner.buffer('cache', 2 * section + scales, usage);
        buffers.push(buffer);
        return {
          keys: { buffer, offset: 0, size: alignUp(data, 16) },
          values: { buffer, offset: section, size: alignUp(data, 16) },
          scales: scales === 0 ? null : { buffer, offset: 2 * section, size: scales },
        };
      });
      const info = owner.buffer('cache info', 16, bufferUsage.uniform | bufferUsage.copyTarget);
      buffers.push(info);
      queue.writeBuffer(info, 0, Uint32Array.of(spec.capacity));
      this.info = { buffer: info, offset: 0, size: 16 };
    } catch (error) {
      for (const buffer of buffers) owner.free(buffer);
      throw error;
    }
    this.owner = owner;
    this.#queue = queue;
    this.spec = spec;
    this.bytes = sizes.reduce((sum, { data, scales }) => sum + 2 * data + scales, 0);
    this.#buffers = buffers;
  }

  get released(): boolean {
    return this.#buffers.length === 0;
  }

  /** Copies positions of a layer through a buffer that can be mapped; steps before it are done first. */
  async read(device: GPUDevice, index: number, first: number, count: number): Promise<KvPositions> {
    const layer = this.#layer(index, first + count);
    const { type } = this.spec;
    const places = this.#places(index, first, count);
    const total = places.reduce((sum, { ranges }) => sum + sumOf(ranges), 0);
    const staging = this.owner.buffer(
      'cache read',
      total,
      bufferUsage.mapRead | bufferUsage.copyTarget,
    );
    try {
      const encoder = device.createCommandEncoder();
      let at = 0;
      for (const { offset, ranges } of places) {
        for (const range of ranges) {
          const from = offset + range.offset;
          encoder.copyBufferToBuffer(layer.keys.buffer, from, staging, at, range.length);
          at += range.length;
        }
      }
      this.#queue.submit([encoder.finish()]);
      await staging.mapAsync(MAP_READ);
      const bytes = new Uint8Array(staging.getMappedRange().slice(0));
      let start = 0;
      const [keys, values, keyScales, valueScales] = places.map(({ ranges }) => {
        const end = start + sumOf(ranges);
        const part = bytes.slice(start, end);
        start = end;
        return part;
      });
      const size = this.spec.layers[index]?.headDim ?? 0;
      const vectors = (data = new Uint8Array(0), scales?: Uint8Array<ArrayBuffer>): KvVectors => ({
        type,
        size,
        data,
        scales: scales === undefined ? null : new Float32Array(scales.buffer),
      });
      return { keys: vectors(keys, keyScales), values: vectors(values, valueScales) };
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
        this.#queue.writeBuffer(
          layer.keys.buffer,
          offset + range.offset,
          bytes,
          from,
          range.length,
        );
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
    const { kvHeads = 0, headDim = 0 } = this.spec.layers[index] ?? {};
    const ranges = (bytes: number) => headRanges({ kvHeads, capacity, bytes }, first, count);
    const { keys, values, scales } = this.#layer(index, first + count);
    const vectors = [keys, values].map(({ offset }) => ({
      offset,
      ranges: ranges(headDim * kvElementBytes[type]),
    }));
    if (scales === null) return vectors;
    const valueScales = scales.offset + kvHeads * capacity * 4;
    return [
      ...vectors,
      { offset: scales.offset, ranges: ranges(4) },
      { offset: valueScales, ranges: ranges(4) },
    ];
  }

  release(): void {
    for (const buffer of this.#buffers) this.owner.free(buffer);
    this.#buffers = [];
  }
}

function sumOf(ranges: readonly { readonly length: number }[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

function checkShape({ layers, recurrent = [], capacity }: KvCacheSpec): void {
  const fits = layers.every(({ kvHeads, headDim, valueDim }) => {
    const counts = [kvHeads, headDim, capacity].every(
      (size) => Number.isSafeInteger(size) && size > 0,
    );
    return counts && headDim % 4 === 0 && valueDim === headDim;
  });
  if (fits && recurrent.length === 0) return;
  throw new AppError('invalid-argument', 'The shape of the conversation memory is out of range.', {
    details: { layers: JSON.stringify(layers), recurrent: recurrent.join(), capacity },
  });
}

/** Bytes of a layer's keys (its values have as many), of its scales, and where the values begin. */
function layerSizes(
  { capacity, type }: KvCacheSpec,
  { kvHeads, headDim }: KvLayerSpec,
  bindingBytes: number,
): { readonly data: number; readonly scales: number; readonly section: number } {
  const vectors = kvHeads * capacity;
  const data = vectors * headDim * kvElementBytes[type];
  const scales = type === 'q8' ? 2 * vectors * 4 : 0;
  if (Math.max(data, scales) > bindingBytes) {
    throw new AppError(
      'engine/out-of-memory',
      'The graphics card cannot address a context of this length. Choose a shorter context, or compute on the processor.',
      { details: { layerBytes: data, bindingBytes } },
    );
  }
  return { data, scales, section: alignUp(data, BINDING_ALIGNMENT) };
}
