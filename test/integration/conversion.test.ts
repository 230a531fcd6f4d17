/**
 * Folders of models in safetensors, made from the fixtures' files and their transformers configuration,
 * converted back: the weights of each are those of the file, so its reference logits must come out.
 */
import { describe, expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../../src/common/byte-source.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import type { ModelFolder, WeightFile } from '../../src/engine/conversion/conversion-plan.ts';
import { convertFolder } from '../../src/engine/conversion/converted-model.ts';
import { convertibleTypes } from '../../src/engine/conversion/families.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { createTokenizer } from '../../src/engine/tokenizer/create-tokenizer.ts';
import { loadEmbeddingModel, loadModel } from '../../src/engine/weights/weight-loader.ts';
import { randomValues } from '../fixtures/random-values.ts';
import {
  fixtureModel,
  safetensorsFile,
  safetensorsFolder,
} from '../fixtures/safetensors-folder.ts';
import { fixtureModels } from '../fixtures/shared-models.ts';

import { lastLogits, modelFixtures, normalisedError } from './reference-files.ts';

const prompt = [5, 17, 300, 42, 7, 7, 120, 9, 306, 33, 2, 250, 64, 11, 77, 18, 205, 3, 91, 140];

async function logitsOf(source: ByteSource): Promise<Float32Array> {
  const file = await readGguf(source);
  const backend = new ReferenceBackend();
  const options = { source, file, backend, precision: 'auto', kvType: 'f32' } as const;
  const model = await loadModel({ ...options, contextLength: 256 });
  return lastLogits(model, prompt, prompt.length, { precision: 8, kvType: 'f32' });
}

async function vectorOf(source: ByteSource): Promise<Float32Array> {
  const file = await readGguf(source);
  const backend = new ReferenceBackend();
  const model = await loadEmbeddingModel({ source, file, backend, precision: 'auto' });
  return model.embed(Int32Array.from(prompt), { precision: 8 });
}

/** Whatever the folder of fixtures holds in float32 and of a family that is converted. */
const fixtures = (await modelFixtures())
  .filter(({ name }) => name.endsWith('.F32'))
  .map(({ name, kind }) => ({ name: name.slice(0, -4), kind }));
const convertible = await Promise.all(
  fixtures.map(async ({ name, kind }) => {
    const { config } = await fixtureModel(`${name}.F32`);
    return convertibleTypes.includes(String(config['model_type'])) ? [{ name, kind }] : [];
  }),
);
const names = (wanted: 'logits' | 'embedding'): readonly string[] =>
  convertible.flat().flatMap(({ name, kind }) => (kind === wanted ? [name] : []));
const withoutUsual = !fixtures.some(({ name }) => name === 'llama-rope-llama3');

describe.skipIf(fixtureModels === null)('convertFolder', () => {
  it.each(names('logits'))('gives the logits of %s', async (name) => {
    const fixture = await fixtureModel(`${name}.F32`);
    const converted = await convertFolder(await safetensorsFolder(fixture));
    const [actual, expected] = await Promise.all([
      logitsOf(converted),
      logitsOf(new BufferByteSource(fixture.bytes)),
    ]);
    // of float32 numbers that took another way, such as the divisors of frequencies
    expect(normalisedError(actual, expected)).toBeLessThan(1e-10);
  });

  it.each(names('embedding'))('gives the vectors of %s', async (name) => {
    const fixture = await fixtureModel(`${name}.F32`);
    const converted = await convertFolder(await safetensorsFolder(fixture));
    const [actual, expected] = await Promise.all([
      vectorOf(converted),
      vectorOf(new BufferByteSource(fixture.bytes)),
    ]);
    expect(normalisedError(actual, expected)).toBeLessThan(1e-10);
  });
});

describe.skipIf(fixtureModels === null || withoutUsual)('details of a folder', () => {
  it('pools as the folder says', async () => {
    const folder = await safetensorsFolder(await fixtureModel('bert.F32'));
    const poolingOf = async (settings: object): Promise<unknown> => {
      const pooling = JSON.stringify(settings);
      const { metadata } = await readGguf(await convertFolder({ ...folder, pooling }));
      return metadata.findUnsigned('bert.pooling_type');
    };
    const means = { pooling_mode_cls_token: false, pooling_mode_mean_tokens: true };
    expect(await poolingOf(means)).toBe(1);
    expect(
      await poolingOf({ ...means, pooling_mode_mean_tokens: false, pooling_mode: 'cls' }),
    ).toBe(2);
    await expect(poolingOf({ pooling_mode_max_tokens: true })).rejects.toMatchObject({
      code: 'model-file/unsupported-architecture',
    });
  });

  it('makes an encoder of Gemma 3 where its folder says that it sees both sides', async () => {
    const fixture = await fixtureModel('gemma3.F32');
    const folder = await safetensorsFolder(fixture);
    const bidirectional = { ...fixture.config, use_bidirectional_attention: true };
    const [width, wide] = [64, 256];
    const dense = (name: string, shape: readonly number[], seed: number): WeightFile => {
      const values = randomValues(width * wide, seed).map((value) => value / 8);
      const entry = { name: 'linear.weight', shape, data: new Uint8Array(values.buffer) };
      const source = new BufferByteSource(safetensorsFile([entry]));
      return {
        folder: name,
        size: source.size,
        read: (offset, length) => source.read(offset, length),
      };
    };
    const vectorsWith = async (layers: readonly WeightFile[]): Promise<Float32Array> =>
      vectorOf(
        await convertFolder({
          ...folder,
          config: JSON.stringify(bidirectional),
          pooling: JSON.stringify({ pooling_mode_mean_tokens: true }),
          weights: [...folder.weights, ...layers],
        }),
      );
    const up = dense('2_Dense', [wide, width], 1);
    const down = dense('3_Dense', [width, wide], 2);
    const [plain, layered] = [await vectorsWith([]), await vectorsWith([up, down])];
    // what follows the pooling is two products, of vectors that are normalised again
    const product = (name: WeightFile, x: Float32Array): Promise<Float32Array> =>
      name.read(name.size - 4 * width * wide, 4 * width * wide).then((bytes) => {
        const matrix = new Float32Array(bytes.slice().buffer);
        const rows = matrix.length / x.length;
        return Float32Array.from({ length: rows }, (_, row) =>
          x.reduce((sum, value, column) => sum + value * (matrix[row * x.length + column] ?? 0), 0),
        );
      });
    const expected = await product(down, await product(up, plain));
    const length = Math.hypot(...expected);
    expect(
      normalisedError(
        layered,
        expected.map((value) => value / length),
      ),
    ).toBeLessThan(1e-8);
  });

  it('keeps every token that ends an answer', async () => {
    const folder = await safetensorsFolder(await fixtureModel('llama-rope-llama3.F32'));
    const endsOf = async (change: Partial<ModelFolder>): Promise<readonly number[]> => {
      const { metadata } = await readGguf(await convertFolder({ ...folder, ...change }));
      return [...createTokenizer(metadata).special.endOfGeneration].sort((a, b) => a - b);
    };
    const config = JSON.parse(folder.config) as object;
    const [own] = await endsOf({});
    const several = { config: JSON.stringify({ ...config, eos_token_id: [7, 9] }) };
    expect(await endsOf(several)).toEqual(expect.arrayContaining([7, 9]));
    const generationConfig = JSON.stringify({ eos_token_id: [own, 8] });
    expect(await endsOf({ generationConfig })).toEqual(expect.arrayContaining([own, 8]));
  });

  it('knows ways of cutting texts into words by what they do', async () => {
    const folder = await safetensorsFolder(await fixtureModel('qwen3.F32'));
    const nameOf = async (steps: readonly object[]): Promise<unknown> => {
      const tokenizer = JSON.parse(folder.tokenizer) as object;
      const changed = { ...tokenizer, pre_tokenizer: { type: 'Sequence', pretokenizers: steps } };
      const converted = await convertFolder({ ...folder, tokenizer: JSON.stringify(changed) });
      return (await readGguf(converted)).metadata.findString('tokenizer.ggml.pre');
    };
    const split = (Regex: string): object => ({
      type: 'Split',
      pattern: { Regex },
      behavior: 'Isolated',
    });
    const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
    const words = { ...bytes, use_regex: true };
    expect(await nameOf([words])).toBe('gpt-2');
    expect(await nameOf([{ type: 'Digits', individual_digits: true }, words])).toBe('starcoder');
    // as DeepSeek V3 publishes it
    const marks = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_\`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
    const scripts = split('[一-龥぀-ゟ゠-ヿ]+');
    expect(await nameOf([split(String.raw`\p{N}{1,3}`), scripts, split(marks), bytes])).toBe(
      'deepseek-v3',
    );
    await expect(nameOf([split('[aeiou]'), bytes])).rejects.toMatchObject({
      code: 'model-file/unsupported-tokenizer',
    });
  });

  it('reads any range as the whole has it', async () => {
    const fixture = await fixtureModel('llama.F32');
    const converted = await convertFolder(await safetensorsFolder(fixture));
    const whole = await converted.read(0, converted.size);
    for (let offset = 0, step = 1; offset + step <= whole.length; offset += step, step += 997) {
      const range = await converted.read(offset, step);
      expect(Buffer.compare(range, whole.subarray(offset, offset + step))).toBe(0);
    }
  });

  it.each(['qwen3', 'llama-rope-llama3', 'llama', 'gpt2', 'bert'])(
    'keeps the tokenizer of %s',
    async (name) => {
      const fixture = await fixtureModel(`${name}.F32`);
      const original = createTokenizer(
        (await readGguf(new BufferByteSource(fixture.bytes))).metadata,
      );
      const converted = await convertFolder(await safetensorsFolder(fixture));
      const tokenizer = createTokenizer((await readGguf(converted)).metadata);
      const options = { special: 'parse' } as const;
      for (const text of ['Hello world', ' the  cat\n\n', 'näïve 世界 1234', "it's", '<s>x</s>']) {
        expect(tokenizer.encode(text, options)).toEqual(original.encode(text, options));
      }
    },
  );
});

describe('hostile folders', () => {
  const config = { model_type: 'llama', hidden_size: 8, num_attention_heads: 2, vocab_size: 4 };
  const sizes = { num_hidden_layers: 1, intermediate_size: 8, max_position_embeddings: 16 };
  const folder = (change: Partial<ModelFolder>): ModelFolder => ({
    name: 'x',
    config: JSON.stringify({ ...config, ...sizes, rms_norm_eps: 1e-5 }),
    tokenizer: JSON.stringify({
      model: { type: 'BPE', vocab: {}, merges: [], byte_fallback: true },
    }),
    tokenizerConfig: null,
    chatTemplate: null,
    weights: [],
    ...change,
  });
  const weights = (header: unknown, data = 16): readonly ByteSource[] => {
    const text = new TextEncoder().encode(
      typeof header === 'string' ? header : JSON.stringify(header),
    );
    const bytes = new Uint8Array(8 + text.length + data);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    return [new BufferByteSource(bytes)];
  };
  const tensor = (change: object): unknown => ({
    'model.norm.weight': { dtype: 'F32', shape: [4], data_offsets: [0, 16], ...change },
  });
  const huge = new Uint8Array(16);
  new DataView(huge.buffer).setBigUint64(0, 2n ** 63n, true);

  it.each([
    ['no JSON', weights('{"a'), 'model-file/malformed'],
    ['a list', weights([]), 'model-file/malformed'],
    ['an empty file', [new BufferByteSource(new Uint8Array(3))], 'model-file/truncated'],
    ['a huge header', [new BufferByteSource(huge)], 'model-file/truncated'],
    ['another size', weights(tensor({ shape: [5] })), 'model-file/malformed'],
    ['a negative size', weights(tensor({ shape: [-4] })), 'model-file/malformed'],
    [
      'a size that overflows',
      weights(tensor({ shape: [2 ** 53, 2 ** 53] })),
      'model-file/malformed',
    ],
    ['a place behind the end', weights(tensor({ data_offsets: [8, 24] })), 'model-file/malformed'],
    ['a place backwards', weights(tensor({ data_offsets: [16, 0] })), 'model-file/malformed'],
    ['an unknown type', weights(tensor({ dtype: 'F4' })), 'model-file/malformed'],
    [
      'tensors over each other',
      weights({
        ...(tensor({}) as object),
        ...{ b: { dtype: 'U8', shape: [1], data_offsets: [3, 4] } },
      }),
      'model-file/malformed',
    ],
    ['integers', weights(tensor({ dtype: 'I32' })), 'model-file/unsupported-tensor-type'],
    [
      'a part nobody knows',
      weights({ 'model.layers.0.x.weight': { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }),
      'model-file/unsupported-architecture',
    ],
  ])('refuses weights with %s', async (_, files, code) => {
    await expect(convertFolder(folder({ weights: files }))).rejects.toMatchObject({ code });
  });

  it.each([
    ['config', '{', 'model-file/malformed'],
    ['config', '{"model_type":"wombat"}', 'model-file/unsupported-architecture'],
    ['config', '{"model_type":"__proto__"}', 'model-file/unsupported-architecture'],
    ['config', '{"model_type":"llama"}', 'model-file/malformed'],
    [
      'config',
      JSON.stringify({ ...config, ...sizes, rms_norm_eps: 1, vocab_size: 1e9 }),
      'model-file/malformed',
    ],
    ['tokenizer', '{"model":{"type":"WordPiece"}}', 'model-file/unsupported-tokenizer'],
    ['tokenizer', '{"model":{"type":"BPE","byte_fallback":true}}', 'model-file/malformed'],
    [
      'tokenizer',
      '{"model":{"type":"BPE","byte_fallback":true,"vocab":{"a":9}}}',
      'model-file/malformed',
    ],
    [
      'tokenizer',
      '{"model":{"type":"BPE","byte_fallback":true,"vocab":{},"merges":[1]}}',
      'model-file/malformed',
    ],
  ])('refuses %s %s', async (key, value, code) => {
    await expect(convertFolder(folder({ [key]: value }))).rejects.toMatchObject({ code });
  });
});
