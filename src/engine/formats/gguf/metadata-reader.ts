/** The metadata section of a GGUF header: keys and typed values. */
import { malformed, overLimit, shortened, type FilePlace } from './file-errors.ts';
import type { HeaderCursor } from './header-cursor.ts';
import { isLongStringKey, type GgufLimits } from './limits.ts';
import type { MetadataArray, MetadataEntry, MetadataValue } from './metadata.ts';
import { readName } from './name-reader.ts';
import {
  metadataTypeBytes,
  metadataTypeOfId,
  type FixedWidthType,
  type MetadataType,
} from './value-types.ts';

type Scalar = Exclude<MetadataValue, MetadataArray | { readonly type: 'string' }>;

/**
 * Text of values is decoded leniently (a description in Latin-1 is no reason to refuse a model);
 * a byte order mark is kept, because vocabularies have a token for it.
 */
const valueDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** @throws ModelFileError */
export async function readMetadataEntries(
  cursor: HeaderCursor,
  count: number,
  limits: GgufLimits,
): Promise<ReadonlyMap<string, MetadataEntry>> {
  const entries = new Map<string, MetadataEntry>();
  for (let index = 0; index < count; index++) {
    const offsetBytes = cursor.offsetBytes;
    const field = `key ${index}`;
    const key = await readName(cursor, { field, offsetBytes }, limits.keyBytes);
    if (entries.has(key)) {
      throw malformed({ field, offsetBytes }, `it has two entries "${shortened(key)}"`);
    }
    entries.set(key, { value: await readValue(cursor, key, limits), offsetBytes });
  }
  return entries;
}

async function readValue(
  cursor: HeaderCursor,
  key: string,
  limits: GgufLimits,
): Promise<MetadataValue> {
  const field = shortened(key);
  if (!cursor.has(4)) await cursor.fill(4, field);
  const type = readType(cursor, field);
  if (type === 'array') return await readArray(cursor, field, limits);
  if (type === 'string') {
    const limit = isLongStringKey(key) ? limits.longStringBytes : limits.stringBytes;
    return { type, value: await readText(cursor, field, limit) };
  }
  const width = metadataTypeBytes[type];
  if (!cursor.has(width)) await cursor.fill(width, field);
  return readScalar(cursor, type, field);
}

function readType(cursor: HeaderCursor, field: string): MetadataType {
  const at = { field, offsetBytes: cursor.offsetBytes };
  const id = cursor.uint32();
  const type = metadataTypeOfId(id);
  if (type === undefined) throw malformed(at, `the value of "${field}" has the unknown type ${id}`);
  return type;
}

async function readText(cursor: HeaderCursor, field: string, limit: number): Promise<string> {
  if (!cursor.has(8)) await cursor.fill(8, field);
  const length = takeLength(cursor, field, limit);
  if (!cursor.has(length)) await cursor.fill(length, field);
  return decodeText(cursor.take(length));
}

/** The length of a string, proven to be at most `limit`. */
function takeLength(cursor: HeaderCursor, field: string, limit: number): number {
  const at = { field, offsetBytes: cursor.offsetBytes };
  const length = cursor.uint64();
  if (length > limit) throw overLimit(at, `the length of "${field}"`, length, limit);
  return Number(length);
}

/** Most tokens are short and ASCII, for which a `TextDecoder` call costs more than this loop. */
const shortText = 24;

