/**
 * The memory of one kernel module: an allocator above the module's own data and stack.
 *
 * First fit over a sorted free list whose neighbours are merged; blocks are 64-byte aligned. WASM
 * memory never shrinks, so freed bytes are kept for reuse. Views are made anew after the memory grew,
 * because growing detaches the old buffer: never keep a view across a call that may allocate.
 */
import { alignUp, MEBIBYTE } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';

const ALIGNMENT = 64;
const PAGE_BYTES = 65536;
/** What 32-bit addresses reach. */
export const LARGEST_MEMORY_BYTES = 65536 * PAGE_BYTES;

interface FreeBlock {
  address: number;
  bytes: number;
}

export class WasmHeap {
  readonly #memory: WebAssembly.Memory;
  readonly #maximumBytes: number;
  readonly #used = new Map<number, number>();
  readonly #free: FreeBlock[] = [];
  /** End of the region handed out so far; everything above is untouched. */
  #top: number;
  #usedBytes = 0;
  #bytesView: Uint8Array;

  /** @param baseAddress first byte that the module does not use itself */
  constructor(memory: WebAssembly.Memory, baseAddress: number, maximumBytes: number) {
    this.#memory = memory;
    this.#maximumBytes = Math.min(maximumBytes, LARGEST_MEMORY_BYTES);
    this.#top = alignUp(baseAddress, ALIGNMENT);
    this.#bytesView = new Uint8Array(memory.buffer);
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes of the whole memory, free ones included. */
  get totalBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /**
   * Address of `bytes` new bytes, not cleared.
   * @throws AppError `engine/out-of-memory`
   */
  allocate(bytes: number): number {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new AppError('invalid-argument', 'The size of a memory block must be a whole number.', {
        details: { bytes },
      });
    }
    const size = alignUp(Math.max(bytes, 1), ALIGNMENT);
    const address = this.#takeFree(size) ?? this.#extend(size);
    this.#used.set(address, size);
    this.#usedBytes += size;
    return address;
  }

  /** Gives a block back. Freeing what was not allocated is a bug in the caller. */
  free(address: number): void {
    const bytes = this.#used.get(address);
    if (bytes === undefined) {
      throw new AppError('internal', 'A memory block was freed that is not in use.', {
        details: { address },
      });
    }
    this.#used.delete(address);
    this.#usedBytes -= bytes;
    this.#insertFree(address, bytes);
  }

  /** A view of all bytes, valid until the next allocation. */
  bytes(): Uint8Array {
    if (this.#bytesView.buffer !== this.#memory.buffer) {
      this.#bytesView = new Uint8Array(this.#memory.buffer);
    }
    return this.#bytesView;
  }

  u32(address: number, length: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, address, length);
  }

  i32(address: number, length: number): Int32Array {
    return new Int32Array(this.#memory.buffer, address, length);
  }

  f32(address: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, address, length);
  }

  f64(address: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, address, length);
  }

  u16(address: number, length: number): Uint16Array {
    return new Uint16Array(this.#memory.buffer, address, length);
  }

  i8(address: number, length: number): Int8Array {
    return new Int8Array(this.#memory.buffer, address, length);
  }

  u8(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, length);
  }

  #takeFree(size: number): number | undefined {
    const index = this.#free.findIndex((block) => block.bytes >= size);
    const block = this.#free[index];
    if (block === undefined) return undefined;
    const address = block.address;
    block.address += size;
    block.bytes -= size;
    if (block.bytes === 0) this.#free.splice(index, 1);
    return address;
  }

  #extend(size: number): number {
    const last = this.#free.at(-1);
    const reusesLast = last !== undefined && last.address + last.bytes === this.#top;
    const address = reusesLast ? last.address : this.#top;
    const end = address + size;
    this.#growTo(end, size);
    if (reusesLast) this.#free.pop();
    this.#top = end;
    return address;
  }

  #growTo(end: number, requestedBytes: number): void {
    const missing = end - this.#memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      if (end > this.#maximumBytes) throw new RangeError('beyond the maximum');
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch (cause) {
      const needed = Math.ceil(requestedBytes / MEBIBYTE);
      const held = Math.ceil(this.#memory.buffer.byteLength / MEBIBYTE);
      throw new AppError(
        'engine/out-of-memory',
        `The model needs ${needed} MiB more memory than this browser tab could get (it holds ${held} MiB). Close other tabs, or choose a smaller model or a shorter context.`,
        {
          details: {
            requestedBytes,
            heldBytes: this.#memory.buffer.byteLength,
            maximumBytes: this.#maximumBytes,
          },
          cause,
        },
      );
    }
  }

  #insertFree(address: number, bytes: number): void {
    let index = this.#free.findIndex((block) => block.address > address);
    if (index === -1) index = this.#free.length;
    this.#free.splice(index, 0, { address, bytes });
    this.#mergeWithNext(index);
    if (index > 0) this.#mergeWithNext(index - 1);
  }

  #mergeWithNext(index: number): void {
    const block = this.#free[index];
    const next = this.#free[index + 1];
    if (block === undefined || next === undefined) return;
    if (block.address + block.bytes !== next.address) return;
    block.bytes += next.bytes;
    this.#free.splice(index + 1, 1);
  }
}
