import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../common/byte-source.ts';
import { equalLayers } from '../backend/backend.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import type { TinyLlamaOptions } from '../../../test/fixtures/tiny-llama.ts';
import { tinyLlama } from '../../../test/fixtures/tiny-llama.ts';
import type { ModelDefinition } from './model-definition.ts';
import { defineModel } from './registry.ts';

async function define(options?: TinyLlamaOptions): Promise<ModelDefinition> {
  return defineModel(await readGguf(new BufferByteSource(tinyLlama(options))));
}

function failure(code: string, text: string): Error {
  return expect.objectContaining({
    code,
    message: expect.stringContaining(text) as string,
  }) as Error;
}

const u32 = (value: number) => ({ type: 'u32', value }) as const;

describe('defineModel', () => {
  it('knows the model from its header', async () => {
    const { info, cache, weights } = await define();
    expect(info).toMatchObject({
      architecture: 'llama',
      vocabularySize: 48,
      trainedContext: 128,
      layers: 2,
      parameters: weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
    });
    expect(cache).toEqual({ layers: equalLayers(2, 2, 16) });
  });

  it('uses the embedding as output where the file has none', async () => {
    const tied = (await define()).buildGraph(new Map());
    expect(tied.weights).not.toContain('output.weight');
    const untied = (await define({ tensors: { 'output.weight': [64, 48] } })).buildGraph(new Map());
    const last = untied.ops.at(-1);
    expect(last?.op === 'matmul' && untied.weights[last.weight]).toBe('output.weight');
  });

  it('names an unknown architecture and lists what works', async () => {
    const metadata = { 'general.architecture': { type: 'string', value: 'wombat' } } as const;
    await expect(define({ metadata })).rejects.toThrow(
      failure('model-file/unsupported-architecture', '"wombat". It runs: bert, '),
    );
  });

  it('says what to do with one part of several', async () => {
    const u16 = (value: number) => ({ type: 'u16', value }) as const;
    await expect(
      define({ metadata: { 'split.no': u16(1), 'split.count': u16(3) } }),
    ).rejects.toThrow(failure('model-file/in-parts', 'part 2 of a model in 3 files'));
    const alone = await define({ metadata: { 'split.no': u16(0), 'split.count': u16(1) } });
    expect(alone.info.layers).toBe(2);
  });

  it('cuts q, k and v out of the tensor that holds all three', async () => {
    const apart = ['q', 'k', 'v'].map((part) => [`blk.0.attn_${part}.weight`, null] as const);
    const fused = (rows: number): TinyLlamaOptions => ({
      tensors: { ...Object.fromEntries(apart), 'blk.0.attn_qkv.weight': [64, rows] },
    });
    const file = await readGguf(new BufferByteSource(tinyLlama(fused(128))));
    const whole = file.tensors.get('blk.0.attn_qkv.weight')?.offsetBytes ?? NaN;
    const parts = defineModel(file).weights.filter(({ tensor }) =>
      /0\.attn_[qkv]/.test(tensor.name),
    );
    expect(parts.map(({ tensor, rows }) => [tensor.name, rows, tensor.offsetBytes])).toEqual([
      ['blk.0.attn_q.weight', 64, whole],
      ['blk.0.attn_k.weight', 32, whole + 64 * 64 * 4],
      ['blk.0.attn_v.weight', 32, whole + 96 * 64 * 4],
    ]);
    await expect(define(fused(127))).rejects.toMatchObject({
      code: 'model-file/malformed',
      field: 'blk.0.attn_qkv.weight',
    });
  });

  it('names a missing tensor', async () => {
    await expect(define({ tensors: { 'blk.1.ffn_up.weight': null } })).rejects.toThrow(
      failure('model-file/missing-tensor', '"blk.1.ffn_up.weight"'),
    );
  });

  it.each([
    ['blk.0.attn_k.weight', [64, 64]],
    ['blk.0.attn_norm.weight', [32]],
    ['blk.0.attn_q.bias', [32]],
    ['token_embd.weight', [48, 64]],
  ])('refuses %s of another shape', async (name, shape) => {
    await expect(define({ tensors: { [name]: shape } })).rejects.toThrow(
      failure('model-file/malformed', `"${name}"`),
    );
  });

  it('refuses a tensor that would be ignored', async () => {
    await expect(define({ tensors: { 'blk.0.attn_q_norm.weight': [16] } })).rejects.toThrow(
      failure('model-file/unsupported-architecture', '"blk.0.attn_q_norm.weight"'),
    );
  });

  it.each([
    ['expert_count', u32(2 ** 25), 'model-file/malformed'],
    ['attention.value_length', u32(8), 'model-file/unsupported-architecture'],
    [
      'rope.scaling.type',
      { type: 'string', value: 'dynamic' },
      'model-file/unsupported-architecture',
    ],
    ['attention.head_count', u32(0), 'model-file/malformed'],
    ['attention.head_count', u32(12), 'model-file/malformed'],
    ['attention.head_count_kv', u32(3), 'model-file/malformed'],
    ['rope.dimension_count', u32(18), 'model-file/malformed'],
    ['rope.dimension_count', u32(7), 'model-file/malformed'],
    ['rope.freq_base', { type: 'f32', value: 0 }, 'model-file/malformed'],
    ['expert_used_count', u32(9), 'model-file/malformed'],
  ] as const)('refuses %s = %o', async (key, value, code) => {
    const field = `llama.${key}`;
    const experts = key === 'expert_used_count' && { 'llama.expert_count': u32(8) };
    const metadata = { ...experts, [field]: value };
    await expect(define({ metadata })).rejects.toMatchObject({ code, field });
  });
});
