/** Keys and values of one conversation in GPU memory, a buffer for each layer. */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import type { KvCacheHandle, KvCacheSpec } from '../backend.ts';
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
    const sizes = [spec.layers, spec.kvHeads, spec.headDim, spec.capacity];
    if (!sizes.every((size) => Number.isSafeInteger(size) && size > 0) || spec.headDim % 4 !== 0) {
      throw new AppError(
        'invalid-argument',
        'The shape of the conversation memory is out of range.',
        { details: { ...spec } },
      );
    }
    const vectors = spec.kvHeads * spec.capacity;
    const data = vectors * spec.headDim * kvElementBytes[spec.type];
    const scales = spec.type === 'q8' ? 2 * vectors * 4 : 0;
    if (Math.max(data, scales) > bindingBytes) {
      throw new AppError(
        'engine/out-of-memory',
        'The graphics card cannot address a context of this length. Choose a shorter context, or compute on the processor.',
        { details: { layerBytes: data, bindingBytes } },
      );
    }
    const section = alignUp(data, BINDING_ALIGNMENT);
    const buffers: GPUBuffer[] = [];
    const usage = bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyTarget;
    try {
      this.layers = Array.from({ length: spec.layers }, () => {
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
    this.bytes = spec.layers * (2 * data + scales);
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
