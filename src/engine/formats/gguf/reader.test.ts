import { describe, expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../../../common/byte-source.ts';
import { AppError } from '../../../common/errors.ts';
import { tensorTypeIds, type TensorType } from '../../graph/dtype.ts';
import { rowBytes } from '../quants/registry.ts';
import type { MetadataValue } from './metadata.ts';
import { readGguf } from './reader.ts';
import { encodeGgufHeader, writeGguf, type GgufTensorData } from './writer.ts';

const everyValue: readonly (readonly [string, MetadataValue])[] = [
  ['u8', { type: 'u8', value: 255 }],
  ['i8', { type: 'i8', value: -128 }],
  ['u16', { type: 'u16', value: 65_535 }],
  ['i16', { type: 'i16', value: -32_768 }],
  ['u32', { type: 'u32', value: 4_294_967_295 }],
  ['i32', { type: 'i32', value: -2_147_483_648 }],
  ['u64', { type: 'u64', value: 2n ** 64n - 1n }],
  ['i64', { type: 'i64', value: -(2n ** 63n) }],
  ['f32', { type: 'f32', value: Math.fround(0.1) }],
  ['f64', { type: 'f64', value: 0.1 }],
  ['bool', { type: 'bool', value: true }],
  ['string', { type: 'string', value: 'Grüße, 世界, \u{1f980}, \0' }],
  ['u8s', { type: 'array', of: 'u8', value: new Uint8Array([1, 2, 3]) }],
  ['i8s', { type: 'array', of: 'i8', value: new Int8Array([-1]) }],
  ['u16s', { type: 'array', of: 'u16', value: new Uint16Array([1, 65_535]) }],
  ['i16s', { type: 'array', of: 'i16', value: new Int16Array([-1, 1]) }],
  ['u32s', { type: 'array', of: 'u32', value: new Uint32Array([1, 2 ** 32 - 1]) }],
  ['i32s', { type: 'array', of: 'i32', value: new Int32Array([-1, 1]) }],
  ['u64s', { type: 'array', of: 'u64', value: new BigUint64Array([2n ** 64n - 1n]) }],
  ['i64s', { type: 'array', of: 'i64', value: new BigInt64Array([-1n]) }],
  ['f32s', { type: 'array', of: 'f32', value: new Float32Array([0.5, -Infinity]) }],
  ['f64s', { type: 'array', of: 'f64', value: new Float64Array([0.1]) }],
  ['bools', { type: 'array', of: 'bool', value: [true, false] }],
  [
    'strings',
    { type: 'array', of: 'string', value: ['', 'a', 'ß', 'longer than twenty-four bytes'] },
  ],
  ['nothing', { type: 'array', of: 'f32', value: new Float32Array(0) }],
];

const tensors: readonly GgufTensorData[] = (Object.keys(tensorTypeIds) as TensorType[]).map(
  (type, i) => ({
    name: `tensor.${type}`,
    type,
    shape: [256, 3, i + 1],
    data: new Uint8Array(rowBytes(type, 256) * 3 * (i + 1)).fill(i + 1),
  }),
);

function recorded(bytes: Uint8Array): ByteSource & { readonly reads: [number, number][] } {
  const source = new BufferByteSource(bytes);
  const reads: [number, number][] = [];
  return {
    size: source.size,
    reads,
    read(offset, length) {
      reads.push([offset, length]);
      return source.read(offset, length);
    },
  };
}

describe('what is written is read again', () => {
  it.each([
    { version: 3, alignment: 32 },
    { version: 2, alignment: 32 },
    { version: 3, alignment: 1 },
    { version: 3, alignment: 4096 },
  ] as const)('%o', async ({ version, alignment }) => {
    const bytes = writeGguf({ version, alignment, metadata: everyValue, tensors });
    const gguf = await readGguf(new BufferByteSource(bytes));
    expect([gguf.version, gguf.alignment, gguf.sizeBytes]).toEqual([
      version,
      alignment,
      bytes.length,
    ]);
    const read = new Map([...gguf.metadata.entries].map(([key, { value }]) => [key, value]));
    expect(read.get('general.alignment')).toEqual(
      alignment === 32 ? undefined : { type: 'u32', value: alignment },
    );
    read.delete('general.alignment');
    expect(read).toEqual(new Map(everyValue));
    expect([...gguf.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
    for (const { name, type, shape, data } of tensors) {
      const tensor = gguf.tensors.get(name);
      if (tensor === undefined) throw new Error(`${name} is missing`);
      expect([tensor.type, tensor.shape, tensor.sizeBytes]).toEqual([type, shape, data.length]);
      expect(tensor.offsetBytes % alignment).toBe(0);
      expect(bytes.slice(tensor.offsetBytes, tensor.offsetBytes + tensor.sizeBytes)).toEqual(data);
    }
  });

  it('an entry is where its offset says', async () => {
    const bytes = writeGguf({ metadata: everyValue, tensors: [] });
    const { metadata } = await readGguf(new BufferByteSource(bytes));
    for (const [key, { offsetBytes }] of metadata.entries) {
      const start = offsetBytes + 8;
      expect(new TextDecoder().decode(bytes.subarray(start, start + key.length))).toBe(key);
    }
  });
});

describe('the writer', () => {
  it('takes the alignment from the metadata unless told another', () => {
    const metadata = [['general.alignment', { type: 'u32', value: 64 }]] as const;
    expect(encodeGgufHeader({ metadata, tensors }).header.length % 64).toBe(0);
    const layout = encodeGgufHeader({ metadata, tensors, alignment: 128 });
    expect(layout.places.every(({ offsetBytes }) => offsetBytes % 128 === 0)).toBe(true);
  });

  it.each([
    ['data of another size', { ...tensors[0], data: new Uint8Array(1) }],
    ['no shape', { ...tensors[0], shape: [] }],
    ['a part of a block', { ...tensors[0], type: 'Q8_0', shape: [33] }],
  ])('refuses %s', (_, tensor) => {
    const plan = { metadata: [], tensors: [tensor as GgufTensorData] };
    expect(() => writeGguf(plan)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('refuses an alignment that is not a power of two', () => {
    const plan = { metadata: [], tensors: [], alignment: 3 };
    expect(() => writeGguf(plan)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});

describe('reading in pieces', () => {
  // About 5 MB of header: strings and lists that cross the borders of pieces.
  const vocabulary = Array.from(
    { length: 200_000 },
    (_, i) => `token number ${i} ${'é'.repeat(i % 9)}`,
  );
  const metadata: readonly (readonly [string, MetadataValue])[] = [
    ['tokens', { type: 'array', of: 'string', value: vocabulary }],
    ['scores', { type: 'array', of: 'f32', value: Float32Array.from(vocabulary, (_, i) => -i) }],
    ['template', { type: 'string', value: 'é'.repeat(400_000) }],
  ];
  const large: GgufTensorData = {
    name: 'large',
    type: 'F32',
    shape: [1024, 8192],
    data: new Uint8Array(2 ** 25),
  };

  it('joins what lies across two pieces and asks for every byte once, in order', async () => {
    const source = recorded(writeGguf({ metadata, tensors: [large] }));
    const gguf = await readGguf(source);
    expect(gguf.metadata.findStrings('tokens')).toEqual(vocabulary);
    expect(gguf.metadata.findFloats('scores')?.at(-1)).toBe(1 - vocabulary.length);
    expect(gguf.metadata.getString('template')).toBe('é'.repeat(400_000));
    let end = 0;
    for (const [offset, length] of source.reads) {
      expect(offset).toBe(end);
      end += length;
    }
    expect(source.reads.length).toBeLessThan(10);
    expect(end).toBeLessThan(gguf.dataOffsetBytes + 4 * 2 ** 20);
  });

  it('stops at a signal, before and between reads', async () => {
    const bytes = writeGguf({ metadata, tensors: [] });
    const before = new AbortController();
    before.abort();
    const source = recorded(bytes);
    await expect(readGguf(source, { signal: before.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(source.reads).toEqual([]);

    const during = new AbortController();
    const buffer = new BufferByteSource(bytes);
    let reads = 0;
    const stopping: ByteSource = {
      size: buffer.size,
      read(offset, length) {
        if (++reads === 2) during.abort();
        return buffer.read(offset, length);
      },
    };
    await expect(readGguf(stopping, { signal: during.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(reads).toBe(2);
  });

  it('passes on the failure of the source as it is', async () => {
    const failure = new AppError('store/damaged', 'One part of the model is damaged.');
    const source: ByteSource = { size: 100, read: () => Promise.reject(failure) };
    await expect(readGguf(source)).rejects.toBe(failure);
  });
});
