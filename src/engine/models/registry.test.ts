import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../common/byte-source.ts';
import { equalLayers } from '../backend/backend.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
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
const f32 = (value: number) => ({ type: 'f32', value }) as const;
type Keys = Readonly<Record<string, MetadataValue>>;

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

describe('what newer architectures refuse', () => {
  /** As `llama`, under another name and with other keys and tensors. */
  const as = (name: string, keys: Keys = {}) => {
    const usual = Object.entries({
      ...{ context_length: 128, embedding_length: 64, block_count: 2, feed_forward_length: 96 },
      ...{ 'attention.head_count': 4, 'attention.head_count_kv': 2, vocab_size: 48 },
    }).map(([key, value]) => [`${name}.${key}`, u32(value)] as const);
    const own = Object.entries(keys).map(([key, value]) => [`${name}.${key}`, value] as const);
    return define({
      metadata: {
        'general.architecture': { type: 'string', value: name },
        [`${name}.attention.layer_norm_rms_epsilon`]: f32(1e-5),
        [`${name}.attention.layer_norm_epsilon`]: f32(1e-5),
        ...Object.fromEntries(usual),
        ...Object.fromEntries(own),
      },
    });
  };

  it.each([
    ['qwen3moe', {}, 'expert_count'],
    ['qwen2moe', { expert_count: u32(4) }, 'expert_used_count'],
    ['olmoe', { expert_count: u32(4), expert_used_count: u32(5) }, 'expert_used_count'],
    ['deepseek', { expert_count: u32(4), expert_used_count: u32(9) }, 'expert_used_count'],
    ['granitemoe', { expert_count: u32(4), expert_used_count: u32(8) }, 'expert_used_count'],
    ['granite', { residual_scale: f32(-1) }, 'residual_scale'],
    ['gemma2', { attn_logit_softcapping: f32(0) }, 'attn_logit_softcapping'],
    ['gemma3', { 'rope.freq_base_swa': f32(0) }, 'rope.freq_base_swa'],
    ['cohere2', { logit_scale: f32(0) }, 'logit_scale'],
    ['lfm2', { 'shortconv.l_cache': u32(1) }, 'shortconv.l_cache'],
    ['mamba', { 'ssm.conv_kernel': u32(1) }, 'ssm.conv_kernel'],
    ['bert', { pooling_type: u32(9) }, 'pooling_type'],
    ['nomic-bert', { 'attention.causal': { type: 'bool', value: true } }, 'attention.causal'],
    ['gemma-embedding', { pooling_type: u32(0) }, 'pooling_type'],
    [
      'phi3',
      { 'rope.dimension_count': u32(6), 'attention.key_length': u32(4) },
      'rope.dimension_count',
    ],
    ['deepseek2', { 'attention.key_length': u32(16) }, 'rope.dimension_count'],
  ] as const)('%s %o', async (name, keys, key) => {
    await expect(as(name, keys)).rejects.toMatchObject({ field: `${name}.${key}` });
  });

  it.each([
    ['qwen3', 'blk.0.attn_q_norm.weight'],
    ['gemma3', 'blk.0.post_attention_norm.weight'],
    ['olmo2', 'blk.0.attn_q_norm.weight'],
    ['gpt2', 'position_embd.weight'],
    ['bert', 'token_embd_norm.weight'],
    ['glm4', 'blk.0.post_attention_norm.weight'],
  ])('%s without %s', async (name, tensor) => {
    await expect(as(name)).rejects.toMatchObject({
      code: 'model-file/missing-tensor',
      field: tensor,
    });
  });
});
