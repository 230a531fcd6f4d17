/**
 * Buffers of a device: slabs that weights are placed in one after the other, and buffers of their own.
 *
 * WebGPU reports that memory is exhausted after the fact; every buffer is made inside an error scope,
 * and `settle` tells what the scopes found.
 */
import { alignUp, MEBIBYTE } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';

/** Values of `GPUBufferUsage`; the global object has no such name in every place. */
export const bufferUsage = {
  mapRead: 1,
  copySource: 4,
  copyTarget: 8,
  uniform: 64,
  storage: 128,
  queryResolve: 512,
} as const;

/** `GPUMapMode.READ` */
export const MAP_READ = 1;

/** A range of a buffer, for a binding. */
export interface Slice {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Offsets of storage and uniform bindings are multiples of this by the specification's default. */
export const BINDING_ALIGNMENT = 256;
/** A slab is as large as those before it together, between these and at most the largest binding. */
const LEAST_SLAB_BYTES = MEBIBYTE;
const MOST_SLAB_BYTES = 128 * MEBIBYTE;

interface Slab {
  readonly buffer: GPUBuffer;
  used: number;
  pieces: number;
}

export class GpuMemory {
  readonly #device: GPUDevice;
  readonly #bindingBytes: number;
  readonly #bufferBytes: number;
  readonly #slabs = new Map<GPUBuffer, Slab>();
  #current: Slab | null = null;
  #totalBytes = 0;
  #scopes: Promise<GPUError | null>[] = [];

  constructor(device: GPUDevice, bindingBytes: number, bufferBytes: number) {
    this.#device = device;
    this.#bindingBytes = bindingBytes;
    this.#bufferBytes = bufferBytes;
  }

  /** Bytes of all buffers that exist. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Bytes of slabs that hold nothing; what was released in a slab comes back with the whole of it. */
  get freeBytes(): number {
    let free = 0;
    for (const { buffer, used } of this.#slabs.values()) free += buffer.size - used;
    return free;
  }

  /** @throws AppError `engine/out-of-memory` for what is larger than any buffer may be */
  buffer(label: string, bytes: number, usage: number): GPUBuffer {
    const size = alignUp(Math.max(bytes, 16), 16);
    if (size > this.#bufferBytes) throw outOfMemory(label, size);
    this.#device.pushErrorScope('out-of-memory');
    const buffer = this.#device.createBuffer({ label, size, usage });
    this.#scopes.push(this.#device.popErrorScope());
    this.#totalBytes += size;
    return buffer;
  }

  free(buffer: GPUBuffer): void {
    this.#totalBytes -= buffer.size;
    buffer.destroy();
  }

  /**
   * Room for a piece of at most the largest binding in a slab. Pieces that would waste much of one get
   * a buffer of their own.
   */
  allocate(label: string, bytes: number): Slice {
    const size = alignUp(bytes, BINDING_ALIGNMENT);
    if (size > alignUp(this.#bindingBytes, BINDING_ALIGNMENT)) throw outOfMemory(label, size);
    const slab = this.#slabFor(label, size);
    const offset = slab.used;
    slab.used += size;
    slab.pieces += 1;
    return { buffer: slab.buffer, offset, size };
  }

  /** Gives a piece back; its slab goes with the last of its pieces. */
  release({ buffer }: Slice): void {
    const slab = this.#slabs.get(buffer);
    if (slab === undefined) return;
    slab.pieces -= 1;
    if (slab.pieces > 0) return;
    this.#slabs.delete(buffer);
    if (this.#current === slab) this.#current = null;
    this.free(buffer);
  }

  /** @throws AppError `engine/out-of-memory` when a buffer could not be made since the last call */
  async settle(): Promise<void> {
    const scopes = this.#scopes;
    this.#scopes = [];
    const errors = await Promise.all(scopes);
    const error = errors.find((found) => found !== null);
    if (error !== undefined) throw outOfMemory(error.message, 0);
  }

  dispose(): void {
    for (const { buffer } of this.#slabs.values()) this.free(buffer);
    this.#slabs.clear();
    this.#current = null;
  }

  #slabBytes(): number {
    let used = 0;
    for (const { buffer } of this.#slabs.values()) used += buffer.size;
    const wanted = Math.max(LEAST_SLAB_BYTES, Math.min(used, MOST_SLAB_BYTES));
    return Math.min(alignUp(wanted, BINDING_ALIGNMENT), this.#bindingBytes, this.#bufferBytes);
  }

  #slabFor(label: string, size: number): Slab {
    const current = this.#current;
    if (current !== null && current.used + size <= current.buffer.size) return current;
    const usage = bufferUsage.storage | bufferUsage.copyTarget | bufferUsage.copySource;
    const bytes = this.#slabBytes();
    if (size > bytes / 4) {
      const own = { buffer: this.buffer(label, size, usage), used: 0, pieces: 0 };
      this.#slabs.set(own.buffer, own);
      return own;
    }
    const slab = { buffer: this.buffer('weights', bytes, usage), used: 0, pieces: 0 };
    this.#slabs.set(slab.buffer, slab);
    this.#current = slab;
    return slab;
  }
}

function outOfMemory(what: string, requestedBytes: number): AppError {
  return new AppError(
    'engine/out-of-memory',
    'The graphics card has not enough memory for this model and context. Choose a smaller model or context, or compute on the processor.',
    { details: { what, requestedBytes } },
  );
}
