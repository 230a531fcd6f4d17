/** Every limit, with a file that reaches it and one that passes it by one. */
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../../common/byte-source.ts';
import { ModelFileError } from '../../../common/errors.ts';
import { ggufLimits } from './limits.ts';
import type { MetadataValue } from './metadata.ts';
import { readGguf } from './reader.ts';
import { encodeGgufHeader, writeGguf, type GgufPlan, type GgufTensorData } from './writer.ts';

type Entry = readonly [string, MetadataValue];
type File = GgufPlan<GgufTensorData>;

const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
const string = (length: number): MetadataValue => ({ type: 'string', value: 'x'.repeat(length) });
const strings = (value: readonly string[]): MetadataValue => ({
  type: 'array',
  of: 'string',
  value,
});
const withEntries = (...metadata: readonly Entry[]): File => ({ metadata, tensors: [] });
const tensor = (name: string, shape = [1]): GgufTensorData => ({
  name,
  type: 'F32',
  shape,
  data: new Uint8Array(4),
});
const withTensors = (...tensors: readonly GgufTensorData[]): File => ({ metadata: [], tensors });
const times = <T>(count: number, item: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => item(i));
const architecture: Entry = ['general.architecture', { type: 'string', value: 'llama' }];

interface LimitCase {
  readonly name: string;
  readonly limit: number;
  /** A file with this much of the thing limited. */
  readonly file: (amount: number) => File;
  /** What exceeds the limit next, where that is not one more. */
  readonly beyond?: number;
}

const mebibyteString = 'x'.repeat(2 ** 20);

const cases: readonly LimitCase[] = [
  {
    name: 'metadata entries',
    limit: 65_536,
    file: (n) => withEntries(...times(n, (i): Entry => [`k${i}`, u32(i)])),
  },
  { name: 'tensors', limit: 65_536, file: (n) => withTensors(...times(n, (i) => tensor(`t${i}`))) },
  { name: 'key length', limit: 65_535, file: (n) => withEntries(['k'.repeat(n), u32(1)]) },
  {
    name: 'string length',
    limit: 2 ** 20,
    file: (n) => withEntries(['general.license', string(n)]),
  },
  {
    name: 'chat template length',
    limit: 2 ** 24,
    file: (n) => withEntries(['tokenizer.chat_template', string(n)]),
  },
  {
    name: 'named chat template length',
    limit: 2 ** 24,
    file: (n) => withEntries(['tokenizer.chat_template.tool_use', string(n)]),
  },
  {
    name: 'length of a string in a list',
    limit: 2 ** 20,
    file: (n) => withEntries(['tokenizer.ggml.tokens', strings(['x'.repeat(n)])]),
  },
  {
    name: 'vocabulary',
    limit: 2 ** 21,
    file: (n) => withEntries(['tokenizer.ggml.tokens', strings(times(n, () => ''))]),
  },
  {
    name: 'numbers in a list',
    limit: 2 ** 21,
    file: (n) =>
      withEntries([
        'tokenizer.ggml.scores',
        { type: 'array', of: 'f32', value: new Float32Array(n) },
      ]),
  },
  {
    name: 'text of a list',
    limit: 2 ** 26,
    file: (n) =>
      withEntries([
        'k',
        strings([...times(Math.floor(n / 2 ** 20), () => mebibyteString), 'x'.repeat(n % 2 ** 20)]),
      ]),
  },
  {
    name: 'dimensions',
    limit: 4,
    file: (n) =>
      withTensors(
        tensor(
          't',
          times(n, () => 1),
        ),
      ),
  },
  { name: 'tensor name length', limit: 64, file: (n) => withTensors(tensor('t'.repeat(n))) },
  {
    name: 'alignment',
    limit: 65_536,
    beyond: 131_072,
    file: (n) => ({ ...withTensors(tensor('t')), alignment: n }),
  },
  {
    name: 'layers',
    limit: 1024,
    file: (n) => withEntries(architecture, ['llama.block_count', u32(n)]),
  },
  {
    name: 'context',
    limit: 2 ** 24,
    file: (n) => withEntries(architecture, ['llama.context_length', u32(n)]),
  },
];

async function refusal(file: File): Promise<ModelFileError> {
  const thrown = await readGguf(new BufferByteSource(writeGguf(file))).catch((e: unknown) => e);
  if (!(thrown instanceof ModelFileError)) throw new Error(`not refused: ${String(thrown)}`);
  return thrown;
}

describe('limits', () => {
  it.each(cases)('$name: $limit', async ({ limit, file, beyond }) => {
    const read = await readGguf(new BufferByteSource(writeGguf(file(limit))));
    expect(read.metadata.entries.size + read.tensors.size).toBeGreaterThan(0);
    const error = await refusal(file(beyond ?? limit + 1));
    expect(error.code).toBe('model-file/limit');
    expect(error.details['limit']).toBe(limit);
    expect(error.message).toContain(`at most ${limit} `);
  });

  it('a model without layers or context is malformed', async () => {
    for (const key of ['llama.block_count', 'llama.context_length']) {
      const error = await refusal(withEntries(architecture, [key, u32(0)]));
      expect([error.code, error.field]).toEqual(['model-file/malformed', key]);
    }
  });

  it('the header ends before its limit', async () => {
    expect(ggufLimits.headerBytes).toBe(256 * 2 ** 20);
    const plan = withEntries(['k', string(1000)]);
    const bytes = writeGguf(plan);
    // Without its padding, which is nobody's metadata.
    const headerBytes = 24 + 8 + 1 + 4 + 8 + 1000;
    expect(encodeGgufHeader(plan).sizeBytes).toBe(Math.ceil(headerBytes / 32) * 32);
    const source = new BufferByteSource(bytes);
    await expect(readGguf(source, { limits: { headerBytes } })).resolves.toBeDefined();
    await expect(
      readGguf(source, { limits: { headerBytes: headerBytes - 1 } }),
    ).rejects.toMatchObject({
      code: 'model-file/limit',
      field: 'k',
    });
  });

  it('a header that would pass 256 MiB is given up there', async () => {
    // Every list takes 2 MiB, and the file claims more of them than fit. It is made as it is read.
    const listBytes = 8 + 8 + 4 + 4 + 8 + 2 ** 21;
    const prefix = writeGguf(withEntries());
    new DataView(prefix.buffer).setBigUint64(16, 200n, true);
    let bytesRead = 0;
    const source = {
      size: 2 ** 40,
      read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
        bytesRead += length;
        const bytes = new Uint8Array(length);
        const view = new DataView(bytes.buffer);
        const put = (at: number, value: number): void => {
          if (at >= offset && at < offset + length) view.setUint8(at - offset, value);
        };
        for (let i = 0; i < 24; i++) put(i, prefix[i] as number);
        for (let list = 0; list < 200; list++) {
          const start = 24 + list * listBytes;
          put(start, 8);
          const key = String(10_000_000 + list);
          for (let i = 0; i < 8; i++) put(start + 8 + i, key.charCodeAt(i));
          put(start + 16, 9);
          put(start + 24 + 2, 2 ** 21 / 65_536);
        }
        return Promise.resolve(bytes);
      },
    };
    await expect(readGguf(source)).rejects.toMatchObject({ code: 'model-file/limit' });
    expect(bytesRead).toBeGreaterThan(200 * 2 ** 20);
    expect(bytesRead).toBeLessThanOrEqual(256 * 2 ** 20);
  });
});
