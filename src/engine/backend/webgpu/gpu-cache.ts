/** Keys and values of one conversation in GPU memory, a buffer for each layer. */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import type { KvCacheHandle, KvCacheSpec, KvLayerSpec } from '../backend.ts';
import { BINDING_ALIGNMENT, bufferUsage, type GpuMemory, type Slice } from './gpu-memory.ts';

export const kvElementBytes = { f32: 4, f16: 2, q8: 1 } as const;

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
    this.spec = spec;
    this.bytes = sizes.reduce((sum, { data, scales }) => sum + 2 * data + scales, 0);
    this.#buffers = buffers;
  }

  get released(): boolean {
    return this.#buffers.length === 0;
  }

  release(): void {
    for (const buffer of this.#buffers) this.owner.free(buffer);
    this.#buffers = [];
  }
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
