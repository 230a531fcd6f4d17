import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../common/byte-source.ts';
import { randomValues } from '../../../test/fixtures/random-values.ts';
import { tinyLlama } from '../../../test/fixtures/tiny-llama.ts';
import { ReferenceBackend } from '../backend/reference/reference-backend.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { writeGguf } from '../formats/gguf/writer.ts';
import { loadEmbeddingModel, loadModel } from '../weights/weight-loader.ts';
import type { EmbeddingModel } from './embedding-model.ts';
import { pool } from './embedding-model.ts';

const u32 = (value: number): MetadataValue => ({ type: 'u32', value });

/** Width 16, one layer, 20 tokens, 12 positions. */
function tinyBert(metadata: Readonly<Record<string, MetadataValue>> = {}): Uint8Array<ArrayBuffer> {
  const shapes: Record<string, readonly number[]> = {
    'token_embd.weight': [16, 20],
    'position_embd.weight': [16, 12],
    'token_types.weight': [16, 2],
    'token_embd_norm.weight': [16],
    'blk.0.attn_qkv.weight': [16, 48],
    'blk.0.attn_output.weight': [16, 16],
    'blk.0.attn_output_norm.weight': [16],
    'blk.0.ffn_up.weight': [16, 32],
    'blk.0.ffn_down.weight': [32, 16],
    'blk.0.layer_output_norm.weight': [16],
  };
  return writeGguf({
    metadata: Object.entries({
      'general.architecture': { type: 'string', value: 'bert' },
      'bert.context_length': u32(12),
      'bert.embedding_length': u32(16),
      'bert.block_count': u32(1),
      'bert.feed_forward_length': u32(32),
      'bert.attention.head_count': u32(2),
      'bert.attention.layer_norm_epsilon': { type: 'f32', value: 0.00001 },
      'bert.vocab_size': u32(20),
      'tokenizer.ggml.token_type_count': u32(2),
      ...metadata,
    } satisfies Record<string, MetadataValue>),
    tensors: Object.entries(shapes).map(([name, shape], index) => {
      const values = randomValues((shape[0] ?? 1) * (shape[1] ?? 1), index + 1);
      return { name, type: 'F32', shape, data: new Uint8Array(values.buffer) };
    }),
  });
}

async function load(bytes: Uint8Array<ArrayBuffer>): Promise<EmbeddingModel> {
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const backend = new ReferenceBackend();
  return loadEmbeddingModel({ source, file, backend, precision: 'auto' });
}

const options = { precision: 8 } as const;

describe('EmbeddingModel', () => {
  it('makes vectors of length 1, which depend on the order of the tokens', async () => {
    const model = await load(tinyBert());
    expect(model).toMatchObject({ dimensions: 16, maxTokens: 12, pooling: 'mean' });
    const one = Array.from(await model.embed(Int32Array.of(1, 2, 3), options));
    const again = Array.from(await model.embed(Int32Array.of(1, 2, 3), options));
    const other = Array.from(await model.embed(Int32Array.of(3, 2, 1), options));
    expect(Math.hypot(...one)).toBeCloseTo(1, 6);
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it('pools as the file says', async () => {
    const vectors = await Promise.all(
      [1, 2, 3].map(async (type) => {
        const model = await load(tinyBert({ 'bert.pooling_type': u32(type) }));
        return model.embed(Int32Array.of(4, 5), { ...options, normalize: false });
      }),
    );
    const [mean = [], first = [], last = []] = vectors.map((vector) => Array.from(vector));
    expect(first).not.toEqual(last);
    mean.forEach((x, d) => {
      expect(x).toBeCloseTo(((first[d] ?? NaN) + (last[d] ?? NaN)) / 2, 6);
    });
  });

  it.each([
    [[], 'invalid-argument'],
    [[20], 'invalid-argument'],
    [[-1], 'invalid-argument'],
    [Array.from({ length: 13 }, () => 1), 'engine/context-overflow'],
  ])('refuses the tokens %o', async (tokens, code) => {
    const model = await load(tinyBert());
    await expect(model.embed(Int32Array.from(tokens), options)).rejects.toMatchObject({ code });
  });

  it('computes one text at a time and none when unloaded', async () => {
    const model = await load(tinyBert());
    const first = model.embed(Int32Array.of(1), options);
    await expect(model.embed(Int32Array.of(1), options)).rejects.toMatchObject({
      code: 'engine/busy',
    });
    await first;
    model.dispose();
    model.dispose();
    await expect(model.embed(Int32Array.of(1), options)).rejects.toMatchObject({
      code: 'engine/not-loaded',
    });
  });

  it('is no language model, and a language model is none', async () => {
    const wrong = { code: 'model-file/wrong-kind', details: { purpose: 'chat' } };
    await expect(load(tinyLlama())).rejects.toMatchObject(wrong);
    const source = new BufferByteSource(tinyBert());
    const file = await readGguf(source);
    const backend = new ReferenceBackend();
    const asChat = loadModel({ source, file, backend, precision: 'auto', kvType: 'f32' });
    await expect(asChat).rejects.toThrow('cannot answer');
  });

  it.each([
    ['bert.pooling_type', u32(4)],
    ['bert.attention.causal', { type: 'bool', value: true }],
  ] as const)('refuses %s = %o', async (field, value) => {
    await expect(load(tinyBert({ [field]: value }))).rejects.toMatchObject({
      code: 'model-file/unsupported-architecture',
      field,
    });
  });
});

describe('pool', () => {
  const rows = Float32Array.of(1, 2, 3, 4, 5, 12);

  it.each([
    ['mean', [3, 6]],
    ['first', [1, 2]],
    ['last', [5, 12]],
  ] as const)('%s', (pooling, expected) => {
    expect(Array.from(pool(rows, 2, pooling))).toEqual(expected);
  });
});
