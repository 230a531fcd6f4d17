/**
 * Typed access to GGUF metadata: every reader says which type and length it expects and gets that
 * or a `ModelFileError` that names the key.
 */
import { malformed, shortened } from './file-errors.ts';
import type { ModelFileError } from '../../../common/errors.ts';

/** A value as the file stores it: arrays of numbers keep their width, 64-bit integers are bigints. */
export type MetadataValue =
  | {
      readonly type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64';
      readonly value: number;
    }
  | { readonly type: 'u64' | 'i64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | MetadataArray;

export type MetadataArray =
  | { readonly type: 'array'; readonly of: 'u8'; readonly value: Uint8Array }
  | { readonly type: 'array'; readonly of: 'i8'; readonly value: Int8Array }
  | { readonly type: 'array'; readonly of: 'u16'; readonly value: Uint16Array }
  | { readonly type: 'array'; readonly of: 'i16'; readonly value: Int16Array }
  | { readonly type: 'array'; readonly of: 'u32'; readonly value: Uint32Array }
  | { readonly type: 'array'; readonly of: 'i32'; readonly value: Int32Array }
  | { readonly type: 'array'; readonly of: 'f32'; readonly value: Float32Array }
  | { readonly type: 'array'; readonly of: 'f64'; readonly value: Float64Array }
  | { readonly type: 'array'; readonly of: 'u64'; readonly value: BigUint64Array }
  | { readonly type: 'array'; readonly of: 'i64'; readonly value: BigInt64Array }
  | { readonly type: 'array'; readonly of: 'bool'; readonly value: readonly boolean[] }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] };

export interface MetadataEntry {
  readonly value: MetadataValue;
  /** Where the entry begins in the file. */
  readonly offsetBytes: number;
}

export interface ExpectedArray {
  readonly length?: number;
}

/**
 * Keys are ordinary whatever their spelling (`__proto__` included): they live in a Map.
 *
 * `get*` needs the key or a fallback, `find*` answers undefined when the key is absent. A value of
 * another type or length is `model-file/malformed` in both, never undefined.
 */
export class Metadata {
  readonly entries: ReadonlyMap<string, MetadataEntry>;

  constructor(entries: ReadonlyMap<string, MetadataEntry>) {
    this.entries = entries;
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  /** Any integer type, within [0, 2^53). @throws ModelFileError `model-file/malformed` */
  getUnsigned(key: string, fallback?: number): number {
    return this.findUnsigned(key) ?? orMissing(this.entries, key, fallback);
  }

  /** Any float or integer type, finite. @throws ModelFileError `model-file/malformed` */
  getNumber(key: string, fallback?: number): number {
    const value = this.entries.get(key)?.value;
    if (value === undefined) return orMissing(this.entries, key, fallback);
    const number = value.type === 'f32' || value.type === 'f64' ? value.value : integerOf(value);
    if (number === undefined) throw wrongType(this.entries, key, 'a number');
    if (!Number.isFinite(Number(number))) {
      throw wrong(this.entries, key, 'is not a finite number');
    }
    return Number(number);
  }

  /** @throws ModelFileError `model-file/malformed` */
  getBoolean(key: string, fallback?: boolean): boolean {
    const value = this.entries.get(key)?.value;
    if (value === undefined) return orMissing(this.entries, key, fallback);
    if (value.type === 'bool') return value.value;
    throw wrongType(this.entries, key, 'true or false');
  }

  /** @throws ModelFileError `model-file/malformed` */
  getString(key: string, fallback?: string): string {
    return this.findString(key) ?? orMissing(this.entries, key, fallback);
  }

  findString(key: string): string | undefined {
    const value = this.entries.get(key)?.value;
    if (value === undefined || value.type === 'string') return value?.value;
    throw wrongType(this.entries, key, 'a string');
  }

  findUnsigned(key: string): number | undefined {
    const value = this.entries.get(key)?.value;
    if (value === undefined) return undefined;
    const number = integerOf(value);
    if (number === undefined) throw wrongType(this.entries, key, 'an integer');
    if (number < 0 || number > Number.MAX_SAFE_INTEGER) {
      throw wrong(this.entries, key, `is ${number}, which is out of range`);
    }
    return Number(number);
  }

  findStrings(key: string, expected: ExpectedArray = {}): readonly string[] | undefined {
    const array = findArray(this.entries, key, 'a list of strings', expected);
    if (array === undefined || array.of === 'string') return array?.value;
    throw wrongType(this.entries, key, 'a list of strings');
  }

  findBooleans(key: string, expected: ExpectedArray = {}): readonly boolean[] | undefined {
    const array = findArray(this.entries, key, 'a list of true and false', expected);
    if (array === undefined || array.of === 'bool') return array?.value;
    throw wrongType(this.entries, key, 'a list of true and false');
  }

  /** Of float32 only, as the specification has it for every list of floats. */
  findFloats(key: string, expected: ExpectedArray = {}): Float32Array | undefined {
    const array = findArray(this.entries, key, 'a list of 32-bit floats', expected);
    if (array === undefined || array.of === 'f32') return array?.value;
    throw wrongType(this.entries, key, 'a list of 32-bit floats');
  }

  /** Of any integer type up to 32 bits; the narrower ones are widened. */
  findIntegers(key: string, expected: ExpectedArray = {}): Int32Array | Uint32Array | undefined {
    const array = findArray(this.entries, key, 'a list of integers', expected);
    switch (array?.of) {
      case undefined:
        return undefined;
      case 'i32':
      case 'u32':
        return array.value;
      case 'i8':
      case 'i16':
        return Int32Array.from(array.value);
      case 'u8':
      case 'u16':
        return Uint32Array.from(array.value);
      case 'i64':
      case 'u64':
      case 'f32':
      case 'f64':
      case 'bool':
      case 'string':
        throw wrongType(this.entries, key, 'a list of integers');
    }
  }
}

type Entries = Metadata['entries'];

function findArray(
  entries: Entries,
  key: string,
  name: string,
  expected: ExpectedArray,
): MetadataArray | undefined {
  const value = entries.get(key)?.value;
  if (value === undefined) return undefined;
  if (value.type !== 'array') throw wrongType(entries, key, name);
  const { length } = value.value;
  if (expected.length !== undefined && length !== expected.length) {
    throw wrong(entries, key, `has ${length} items instead of ${expected.length}`);
  }
  return value;
}

function orMissing<T>(entries: Entries, key: string, fallback: T | undefined): T {
  if (fallback === undefined) throw wrong(entries, key, 'is missing');
  return fallback;
}

function wrongType(entries: Entries, key: string, expected: string): ModelFileError {
  return wrong(entries, key, `should be ${expected}`);
}

function wrong(entries: Entries, key: string, what: string): ModelFileError {
  const field = shortened(key);
  const offsetBytes = entries.get(key)?.offsetBytes ?? 0;
  return malformed({ field, offsetBytes }, `its entry "${field}" ${what}`);
}

/** The value of any integer type, undefined for the others. */
function integerOf(value: MetadataValue): number | bigint | undefined {
  switch (value.type) {
    case 'u8':
    case 'i8':
    case 'u16':
    case 'i16':
    case 'u32':
    case 'i32':
    case 'u64':
    case 'i64':
      return value.value;
    case 'f32':
    case 'f64':
    case 'bool':
    case 'string':
    case 'array':
      return undefined;
  }
}
