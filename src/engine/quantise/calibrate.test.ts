import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { randomValues } from '../../../test/fixtures/random-values.ts';
import { sharedModelPath, sharedModels } from '../../../test/fixtures/shared-models.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../../../test/fixtures/wasm-backend.ts';
import { BufferByteSource } from '../../common/byte-source.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { writeGguf } from '../formats/gguf/writer.ts';
import { createTokenizer } from '../tokenizer/create-tokenizer.ts';
import { loadModel } from '../weights/weight-loader.ts';
import { calibrate } from './calibrate.ts';
import type { ImportanceOfModel } from './importance.ts';
import { readImportanceFile } from './importance-file.ts';
import { candidateTypes, planQuantisation } from './plan.ts';
import { quantiseModel } from './quantise-model.ts';
import { ScalarRowCodec } from './row-codec.ts';
import { surveyTensors } from './survey.ts';

const story =
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big dog. The dog was very happy and wagged its tail. Lily said, "Can I pet your dog?" The man said yes. They played with a ball and ran in the sun. ';

async function open(path: string) {
  const bytes = new Uint8Array(readFileSync(path));
  const source = new BufferByteSource(bytes);
  return { bytes, source, file: await readGguf(source) };
}

describe.skipIf(sharedModels === null)('calibrate', () => {
  const small = (): Promise<Awaited<ReturnType<typeof open>>> =>
    open(sharedModelPath('gguf', 'stories260K.gguf'));

  it(
    'finds the mean squares of what a matrix is multiplied with',
    async () => {
      const { bytes, source, file } = await small();
      const text = 'Once upon a time';
      const result = await calibrate({
        source,
        file,
        text,
        name: 'a text',
        createBackend: createWasmBackend,
      });
      const tokenizer = createTokenizer(file.metadata);
      const tokens = [1, ...tokenizer.encode(text, { special: 'as-text' })];
      expect(result.description).toBe(`a text, ${tokens.length} tokens`);
      // by hand: the first layer's inputs are the embeddings, normalised
      const floats = (name: string): Float32Array => {
        const tensor = file.tensors.get(name);
        if (tensor === undefined) throw new Error(name);
        return new Float32Array(bytes.buffer, tensor.offsetBytes, tensor.elements);
      };
      const [table, norm] = [floats('token_embd.weight'), floats('blk.0.attn_norm.weight')];
      const expected = new Float32Array(64);
      for (const token of tokens) {
        const row = table.subarray(64 * token, 64 * token + 64);
        const power = row.reduce((sum, value) => sum + value * value, 0) / 64;
        row.forEach((value, i) => {
          const normed = (value / Math.sqrt(power + 1e-5)) * (norm[i] ?? NaN);
          expected[i] = (expected[i] ?? NaN) + normed ** 2 / tokens.length;
        });
      }
      for (const name of ['attn_q', 'attn_k', 'attn_v']) {
        const means = result.columns.get(`blk.0.${name}.weight`);
        expect(means?.length).toBe(64);
        means?.forEach((mean, i) => {
          expect(mean / (expected[i] ?? NaN)).toBeCloseTo(1, 1); // the table is kept in 8 bits
        });
      }
      const matrices = [...file.tensors.values()].filter(
        ({ shape, name }) => shape.length === 2 && name !== 'token_embd.weight',
      );
      expect(matrices.filter(({ name }) => !result.columns.has(name))).toEqual([]);
    },
    kernelBuildTimeoutMs,
  );

  it('refuses a text without words and gives the memory back when stopped', async () => {
    const { source, file } = await small();
    const options = { source, file, name: 'a text', createBackend: createWasmBackend };
    await expect(calibrate({ ...options, text: '' })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await expect(
      calibrate({ ...options, text: story, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'aborted' });
    await expect(calibrate({ ...options, text: story, budgetBytes: 1000 })).rejects.toMatchObject({
      code: 'engine/out-of-memory',
    });
  });

  it('makes Q4_0 nearer to the original on a text it has not seen', async () => {
    const { source, file } = await open(sharedModelPath('gguf', 'TinyStories-656K-F16.gguf'));
    const importance = await calibrate({
      source,
      file,
      text: story.repeat(3),
      name: 'a story',
      createBackend: createWasmBackend,
    });
    const tokenizer = createTokenizer(file.metadata);
    const unseen =
      'The cat was sad because it was cold. Tom gave the cat some milk and a warm bed.';
    const tokens = Int32Array.from([1, ...tokenizer.encode(unseen, { special: 'as-text' })]);
    const logits = async (bytes: Uint8Array): Promise<Float32Array> => {
      const made = new BufferByteSource(bytes);
      const backend = await createWasmBackend();
      const model = await loadModel({
        source: made,
        file: await readGguf(made),
        backend,
        precision: 'auto',
        kvType: 'f32',
      });
      const state = model.createState({ capacity: 128, kvType: 'f32' });
      return Float32Array.from(await model.forward(tokens, state, { want: 'all', precision: 8 }));
    };
    const quantised = async (given: ImportanceOfModel | null): Promise<Uint8Array> => {
      const codec = new ScalarRowCodec();
      const survey = await surveyTensors({
        source,
        file,
        codec,
        importance: given?.columns ?? null,
        candidates: (tensor) => candidateTypes(file, tensor, ['Q4_0']),
      });
      const pieces: Uint8Array[] = [];
      await quantiseModel({
        source,
        file,
        codec,
        plan: planQuantisation(file, 'Q4_0', survey),
        importance: given,
        write: (bytes) => Promise.resolve(void pieces.push(bytes)),
      });
      return new Uint8Array(Buffer.concat(pieces));
    };
    const original = await logits(await source.read(0, source.size));
    const distance = (a: Float32Array): number =>
      a.reduce((sum, value, i) => sum + (value - (original[i] ?? NaN)) ** 2, 0);
    const plain = distance(await logits(await quantised(null)));
    const weighted = distance(await logits(await quantised(importance)));
    expect(weighted).toBeLessThan(0.95 * plain);
  });
});

describe('importance files', () => {
  const sums = randomValues(8, 3).map(Math.abs);
  const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer);
  const fileWith = (counts: Float32Array, type = 'imatrix'): BufferByteSource =>
    new BufferByteSource(
      writeGguf({
        metadata: [['general.type', { type: 'string', value: type }]],
        tensors: [
          { name: 'blk.0.x.weight.in_sum2', type: 'F32', shape: [4, 2], data: bytesOf(sums) },
          {
            name: 'blk.0.x.weight.counts',
            type: 'F32',
            shape: [counts.length],
            data: bytesOf(counts),
          },
        ],
      }),
    );

  it('are read, experts taken together', async () => {
    const { columns, description } = await readImportanceFile(
      fileWith(Float32Array.of(3, 5)),
      'x.gguf',
    );
    expect(description).toBe('importance file x.gguf');
    columns.get('blk.0.x.weight')?.forEach((mean, i) => {
      expect(mean).toBeCloseTo(((sums[i] ?? NaN) + (sums[i + 4] ?? NaN)) / 8, 6);
    });
    expect(columns.size).toBe(1);
  });

  it.each([
    ['has counts for other experts', fileWith(Float32Array.of(1, 2, 3))],
    ['is something else', fileWith(Float32Array.of(3, 5), 'model')],
  ])('are refused where a file %s', async (_, source) => {
    await expect(readImportanceFile(source, 'x')).rejects.toMatchObject({
      code: 'model-file/malformed',
    });
  });
});
