import { describe, expect, it } from 'vitest';
import { splitModel } from '../../../test/fixtures/split-model.ts';
import { syntheticLlama } from '../../../test/fixtures/synthetic-llama.ts';
import { tinyLlama } from '../../../test/fixtures/tiny-llama.ts';
import { BufferByteSource, type ByteSource } from '../../common/byte-source.ts';
import { type AppError, ModelFileError } from '../../common/errors.ts';
import { JoinedByteSource } from '../../common/joined-byte-source.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { planModel } from '../weights/weight-loader.ts';
import { inspectModel, parameterLabel, refuseUnusable } from './inspect-model.ts';
import { memoryAt } from './model-inspection.ts';

const bytes = syntheticLlama({
  width: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  feedForward: 96,
  vocabularySize: 300,
  contextLength: 512,
  type: 'Q8_0',
  chatTemplate: '{{ messages[0].content }}',
});

/** Fails the test when tensor data are read. */
function headerOnly(file: Uint8Array, dataOffsetBytes: number): ByteSource {
  const source = new BufferByteSource(file);
  return {
    size: source.size,
    read: (offset, length) => {
      if (offset > dataOffsetBytes) throw new Error('Weights were read');
      return source.read(offset, length);
    },
  };
}

describe('inspecting a model', () => {
  it('tells everything its header says', async () => {
    const file = await readGguf(new BufferByteSource(bytes));
    const inspection = await inspectModel(headerOnly(bytes, file.dataOffsetBytes));
    expect(inspection).toMatchObject({
      architecture: 'llama',
      quantization: 'Q8_0',
      contextLength: 512,
      sizeBytes: bytes.length,
      headerBytes: file.dataOffsetBytes,
      parts: 1,
      version: 3,
      problems: [],
      chatTemplates: [{ name: '', source: '{{ messages[0].content }}' }],
      tokenizer: { size: 300 },
    });
    expect(inspection.tensors).toHaveLength(file.tensors.size);
    expect(inspection.metadata).toHaveLength(file.metadata.entries.size);
    expect(inspection.hyperParameters).toContainEqual({
      key: 'block_count',
      type: 'u32',
      text: '3',
    });
    const tokens = inspection.metadata.find(({ key }) => key === 'tokenizer.ggml.tokens');
    expect(tokens?.type).toBe('string[300]');
    expect(tokens?.text.length).toBeLessThan(1000);
    const elements = [...file.tensors.values()].reduce((sum, tensor) => sum + tensor.elements, 0);
    expect(inspection.parameters).toBe(elements);
    expect(inspection.mix.reduce((sum, share) => sum + share.tensors, 0)).toBe(file.tensors.size);
    expect(structuredClone(inspection)).toEqual(inspection);
  });

  it('plans memory for any context from two numbers', async () => {
    const file = await readGguf(new BufferByteSource(bytes));
    const { memory } = await inspectModel(new BufferByteSource(bytes));
    for (const need of memory) {
      for (const contextLength of [64, 500, 512]) {
        const { precision } = need;
        const plan = planModel(file, { precision, contextLength, kvType: 'f16' });
        expect(memoryAt(need, contextLength)).toBe(plan.totalBytes);
      }
    }
    expect(memory.map(({ precision }) => precision)).toEqual([8, 4]);
  });

  it('says what is not supported and shows the rest', async () => {
    const text = (value: string) => ({ type: 'string', value }) as const;
    const strange = tinyLlama({
      metadata: {
        'general.architecture': text('wombat'),
        'tokenizer.ggml.model': text('carrier-pigeon'),
      },
    });
    const inspection = await inspectModel(new BufferByteSource(strange));
    expect(inspection.architecture).toBe('wombat');
    expect(inspection.tensors.length).toBeGreaterThan(10);
    expect(inspection.memory).toEqual([]);
    expect(inspection.problems.map(({ area, code }) => [area, code])).toEqual([
      ['architecture', 'model-file/unsupported-architecture'],
      ['tokenizer', 'model-file/unsupported-tokenizer'],
    ]);
  });

  it('shows the metadata of a file whose tensors cannot be read', async () => {
    const file = await readGguf(new BufferByteSource(bytes));
    const cut = bytes.subarray(0, file.dataOffsetBytes + 100);
    const inspection = await inspectModel(new BufferByteSource(cut));
    expect(inspection.problems[0]).toMatchObject({ area: 'file', code: 'model-file/truncated' });
    expect(inspection.tensors).toEqual([]);
    expect(inspection.metadata).toHaveLength(file.metadata.entries.size);
    await expect(inspectModel(new BufferByteSource(bytes.subarray(0, 40)))).rejects.toBeInstanceOf(
      ModelFileError,
    );
  });

  it('reads all files of a divided model', async () => {
    const parts = await splitModel(bytes, 3);
    const source = new JoinedByteSource(parts.map((part) => new BufferByteSource(part)));
    const whole = await inspectModel(new BufferByteSource(bytes));
    const inspection = await inspectModel(source);
    expect(inspection.parts).toBe(3);
    expect(inspection.problems).toEqual([]);
    expect(inspection.tensors).toEqual(whole.tensors);
    expect(inspection.memory).toEqual(whole.memory);
  });
});

describe('refusing a model early', () => {
  it('says what a usable one is', async () => {
    const file = await readGguf(new BufferByteSource(bytes));
    expect(refuseUnusable(file, 1e9)).toMatchObject({
      architecture: 'llama',
      quantization: 'Q8_0',
      contextLength: 512,
    });
  });

  it('that no context would fit into memory', async () => {
    const file = await readGguf(new BufferByteSource(bytes));
    const least = planModel(file, { precision: 4, contextLength: 64, kvType: 'f16' });
    expect(() => refuseUnusable(file, least.totalBytes)).not.toThrow();
    expect(() => refuseUnusable(file, least.totalBytes - 1)).toThrow(
      expect.objectContaining<Partial<AppError>>({ code: 'engine/out-of-memory' }),
    );
  });
});

it.each([
  [134_515_008, '135M'],
  [1_543_714_304, '1.5B'],
  [70_553_706_496, '71B'],
  [260_032, '260K'],
  [656_000, '656K'],
  [405_853_388_800, '406B'],
])('%i parameters are %s', (parameters, label) => {
  expect(parameterLabel(parameters)).toBe(label);
});
