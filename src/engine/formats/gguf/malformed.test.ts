/**
 * The 26 malformed and 7 valid files that llama.cpp builds by hand in `tests/test-gguf.cpp`, under
 * the same names, and more of our own. One difference: there, a file whose tensor table is right
 * but whose data are missing passes while nobody asks for the data. Here every tensor must lie in
 * the file, so `TENSORS_SUCCESS`, `TENSORS_CUSTOM_ALIGN` and `TENSORS_ZERO_DIM` carry their data.
 */
import { describe, expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../../../common/byte-source.ts';
import { ModelFileError, type ErrorCode } from '../../../common/errors.ts';
import { tensorTypeIds } from '../../graph/dtype.ts';
import { ByteWriter } from './byte-writer.ts';
import type { GgufFile } from './gguf-file.ts';
import { readGguf } from './reader.ts';
import { metadataTypeIds, type FixedWidthType } from './value-types.ts';

const minusOne = 2n ** 64n - 1n;
const alignmentKey = 'general.alignment';

interface RawTensor {
  readonly name?: string;
  readonly nameLength?: bigint;
  readonly dimensions?: number;
  readonly shape?: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number | bigint;
}

interface RawFile {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
  readonly entries?: readonly ((writer: ByteWriter) => void)[];
  readonly tensors?: readonly RawTensor[];
  /** How the table ends; 32 like the format's default. */
  readonly padding?: number;
  readonly dataBytes?: number;
}

/** Writes what it is told, right or wrong. */
function rawGguf(file: RawFile): Uint8Array {
  const writer = new ByteWriter();
  writer.bytes(new TextEncoder().encode(file.magic ?? 'GGUF'));
  writer.uint32(file.version ?? 3);
  writer.uint64(file.tensorCount ?? file.tensors?.length ?? 0);
  writer.uint64(file.entryCount ?? file.entries?.length ?? 0);
  for (const entry of file.entries ?? []) entry(writer);
  for (const [i, tensor] of (file.tensors ?? []).entries()) {
    const shape = tensor.shape ?? [8];
    string(writer, tensor.name ?? `my_tensor_${i}`, tensor.nameLength);
    writer.uint32(tensor.dimensions ?? shape.length);
    for (const size of shape) writer.uint64(size);
    writer.uint32(tensor.type ?? tensorTypeIds.F32);
    writer.uint64(tensor.offset ?? 32 * i);
  }
  writer.padTo(file.padding ?? 32);
  writer.bytes(new Uint8Array(file.dataBytes ?? 0));
  return writer.toBytes();
}

function string(writer: ByteWriter, value: string, length?: bigint): void {
  const bytes = new TextEncoder().encode(value);
  writer.uint64(length ?? bytes.length);
  writer.bytes(bytes);
}

const entry =
  (key: string, type: number, ...value: readonly ((writer: ByteWriter) => void)[]) =>
  (writer: ByteWriter): void => {
    string(writer, key);
    writer.uint32(type);
    for (const part of value) part(writer);
  };
const u8 = (value: number) => (writer: ByteWriter) => {
  writer.uint8(value);
};
const u32 = (value: number) => (writer: ByteWriter) => {
  writer.uint32(value);
};
const u64 = (value: number | bigint) => (writer: ByteWriter) => {
  writer.uint64(value);
};
const text = (value: string, length?: bigint) => (writer: ByteWriter) => {
  string(writer, value, length);
};
const alignment = (value: number, type: FixedWidthType = 'u32'): ((writer: ByteWriter) => void) =>
  entry(alignmentKey, metadataTypeIds[type], u32(value));

const { u8: U8, u32: U32, bool: BOOL, string: STRING, array: ARRAY } = metadataTypeIds;
const someEntries = [entry('my_key_0', U32, u32(7)), entry('my_key_1', STRING, text('seven'))];
const twoTensors: readonly RawTensor[] = [{}, {}];

interface BadCase {
  readonly name: string;
  readonly file: RawFile | Uint8Array;
  readonly code: Extract<ErrorCode, `model-file/${string}`>;
  readonly field: string;
  readonly offset: number;
  readonly says?: RegExp;
}

const malformed = 'model-file/malformed';
const limit = 'model-file/limit';
const truncated = 'model-file/truncated';
const version = 'model-file/unsupported-version';

/** Where things stand in a file with no entries and unnamed tensors: name 24, then 8 + 11 bytes later. */
const firstShape = 43;
const firstType = 43 + 4 + 8;
const firstOffset = firstType + 4;
const secondTensor = firstOffset + 8;

const llamaCppCases: readonly BadCase[] = [
  {
    name: 'HEADER_BAD_MAGIC',
    file: { magic: 'FUGG' },
    code: 'model-file/not-gguf',
    field: 'magic',
    offset: 0,
  },
  {
    name: 'HEADER_BAD_VERSION_0',
    file: { version: 0 },
    code: version,
    field: 'version',
    offset: 4,
    says: /too old/,
  },
  {
    name: 'HEADER_BAD_VERSION_1',
    file: { version: 1 },
    code: version,
    field: 'version',
    offset: 4,
    says: /too old/,
  },
  {
    name: 'HEADER_BAD_VERSION_FUTURE',
    file: { version: 4 },
    code: version,
    field: 'version',
    offset: 4,
    says: /newer Hermit/,
  },
  {
    name: 'HEADER_BAD_N_TENSORS',
    file: { tensorCount: minusOne },
    code: limit,
    field: 'the number of tensors',
    offset: 8,
  },
  {
    name: 'HEADER_BAD_N_KV',
    file: { entryCount: minusOne },
    code: limit,
    field: 'the number of entries',
    offset: 16,
  },
  {
    name: 'KV_BAD_KEY_SIZE',
    file: { entries: [text('my_key_0', minusOne)] },
    code: limit,
    field: 'key 0',
    offset: 24,
  },
  {
    name: 'KV_EMPTY_KEY',
    file: { entries: [entry('', U32, u32(1))] },
    code: malformed,
    field: 'key 0',
    offset: 24,
    says: /empty/,
  },
  {
    name: 'KV_BAD_TYPE',
    file: { entries: [entry('k', 13, u8(0))] },
    code: malformed,
    field: 'k',
    offset: 33,
    says: /unknown type 13/,
  },
  {
    name: 'KV_DUPLICATE_KEY',
    file: { entries: [entry('k', U32, u32(1)), entry('k', U32, u32(1))] },
    code: malformed,
    field: 'key 1',
    offset: 41,
    says: /two entries "k"/,
  },
  {
    name: 'KV_BAD_ALIGN',
    file: { entries: [alignment(13)], padding: 13 },
    code: malformed,
    field: alignmentKey,
    offset: 24,
    says: /13/,
  },
  {
    name: 'KV_WRONG_TYPE_ALIGN',
    file: { entries: [alignment(32, 'i32')] },
    code: malformed,
    field: alignmentKey,
    offset: 24,
    says: /i32/,
  },
  {
    name: 'TENSORS_BAD_NAME_SIZE',
    file: {
      tensors: [
        {
          name: 'my_tensor_0_with_a_very_long_name_which_is_longer_than_what_is_allowed_for_ggml_tensors',
        },
      ],
      dataBytes: 32,
    },
    code: limit,
    field: 'the name of tensor 0',
    offset: 24,
  },
  {
    name: 'TENSORS_BAD_N_DIMS',
    file: { tensors: [{ dimensions: 5 }], dataBytes: 32 },
    code: limit,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
  },
  {
    name: 'TENSORS_BAD_SHAPE',
    file: { tensors: [{ shape: [minusOne] }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
  },
  {
    name: 'TENSORS_NE_TOO_BIG',
    file: { tensors: [{ shape: [4n * (2n ** 31n - 1n), 4n * (2n ** 31n - 1n)] }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
    says: /large/,
  },
  {
    name: 'TENSORS_NBYTES_TOO_BIG',
    file: { tensors: [{ shape: [2 ** 26, 2 ** 26] }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
    says: /large/,
  },
  {
    name: 'TENSORS_BAD_TYPE',
    file: { tensors: [{ type: 43 }], dataBytes: 32 },
    code: 'model-file/unsupported-tensor-type',
    field: 'my_tensor_0: type',
    offset: firstType,
    says: /number 43/,
  },
  {
    name: 'TENSORS_BAD_OFFSET',
    file: { tensors: [{ offset: minusOne }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: offset',
    offset: firstOffset,
  },
  {
    name: 'TENSORS_DUPLICATE_NAME',
    file: { tensors: [{ name: 'my_tensor' }, { name: 'my_tensor' }], dataBytes: 64 },
    code: malformed,
    field: 'the name of tensor 1',
    offset: secondTensor - 2,
    says: /two tensors "my_tensor"/,
  },
  {
    name: 'TENSORS_BAD_ALIGN',
    file: { entries: [alignment(13)], tensors: twoTensors, padding: 13, dataBytes: 64 },
    code: malformed,
    field: alignmentKey,
    offset: 24,
  },
  {
    name: 'TENSORS_INCONSISTENT_ALIGN',
    file: { tensors: [{ shape: [3] }, { offset: 12 }], dataBytes: 64 },
    code: malformed,
    field: 'my_tensor_1: offset',
    offset: secondTensor + 35,
    says: /multiple of 32/,
  },
  {
    name: 'DATA_NOT_ENOUGH_DATA',
    file: { tensors: twoTensors, dataBytes: 63 },
    code: truncated,
    field: 'my_tensor_1: offset',
    offset: secondTensor + 35,
  },
  {
    name: 'DATA_BAD_ALIGN',
    file: { entries: [alignment(13)], tensors: [{}, { offset: 39 }], padding: 13, dataBytes: 78 },
    code: malformed,
    field: alignmentKey,
    offset: 24,
  },
  {
    name: 'DATA_INCONSISTENT_ALIGN',
    file: { entries: [alignment(64)], tensors: [{}, { offset: 32 }], padding: 64, dataBytes: 64 },
    code: malformed,
    field: 'my_tensor_1: offset',
    offset: 24 + 33 + 43 + 35,
    says: /multiple of 64/,
  },
  {
    name: 'DATA_MEM_SIZE_OVERFLOW',
    file: {
      tensors: [{ shape: [0x7fffffffffffffc0n] }, { shape: [0x7fffffffffffffc0n] }],
      dataBytes: 32,
    },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
    says: /large/,
  },
];

const q8 = tensorTypeIds.Q8_0;
const list = (of: number, count: number | bigint) => entry('k', ARRAY, u32(of), u64(count));

const ownCases: readonly BadCase[] = [
  {
    name: 'big-endian file',
    file: { version: 0x03000000 },
    code: version,
    field: 'version',
    offset: 4,
    says: /big-endian/,
  },
  {
    name: 'alignment 0',
    file: { entries: [alignment(0)] },
    code: malformed,
    field: alignmentKey,
    offset: 24,
  },
  {
    name: 'alignment 3',
    file: { entries: [alignment(3)], padding: 3 },
    code: malformed,
    field: alignmentKey,
    offset: 24,
  },
  {
    name: 'alignment 2^31',
    file: { entries: [alignment(2 ** 31)] },
    code: limit,
    field: alignmentKey,
    offset: 24,
  },
  {
    name: 'a boolean that is 2',
    file: { entries: [entry('k', BOOL, u8(2))] },
    code: malformed,
    field: 'k',
    offset: 37,
  },
  {
    name: 'a list of booleans with a 255',
    file: { entries: [entry('k', ARRAY, u32(BOOL), u64(2), u8(1), u8(255))] },
    code: malformed,
    field: 'k',
    offset: 50,
  },
  {
    name: 'a list of lists',
    file: { entries: [list(ARRAY, 0)] },
    code: malformed,
    field: 'k',
    offset: 37,
    says: /list of lists/,
  },
  {
    name: 'a list of an unknown type',
    file: { entries: [list(13, 0)] },
    code: malformed,
    field: 'k',
    offset: 37,
    says: /unknown type 13/,
  },
  {
    name: 'a list longer than the file',
    file: { entries: [list(U32, 1000)] },
    code: truncated,
    field: 'k',
    offset: 49,
  },
  {
    name: 'a list of 2^64 - 1 items',
    file: { entries: [list(U8, minusOne)] },
    code: limit,
    field: 'k',
    offset: 41,
  },
  {
    name: 'a list whose byte count passes 2^64',
    file: { entries: [list(U32, 2n ** 62n + 1n)] },
    code: limit,
    field: 'k',
    offset: 41,
  },
  {
    name: 'a string of 1 GB',
    file: { entries: [entry('k', STRING, u64(2 ** 30))] },
    code: limit,
    field: 'k',
    offset: 37,
  },
  {
    name: 'a string longer than the file',
    file: { entries: [entry('k', STRING, text('abc', 900n))] },
    code: truncated,
    field: 'k',
    offset: 45,
  },
  {
    name: 'a million one-byte keys',
    file: { entryCount: 1_000_000n },
    code: limit,
    field: 'the number of entries',
    offset: 16,
  },
  {
    name: 'more entries than bytes',
    file: { entryCount: 2n, padding: 1 },
    code: truncated,
    field: 'key 0',
    offset: 24,
  },
  {
    name: 'a key that is not UTF-8',
    file: {
      entries: [
        (w) => {
          w.uint64(2);
          w.bytes(new Uint8Array([0xc3, 0x28]));
          w.uint32(U8);
          w.uint8(0);
        },
      ],
    },
    code: malformed,
    field: 'key 0',
    offset: 24,
    says: /not text/,
  },
  {
    name: 'an architecture that is a number',
    file: { entries: [entry('general.architecture', U32, u32(1))] },
    code: malformed,
    field: 'general.architecture',
    offset: 24,
  },
  {
    name: 'an empty tensor name',
    file: { tensors: [{ name: '' }], dataBytes: 32 },
    code: malformed,
    field: 'the name of tensor 0',
    offset: 24,
  },
  {
    name: 'a tensor without dimensions',
    file: { tensors: [{ dimensions: 0 }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
  },
  {
    name: 'a huge size hidden behind a zero',
    file: { tensors: [{ shape: [0, minusOne] }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
  },
  {
    name: 'sizes whose product wraps to 8',
    file: { tensors: [{ shape: [2n ** 63n + 8n, 1] }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
  },
  {
    name: 'rows that are not whole blocks',
    file: { tensors: [{ shape: [48], type: q8 }], dataBytes: 96 },
    code: malformed,
    field: 'my_tensor_0: dimensions',
    offset: firstShape,
    says: /blocks of 32/,
  },
  {
    name: 'a type Hermit does not read',
    file: { tensors: [{ type: 9 }], dataBytes: 32 },
    code: 'model-file/unsupported-tensor-type',
    field: 'my_tensor_0: type',
    offset: firstType,
    says: /tensor type Q8_1,.*Q8_0/,
  },
  {
    name: 'a type ggml removed',
    file: { tensors: [{ type: 31 }], dataBytes: 32 },
    code: 'model-file/unsupported-tensor-type',
    field: 'my_tensor_0: type',
    offset: firstType,
    says: /Q4_0_4_4/,
  },
  {
    name: 'a tensor behind the end',
    file: { tensors: [{ offset: 2 ** 40 }], dataBytes: 32 },
    code: truncated,
    field: 'my_tensor_0: offset',
    offset: firstOffset,
  },
  {
    name: 'an offset that wraps around',
    file: { tensors: [{ offset: 2n ** 64n - 32n }], dataBytes: 32 },
    code: malformed,
    field: 'my_tensor_0: offset',
    offset: firstOffset,
  },
  {
    name: 'two tensors at one place',
    file: { tensors: [{}, { offset: 0 }], dataBytes: 64 },
    code: malformed,
    field: 'my_tensor_1: offset',
    offset: secondTensor + 35,
    says: /overlap/,
  },
  {
    name: 'a tensor that reaches into another',
    file: { tensors: [{ offset: 32 }, { offset: 0, shape: [9] }], dataBytes: 96 },
    code: malformed,
    field: 'my_tensor_0: offset',
    offset: firstOffset,
    says: /overlap/,
  },
  {
    name: 'an empty file',
    file: new Uint8Array(0),
    code: truncated,
    field: 'magic',
    offset: 0,
    says: /empty/,
  },
  {
    name: 'half a magic',
    file: new TextEncoder().encode('GG'),
    code: truncated,
    field: 'magic',
    offset: 0,
  },
  {
    name: 'nothing but the magic',
    file: new TextEncoder().encode('GGUF'),
    code: truncated,
    field: 'the file header',
    offset: 0,
  },
];

/** A source that fails the test when it is asked for more than four times the file. */
function boundedSource(bytes: Uint8Array): ByteSource {
  const source = new BufferByteSource(bytes);
  let left = 4 * bytes.length + 1024;
  return {
    size: source.size,
    read(offset, length) {
      left -= length;
      expect(left).toBeGreaterThanOrEqual(0);
      return source.read(offset, length);
    },
  };
}

async function failureOf(file: RawFile | Uint8Array): Promise<ModelFileError> {
  const bytes = file instanceof Uint8Array ? file : rawGguf(file);
  const thrown = await readGguf(boundedSource(bytes)).catch((error: unknown) => error);
  if (!(thrown instanceof ModelFileError)) throw new Error(`not refused: ${String(thrown)}`);
  return thrown;
}

async function load(file: RawFile): Promise<GgufFile> {
  return await readGguf(boundedSource(rawGguf(file)));
}

describe.each([
  ['of llama.cpp', llamaCppCases],
  ['of our own', ownCases],
])('malformed files %s', (_, cases) => {
  it.each(cases)('$name', async ({ file, code, field, offset, says }) => {
    const error = await failureOf(file);
    expect([error.code, error.field, error.offsetBytes]).toEqual([code, field, offset]);
    expect(error.message).toMatch(says ?? /\.$/);
  });
});

it('llama.cpp has 26 malformed files', () => {
  expect(new Set(llamaCppCases.map(({ name }) => name)).size).toBe(26);
});

describe('valid files of llama.cpp', () => {
  it('HEADER_EMPTY', async () => {
    const gguf = await load({});
    expect([gguf.version, gguf.metadata.entries.size, gguf.tensors.size]).toEqual([3, 0, 0]);
    expect([gguf.alignment, gguf.dataOffsetBytes, gguf.sizeBytes]).toEqual([32, 32, 32]);
  });

  it('KV_SUCCESS', async () => {
    const gguf = await load({ entries: someEntries });
    expect(gguf.metadata.getUnsigned('my_key_0')).toBe(7);
    expect(gguf.metadata.getString('my_key_1')).toBe('seven');
  });

  it.each(['TENSORS_SUCCESS', 'DATA_SUCCESS'])('%s', async () => {
    const tensors = [{ shape: [64, 3], type: q8 }, { offset: 224 }];
    const gguf = await load({ entries: someEntries, tensors, dataBytes: 256 });
    const start = gguf.dataOffsetBytes;
    expect([...gguf.tensors.values()]).toEqual([
      {
        name: 'my_tensor_0',
        type: 'Q8_0',
        shape: [64, 3],
        elements: 192,
        sizeBytes: 204,
        offsetBytes: start,
      },
      {
        name: 'my_tensor_1',
        type: 'F32',
        shape: [8],
        elements: 8,
        sizeBytes: 32,
        offsetBytes: start + 224,
      },
    ]);
  });

  it.each(['TENSORS_CUSTOM_ALIGN', 'DATA_CUSTOM_ALIGN'])('%s', async () => {
    const tensors = [{ shape: [3] }, { offset: 12 }];
    const gguf = await load({ entries: [alignment(1)], tensors, padding: 1, dataBytes: 44 });
    expect(gguf.alignment).toBe(1);
    expect(gguf.sizeBytes - gguf.dataOffsetBytes).toBe(44);
    expect(gguf.tensors.get('my_tensor_1')?.offsetBytes).toBe(gguf.dataOffsetBytes + 12);
  });

  it('TENSORS_ZERO_DIM', async () => {
    const gguf = await load({ tensors: [{ shape: [8, 0] }, { offset: 0 }], dataBytes: 32 });
    expect(gguf.tensors.get('my_tensor_0')).toMatchObject({ elements: 0, sizeBytes: 0 });
  });
});

describe('files that are something else', () => {
  it.each([
    ['<!DOCTYPE html><html><head>', /^The server sent a web page instead of a model\./],
    ['\n  <html lang="en">', /^The server sent a web page instead of a model\./],
    ['\u{feff}<?xml version="1.0"?><Error>', /^The server sent a web page instead of a model\./],
    ['{"error":"Invalid credentials"}', /JSON message/],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0', /Git LFS/],
    ['tjgg\u0003\0\0\0', /before GGUF/],
    ['PK\u0003\u0004', /archive/],
    ['\u0050\u0001\0\0\0\0\0\0{"__metadata__":', /safetensors/],
    ['Not found', /^This is not a GGUF model\./],
  ])('%j', async (content, sentence) => {
    const error = await failureOf(new TextEncoder().encode(content));
    expect([error.code, error.field, error.offsetBytes]).toEqual([
      'model-file/not-gguf',
      'magic',
      0,
    ]);
    expect(error.message).toMatch(sentence);
  });
});

it('a file cut anywhere is truncated, with the place where it broke off', async () => {
  const whole = rawGguf({
    entries: [...someEntries, entry('k', ARRAY, u32(STRING), u64(2), text('a'), text('bc'))],
    tensors: twoTensors,
    dataBytes: 64,
  });
  await readGguf(boundedSource(whole));
  for (let length = 0; length < whole.length; length++) {
    const error = await failureOf(whole.subarray(0, length));
    expect(error.code).toBe(truncated);
    expect(error.offsetBytes).toBeLessThanOrEqual(length);
  }
});

it('keys spelled like parts of an object are ordinary', async () => {
  const keys = ['__proto__', 'constructor', 'toString'];
  const gguf = await load({ entries: keys.map((key) => entry(key, U32, u32(1))) });
  expect(keys.map((key) => gguf.metadata.getUnsigned(key))).toEqual([1, 1, 1]);
  expect(gguf.metadata.has('hasOwnProperty')).toBe(false);
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});

it('text that is not UTF-8 does not keep a model from loading, and a byte order mark stays', async () => {
  const bytes =
    (...values: number[]) =>
    (writer: ByteWriter): void => {
      writer.uint64(values.length);
      writer.bytes(new Uint8Array(values));
    };
  const gguf = await load({
    entries: [
      entry('latin', STRING, bytes(0x63, 0x61, 0x66, 0xe9)),
      entry('mark', ARRAY, u32(STRING), u64(1), text('\u{feff}')),
    ],
  });
  expect(gguf.metadata.getString('latin')).toBe('caf\u{fffd}');
  expect(gguf.metadata.findStrings('mark')).toEqual(['\u{feff}']);
});
