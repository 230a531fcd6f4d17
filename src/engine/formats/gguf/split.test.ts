/** Models in several files, read as one; parts that are missing or belong elsewhere. */
import { describe, expect, it } from 'vitest';
import { partNames, splitModel } from '../../../../test/fixtures/split-model.ts';
import { tinyLlama } from '../../../../test/fixtures/tiny-llama.ts';
import { BufferByteSource } from '../../../common/byte-source.ts';
import { ModelFileError } from '../../../common/errors.ts';
import { JoinedByteSource } from '../../../common/joined-byte-source.ts';
import { defineModel } from '../../models/registry.ts';
import type { GgufFile } from './gguf-file.ts';
import { readGguf } from './reader.ts';
import { readModel } from './split.ts';

const whole = tinyLlama();
const join = (parts: readonly Uint8Array[]): JoinedByteSource =>
  new JoinedByteSource(parts.map((part) => new BufferByteSource(part)));
const read = (parts: readonly Uint8Array[]): Promise<GgufFile> => readModel(join(parts));

async function refusal(parts: readonly Uint8Array[]): Promise<ModelFileError> {
  const error: unknown = await read(parts).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ModelFileError);
  return error as ModelFileError;
}

describe('a model in several files', () => {
  it.each([2, 3, 7])('%i parts hold what one file held', async (count) => {
    const parts = await splitModel(whole, count);
    const source = join(parts);
    const file = await readModel(source);
    const expected = await readGguf(new BufferByteSource(whole));
    expect([...file.tensors.keys()]).toEqual([...expected.tensors.keys()]);
    expect(file.parts).toBe(count);
    expect(file.sizeBytes).toBe(parts.reduce((sum, part) => sum + part.length, 0));
    for (const tensor of expected.tensors.values()) {
      const joined = file.tensors.get(tensor.name);
      expect(joined).toMatchObject({ type: tensor.type, shape: tensor.shape });
      const bytes = await source.read(joined?.offsetBytes ?? 0, tensor.sizeBytes);
      const at = tensor.offsetBytes;
      expect(Buffer.from(bytes).equals(whole.subarray(at, at + tensor.sizeBytes))).toBe(true);
    }
    expect(defineModel(file).weights).toHaveLength(defineModel(expected).weights.length);
  });

  it('reads across the border of two files', async () => {
    const source = join([Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3), Uint8Array.of(4)]);
    expect([...(await source.read(1, 3))]).toEqual([2, 3, 4]);
    expect([...(await source.read(4, 0))]).toEqual([]);
    await expect(source.read(2, 3)).rejects.toThrow('outside the file');
  });

  it('files in the wrong order are refused', async () => {
    const [a, b, c] = (await splitModel(whole, 3)) as [Uint8Array, Uint8Array, Uint8Array];
    expect(await refusal([b, a, c])).toMatchObject({
      code: 'model-file/in-parts',
      field: 'split.no',
      details: { part: 1, parts: 3 },
    });
    expect((await refusal([a, b, b])).message).toContain('it says that it is part 2 of 3');
  });

  it('a file of a model with another number of files is refused', async () => {
    const [a, b] = (await splitModel(whole, 3)) as [Uint8Array, Uint8Array];
    expect(await refusal([a, b])).toMatchObject({
      code: 'model-file/in-parts',
      field: 'split.count',
      details: { part: 1, parts: 2, foreign: true },
    });
    expect((await refusal([whole, b])).message).toContain('a whole model and no part of one');
  });

  it('a file of another model is refused', async () => {
    const [a] = (await splitModel(whole, 2)) as [Uint8Array];
    const other = tinyLlama({ tensors: { 'output.weight': [64, 48] } });
    const [, foreign] = (await splitModel(other, 2)) as [Uint8Array, Uint8Array];
    expect(await refusal([a, foreign])).toMatchObject({
      code: 'model-file/in-parts',
      field: 'split.tensors.count',
      details: { part: 2, parts: 2 },
    });
  });

  it('a number of tensors that is not true is refused', async () => {
    const lying = { 'split.tensors.count': { type: 'i32', value: 99 } } as const;
    const parts = await splitModel(whole, 2, { metadata: () => lying });
    expect((await refusal(parts)).message).toContain(
      'the parts hold 20 tensors, but the model has 99',
    );
  });

  it('the same tensor in two files is refused', async () => {
    const parts = await splitModel(whole, 2);
    const again = await splitModel(whole, 1, {
      metadata: () => ({
        'split.no': { type: 'u16', value: 1 },
        'split.count': { type: 'u16', value: 2 },
      }),
    });
    const error = await refusal([parts[0] as Uint8Array, again[0] as Uint8Array]);
    expect(error).toMatchObject({ code: 'model-file/malformed', field: 'token_embd.weight' });
  });

  it('one of the files alone says what to do', async () => {
    const [first] = (await splitModel(whole, 3)) as [Uint8Array];
    const file = await readModel(new BufferByteSource(first));
    expect(() => defineModel(file)).toThrow('part 1 of a model in 3 files');
    expect(partNames('m', 3)[2]).toBe('m-00003-of-00003.gguf');
  });
});
