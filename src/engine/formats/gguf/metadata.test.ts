import { describe, expect, it } from 'vitest';
import { ModelFileError } from '../../../common/errors.ts';
import { Metadata, type MetadataValue } from './metadata.ts';

function metadataOf(values: Readonly<Record<string, MetadataValue>>): Metadata {
  const entries = Object.entries(values).map(
    ([key, value], i) => [key, { value, offsetBytes: 100 + i }] as const,
  );
  return new Metadata(new Map(entries));
}

const metadata = metadataOf({
  u8: { type: 'u8', value: 200 },
  i32: { type: 'i32', value: -3 },
  u32: { type: 'u32', value: 4_294_967_295 },
  u64: { type: 'u64', value: 2n ** 53n - 1n },
  u64large: { type: 'u64', value: 2n ** 53n },
  i64: { type: 'i64', value: -1n },
  f32: { type: 'f32', value: 0.5 },
  f64: { type: 'f64', value: Infinity },
  nan: { type: 'f32', value: NaN },
  bool: { type: 'bool', value: false },
  string: { type: 'string', value: '' },
  strings: { type: 'array', of: 'string', value: ['a', 'b'] },
  floats: { type: 'array', of: 'f32', value: new Float32Array([1, 2]) },
  bytes: { type: 'array', of: 'i8', value: new Int8Array([-1, 2]) },
  shorts: { type: 'array', of: 'u16', value: new Uint16Array([65_535]) },
  integers: { type: 'array', of: 'i32', value: new Int32Array([-1]) },
  flags: { type: 'array', of: 'bool', value: [true, false] },
  longs: { type: 'array', of: 'i64', value: new BigInt64Array(1) },
});

function failureOf(call: () => unknown): ModelFileError {
  try {
    call();
  } catch (error) {
    if (error instanceof ModelFileError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('values of the expected type', () => {
  it('are returned', () => {
    expect(metadata.getUnsigned('u8')).toBe(200);
    expect(metadata.getUnsigned('u32')).toBe(4_294_967_295);
    expect(metadata.findUnsigned('u64')).toBe(Number.MAX_SAFE_INTEGER);
    expect(metadata.getNumber('f32')).toBe(0.5);
    expect(metadata.getNumber('i64')).toBe(-1);
    expect(metadata.getNumber('i32')).toBe(-3);
    expect(metadata.getBoolean('bool', true)).toBe(false);
    expect(metadata.getString('string', 'other')).toBe('');
    expect(metadata.findStrings('strings', { length: 2 })).toEqual(['a', 'b']);
    expect(metadata.findFloats('floats', { length: 2 })).toEqual(new Float32Array([1, 2]));
    expect(metadata.findIntegers('integers')).toEqual(new Int32Array([-1]));
    expect(metadata.findBooleans('flags', { length: 2 })).toEqual([true, false]);
    expect(failureOf(() => metadata.findBooleans('bytes')).field).toBe('bytes');
    expect(metadata.findIntegers('bytes')).toEqual(new Int32Array([-1, 2]));
    expect(metadata.findIntegers('shorts')).toEqual(new Uint32Array([65_535]));
  });
});

describe('absent keys', () => {
  it('give the fallback, undefined, or an error that names them', () => {
    expect(metadata.getUnsigned('absent', 0)).toBe(0);
    expect(metadata.getNumber('absent', 1.5)).toBe(1.5);
    expect(metadata.getBoolean('absent', false)).toBe(false);
    expect(metadata.getString('absent', '')).toBe('');
    expect(metadata.findUnsigned('absent')).toBeUndefined();
    expect(metadata.findString('absent')).toBeUndefined();
    expect(metadata.findStrings('absent', { length: 3 })).toBeUndefined();
    expect(metadata.findFloats('absent')).toBeUndefined();
    expect(metadata.findIntegers('absent')).toBeUndefined();
    for (const call of [
      () => metadata.getUnsigned('absent'),
      () => metadata.getNumber('absent'),
      () => metadata.getBoolean('absent'),
      () => metadata.getString('absent'),
    ]) {
      const error = failureOf(call);
      expect([error.code, error.field]).toEqual(['model-file/malformed', 'absent']);
      expect(error.message).toMatch(/"absent" is missing/);
    }
  });
});

describe('values of another type, range or length', () => {
  it.each<readonly [string, string, () => unknown]>([
    ['a negative integer', 'i64', () => metadata.getUnsigned('i64', 1)],
    ['an integer of 2^53', 'u64large', () => metadata.findUnsigned('u64large')],
    ['a float as an integer', 'f32', () => metadata.findUnsigned('f32')],
    ['a boolean as an integer', 'bool', () => metadata.getUnsigned('bool', 1)],
    ['infinity', 'f64', () => metadata.getNumber('f64', 1)],
    ['not a number', 'nan', () => metadata.getNumber('nan', 1)],
    ['a string as a number', 'string', () => metadata.getNumber('string', 1)],
    ['an integer as a boolean', 'u8', () => metadata.getBoolean('u8', true)],
    ['a list as a string', 'strings', () => metadata.findString('strings')],
    ['a string as a list', 'string', () => metadata.findStrings('string')],
    ['bytes as floats', 'bytes', () => metadata.findFloats('bytes')],
    ['floats as strings', 'floats', () => metadata.findStrings('floats')],
    ['64-bit integers as integers', 'longs', () => metadata.findIntegers('longs')],
    ['strings as integers', 'strings', () => metadata.findIntegers('strings')],
    ['a list that is too short', 'floats', () => metadata.findFloats('floats', { length: 3 })],
    ['a list that is not empty', 'strings', () => metadata.findStrings('strings', { length: 0 })],
  ])('%s is an error at the place of the key', (_, key, call) => {
    const error = failureOf(call);
    const { offsetBytes } = metadata.entries.get(key) ?? { offsetBytes: -1 };
    expect([error.code, error.field, error.offsetBytes]).toEqual([
      'model-file/malformed',
      key,
      offsetBytes,
    ]);
  });
});
