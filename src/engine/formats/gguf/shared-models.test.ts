import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedModelPath, sharedModels } from '../../../../test/fixtures/shared-models.ts';
import type { ByteSource } from '../../../common/byte-source.ts';
import type { GgufFile } from './gguf-file.ts';
import { readGguf } from './reader.ts';
import { writeGguf } from './writer.ts';

/** Reads from disk and counts, to show that tensor data are left alone. */
async function fileSource(file: string): Promise<ByteSource & { bytesRead: number }> {
  const { size } = await stat(file);
  const source = {
    size,
    bytesRead: 0,
    async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
      const handle = await open(file);
      const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
      await handle.close();
      expect(bytesRead).toBe(length);
      source.bytesRead += length;
      return buffer;
    },
  };
  return source;
}

async function ggufFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for (const folder of ['gguf', 'tokenizers', 'fixtures/models']) {
    const names = await readdir(sharedModelPath(folder));
    files.push(...names.filter((name) => name.endsWith('.gguf')).map((n) => path.join(folder, n)));
  }
  return files;
}

describe.skipIf(sharedModels === null)('the shared GGUF files', () => {
  let files: readonly string[] = [];
  beforeAll(async () => {
    files = await ggufFiles();
  });

  it('are read, whatever types they hold', async () => {
    const types = new Set<string>();
    for (const file of files) {
      const gguf = await readGguf(await fileSource(sharedModelPath(file)));
      expect(gguf.metadata.getString('general.architecture')).not.toBe('');
      expect(gguf.tensors.size === 0).toBe(file.startsWith('tokenizers'));
      for (const { type } of gguf.tensors.values()) types.add(type);
    }
    expect(files.length).toBeGreaterThan(60);
    expect([...types]).toEqual(expect.arrayContaining(['Q4_K', 'IQ1_S', 'TQ2_0', 'MXFP4']));
  });

  it('are the same after writing and reading again', async () => {
    for (const file of files) {
      const bytes = new Uint8Array(await readFile(sharedModelPath(file)));
      const first = await readGguf(await fileSource(sharedModelPath(file)));
      const written = writeGguf({
        version: first.version,
        metadata: [...first.metadata.entries].map(([key, entry]) => [key, entry.value] as const),
        tensors: [...first.tensors.values()].map((tensor) => ({
          ...tensor,
          data: bytes.subarray(tensor.offsetBytes, tensor.offsetBytes + tensor.sizeBytes),
        })),
      });
      // Converters differ in whether they pad behind the last tensor; zeros either way.
      const common = Math.min(written.length, bytes.length);
      expect(Buffer.compare(written.subarray(0, common), bytes.subarray(0, common)), file).toBe(0);
      expect(written.subarray(common).some((byte) => byte !== 0)).toBe(false);
      expect(Math.abs(written.length - bytes.length)).toBeLessThan(first.alignment);
    }
  });

  it('have the values that their makers describe', async () => {
    const read = async (...file: string[]): Promise<GgufFile> =>
      await readGguf(await fileSource(sharedModelPath(...file)));
    const stories = await read('gguf', 'stories260K.gguf');
    expect(stories.metadata.getUnsigned('llama.block_count')).toBe(5);
    expect(stories.metadata.getUnsigned('llama.attention.head_count_kv')).toBe(4);
    expect(stories.metadata.getUnsigned('tokenizer.ggml.padding_token_id')).toBe(4294967295);
    expect(stories.metadata.findStrings('tokenizer.ggml.tokens', { length: 512 })).toBeDefined();
    const tiny = await read('gguf', 'TinyStories-656K-Q5_1.gguf');
    expect([...tiny.tensors.values()].some((tensor) => tensor.type === 'Q5_1')).toBe(true);
    const gpt2 = await read('tokenizers', 'ggml-vocab-gpt-2.gguf');
    expect(gpt2.tensors.size).toBe(0);
    expect(gpt2.metadata.findStrings('tokenizer.ggml.tokens')?.length).toBe(50257);
  });

  it('are not read beyond the piece in which the header ends', async () => {
    const source = await fileSource(sharedModelPath('fixtures/models/olmo3.F32.gguf'));
    await readGguf(source);
    expect(source.bytesRead).toBeLessThan(source.size / 2);
  });
});
