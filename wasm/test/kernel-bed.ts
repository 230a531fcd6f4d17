/** A kernel module with memory to try it on: allocation by bumping a pointer, fresh views. */

type KernelFunction = (...values: number[]) => number;

export class KernelBed {
  readonly memory: WebAssembly.Memory;
  readonly #exports: WebAssembly.Exports;
  readonly #base: number;
  #top: number;

  private constructor(
    memory: WebAssembly.Memory,
    exports: WebAssembly.Exports,
    lowestAddress: number,
  ) {
    this.memory = memory;
    this.#exports = exports;
    const heapBase = exports['__heap_base'];
    if (!(heapBase instanceof WebAssembly.Global)) throw new Error('__heap_base is not exported');
    this.#base = Math.ceil(Math.max(Number(heapBase.value), lowestAddress) / 64) * 64;
    this.#top = this.#base;
  }

  /** @param lowestAddress where allocation begins, to try kernels high up in memory */
  static async create(bytes: BufferSource, lowestAddress = 0): Promise<KernelBed> {
    const memory = new WebAssembly.Memory({ initial: 1024, maximum: 65536 });
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    return new KernelBed(memory, instance.exports, lowestAddress);
  }

  call(name: string, ...values: number[]): number {
    const kernel = this.#exports[name];
    if (typeof kernel !== 'function') throw new Error(`${name} is not exported`);
    return (kernel as KernelFunction)(...values);
  }

  has(name: string): boolean {
    return typeof this.#exports[name] === 'function';
  }

  /** Forgets all allocations. */
  reset(): void {
    this.#top = this.#base;
  }

  /** 64-byte aligned, filled with 0xa5 so that a kernel that leaves a byte unwritten is noticed. */
  allocate(bytes: number): number {
    const address = this.#top;
    this.#top = Math.ceil((address + bytes) / 64) * 64;
    const missing = this.#top - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    this.u8(address, bytes).fill(0xa5);
    return address;
  }

  u8(address: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer, address, length);
  }
  i8(address: number, length: number): Int8Array<ArrayBuffer> {
    return new Int8Array(this.memory.buffer, address, length);
  }
  u16(address: number, length: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.memory.buffer, address, length);
  }
  i16(address: number, length: number): Int16Array<ArrayBuffer> {
    return new Int16Array(this.memory.buffer, address, length);
  }
  i32(address: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory.buffer, address, length);
  }
  u32(address: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.memory.buffer, address, length);
  }
  f32(address: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.memory.buffer, address, length);
  }

  putBytes(bytes: Uint8Array): number {
    const address = this.allocate(bytes.length);
    this.u8(address, bytes.length).set(bytes);
    return address;
  }
  putFloats(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.f32(address, values.length).set(values);
    return address;
  }
  putIntegers(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.i32(address, values.length).set(values);
    return address;
  }
}

/** Deterministic numbers in [0, 1): the same on every machine (Weyl sequence through a mixer). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  }

  /** Roughly normal, standard deviation 1. */
  normal(): number {
    return (this.next() + this.next() + this.next() + this.next() - 2) * 1.7320508;
  }

  floats(length: number, scale = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length }, () => this.normal() * scale);
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => Math.floor(this.next() * 256));
  }
}

export interface CheckResult {
  readonly name: string;
  readonly comparisons: number;
  /** What went wrong, at most a few lines; empty when the check passed. */
  readonly failures: readonly string[];
}

/** Collects comparisons of one check; keeps the first failures. */
export class Check {
  readonly name: string;
  comparisons = 0;
  readonly failures: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  that(condition: boolean, describe: () => string): void {
    this.comparisons++;
    if (!condition && this.failures.length < 5) this.failures.push(describe());
  }

  /** Every element the same bits (NaN equals NaN). */
  same(label: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
    this.comparisons++;
    if (actual.length !== expected.length) {
      this.failures.push(`${label}: length ${actual.length}, expected ${expected.length}`);
      return;
    }
    for (let i = 0; i < expected.length; i++) {
      if (!Object.is(actual[i], expected[i])) {
        this.that(false, () => `${label}[${i}]: ${actual[i]}, expected ${expected[i]}`);
        return;
      }
    }
  }

  /** Every element within `tolerance(i)`; NaN never is. */
  near(
    label: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: (index: number) => number,
  ): void {
    this.comparisons++;
    for (let i = 0; i < expected.length; i++) {
      const difference = Math.abs((actual[i] as number) - (expected[i] as number));
      if (!(difference <= tolerance(i))) {
        this.that(
          false,
          () => `${label}[${i}]: ${actual[i]}, expected ${expected[i]} within ${tolerance(i)}`,
        );
        return;
      }
    }
  }

  result(): CheckResult {
    return { name: this.name, comparisons: this.comparisons, failures: this.failures };
  }
}