function decodeText(bytes: Uint8Array): string {
  if (bytes.length > shortText) return valueDecoder.decode(bytes);
  let text = '';
  for (const byte of bytes) {
    if (byte > 127) return valueDecoder.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

function readScalar(cursor: HeaderCursor, type: FixedWidthType, field: string): Scalar {
  switch (type) {
    case 'u8':
      return { type, value: cursor.uint8() };
    case 'i8':
      return { type, value: cursor.int8() };
    case 'u16':
      return { type, value: cursor.uint16() };
    case 'i16':
      return { type, value: cursor.int16() };
    case 'u32':
      return { type, value: cursor.uint32() };
    case 'i32':
      return { type, value: cursor.int32() };
    case 'f32':
      return { type, value: cursor.float32() };
    case 'f64':
      return { type, value: cursor.float64() };
    case 'u64':
      return { type, value: cursor.uint64() };
    case 'i64':
      return { type, value: cursor.int64() };
    case 'bool':
      return { type, value: asBoolean(cursor.offsetBytes, cursor.uint8(), field) };
  }
}

/** The specification: anything but 0 and 1 is invalid. */
function asBoolean(offsetBytes: number, byte: number, field: string): boolean {
  if (byte > 1) throw malformed({ field, offsetBytes }, `"${field}" is neither true nor false`);
  return byte === 1;
}

async function readArray(
  cursor: HeaderCursor,
  field: string,
  limits: GgufLimits,
): Promise<MetadataArray> {
  if (!cursor.has(12)) await cursor.fill(12, field);
  const at: FilePlace = { field, offsetBytes: cursor.offsetBytes };
  const of = readType(cursor, field);
  if (of === 'array') throw malformed(at, `"${field}" is a list of lists, which no model uses`);
  const countOffset = cursor.offsetBytes;
  const count = cursor.uint64();
  if (count > limits.arrayElements) {
    throw overLimit(
      { field, offsetBytes: countOffset },
      `the number of items of "${field}"`,
      count,
      limits.arrayElements,
    );
  }
  if (of === 'string') return await readStrings(cursor, Number(count), field, limits);
  const bytes = Number(count) * metadataTypeBytes[of];
  if (!cursor.has(bytes)) await cursor.fill(bytes, field);
  const offsetBytes = cursor.offsetBytes;
  // A copy: it is aligned, and it does not keep the rest of the header alive.
  return typedArray(of, cursor.take(bytes).slice().buffer, { field, offsetBytes });
}

async function readStrings(
  cursor: HeaderCursor,
  count: number,
  field: string,
  limits: GgufLimits,
): Promise<MetadataArray> {
  const value: string[] = [];
  let textBytes = 0;
  for (let i = 0; i < count; i++) {
    if (!cursor.has(8)) await cursor.fill(8, field);
    const offsetBytes = cursor.offsetBytes;
    const length = takeLength(cursor, field, limits.stringBytes);
    textBytes += length;
    if (textBytes > limits.arrayTextBytes) {
      const what = `the text of "${field}" in bytes`;
      throw overLimit({ field, offsetBytes }, what, textBytes, limits.arrayTextBytes);
    }
    if (!cursor.has(length)) await cursor.fill(length, field);
    value.push(decodeText(cursor.take(length)));
  }
  return { type: 'array', of: 'string', value };
}

function typedArray(of: FixedWidthType, buffer: ArrayBuffer, at: FilePlace): MetadataArray {
  const type = 'array';
  switch (of) {
    case 'u8':
      return { type, of, value: new Uint8Array(buffer) };
    case 'i8':
      return { type, of, value: new Int8Array(buffer) };
    case 'u16':
      return { type, of, value: new Uint16Array(buffer) };
    case 'i16':
      return { type, of, value: new Int16Array(buffer) };
    case 'u32':
      return { type, of, value: new Uint32Array(buffer) };
    case 'i32':
      return { type, of, value: new Int32Array(buffer) };
    case 'f32':
      return { type, of, value: new Float32Array(buffer) };
    case 'f64':
      return { type, of, value: new Float64Array(buffer) };
    case 'u64':
      return { type, of, value: new BigUint64Array(buffer) };
    case 'i64':
      return { type, of, value: new BigInt64Array(buffer) };
    case 'bool': {
      const bytes = new Uint8Array(buffer);
      const value = Array.from(bytes, (byte, i) => asBoolean(at.offsetBytes + i, byte, at.field));
      return { type, of, value };
    }
  }
}
