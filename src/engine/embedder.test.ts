import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedModelPath, sharedModels } from '../../test/fixtures/shared-models.ts';
import { tinyLlama } from '../../test/fixtures/tiny-llama.ts';
import { BufferByteSource } from '../common/byte-source.ts';
import { ReferenceBackend } from './backend/reference/reference-backend.ts';
import { Embedder, type EmbedderLoadOptions, type EmbeddingEvent } from './embedder.ts';
import { readGguf } from './formats/gguf/reader.ts';
import { modelPurpose } from './models/registry.ts';
import { loadModel } from './weights/weight-loader.ts';

/** Width 64, 48 tokens, no vocabulary: it takes ids. */
const noVocabulary = { 'tokenizer.ggml.model': { type: 'string', value: 'none' } } as const;
const languageModel = tinyLlama({ metadata: noVocabulary });

/** The language model as an embedding model: the same file that names a pooling. */
function pooledDecoder(pooling: number): Uint8Array<ArrayBuffer> {
  const key = { 'llama.pooling_type': { type: 'u32', value: pooling } } as const;
  return tinyLlama({ metadata: { ...noVocabulary, ...key } });
}

const backends: ReferenceBackend[] = [];

async function load(
  bytes: Uint8Array<ArrayBuffer>,
  options: Partial<EmbedderLoadOptions> = {},
): Promise<Embedder> {
  const embedder = new Embedder(() => {
    const backend = new ReferenceBackend();
    backends.push(backend);
    return Promise.resolve(backend);
  });
  const source = new BufferByteSource(bytes);
  await embedder.load(
    source,
    await readGguf(source),
    { precision: 'auto', contextLength: 64, ...options },
    () => undefined,
    new AbortController().signal,
  );
  return embedder;
}

async function all(events: AsyncIterable<EmbeddingEvent>): Promise<EmbeddingEvent[]> {
  const list: EmbeddingEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const never = new AbortController().signal;
const tokens = (...ids: number[]) => ({ kind: 'tokens', tokens: ids }) as const;

describe('a decoder that names a pooling', () => {
  it('is an embedding model, and without one it is not', async () => {
    const purposeOf = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
      modelPurpose(await readGguf(new BufferByteSource(bytes)));
    expect(await purposeOf(languageModel)).toBe('chat');
    expect(await purposeOf(pooledDecoder(0))).toBe('chat');
    expect(await purposeOf(pooledDecoder(3))).toBe('embedding');
    await expect(load(languageModel)).rejects.toMatchObject({
      code: 'model-file/wrong-kind',
      details: { purpose: 'chat' },
    });
    await expect(load(pooledDecoder(4))).rejects.toMatchObject({
      code: 'model-file/unsupported-architecture',
      field: 'llama.pooling_type',
    });
  });

  it('gives the state from which the language model computes its logits', async () => {
    const embedder = await load(pooledDecoder(3));
    const prompt = [5, 17, 40, 9];
    const [{ vector } = { vector: new Float32Array() }] = await all(
      embedder.embed({ inputs: [tokens(...prompt)] }, never),
    );
    const source = new BufferByteSource(languageModel);
    const file = await readGguf(source);
    const backend = new ReferenceBackend();
    const model = await loadModel({ source, file, backend, precision: 'auto', kvType: 'f32' });
    const state = model.createState({ capacity: 64, kvType: 'f32' });
    const logits = await model.forward(Int32Array.from(prompt), state, {
      want: 'last',
      precision: 8,
    });
    const start = file.tensors.get('token_embd.weight')?.offsetBytes ?? 0;
    const weights = new Float32Array(languageModel.slice(start, start + 48 * 64 * 4).buffer);
    const products = Array.from(logits, (_, token) =>
      vector.reduce((sum, x, d) => sum + x * (weights[token * 64 + d] ?? Number.NaN), 0),
    );
    // The vector has length 1: the two differ by one factor.
    const factor = (logits[0] ?? 0) / (products[0] ?? 1);
    for (const [token, logit] of logits.entries()) {
      expect(Math.abs(logit - factor * (products[token] ?? 0))).toBeLessThan(
        1e-3 * Math.abs(factor),
      );
    }
    model.dispose();
  });

  it('sees no later tokens: the mean of two differs from their order', async () => {
    const embedder = await load(pooledDecoder(1));
    const events = await all(embedder.embed({ inputs: [tokens(1, 2), tokens(2, 1)] }, never));
    const [first, second] = events.map(({ vector }) => vector);
    expect(first).not.toEqual(second);
  });
});

describe('an embedder', () => {
  it('gives every input a vector of length 1 in order, shorter ones when asked', async () => {
    const embedder = await load(pooledDecoder(3));
    const inputs = [tokens(1, 2, 3), tokens(7), tokens(1, 2, 3)];
    const events = await all(embedder.embed({ inputs }, never));
    expect(events.map(({ index, tokens: count }) => [index, count])).toEqual([
      [0, 3],
      [1, 1],
      [2, 3],
    ]);
    for (const { vector } of events) {
      expect(vector).toHaveLength(64);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    }
    expect(events[2]?.vector).toEqual(events[0]?.vector);
    const short = await all(embedder.embed({ inputs, dimensions: 8 }, never));
    const whole = events[1]?.vector.subarray(0, 8) ?? new Float32Array();
    const length = Math.hypot(...whole);
    for (const [index, x] of (short[1]?.vector ?? []).entries()) {
      expect(x).toBeCloseTo((whole[index] ?? 0) / length, 5);
    }
    await expect(all(embedder.embed({ inputs, dimensions: 65 }, never))).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field: 'dimensions', most: 64 },
    });
    await all(embedder.embed({ inputs, dimensions: 64 }, never));
  });

  it('takes a text of the whole context and says which input is longer', async () => {
    const embedder = await load(pooledDecoder(3), { contextLength: 10 });
    const long = (length: number) => tokens(...Array.from({ length }, () => 3));
    await all(embedder.embed({ inputs: [long(10)] }, never));
    const tooMuch = embedder.embed({ inputs: [long(2), long(11)] }, never);
    await expect(all(tooMuch)).rejects.toMatchObject({
      code: 'engine/context-overflow',
      details: { index: 1, tokens: 11, capacity: 10 },
    });
  });

  it('stops between two inputs', async () => {
    const embedder = await load(pooledDecoder(3));
    const controller = new AbortController();
    const inputs = [tokens(1), tokens(2), tokens(3)];
    const seen: number[] = [];
    const work = async (): Promise<void> => {
      for await (const { index } of embedder.embed({ inputs }, controller.signal)) {
        seen.push(index);
        controller.abort();
      }
    };
    await expect(work()).rejects.toMatchObject({ code: 'aborted' });
    expect(seen).toEqual([0]);
  });

  it('gives all memory back, also when a load fails', async () => {
    backends.length = 0;
    const embedder = await load(pooledDecoder(3));
    embedder.unload();
    embedder.unload();
    await expect(load(pooledDecoder(3), { budgetBytes: 1000 })).rejects.toMatchObject({
      code: 'engine/out-of-memory',
    });
    expect(backends).toHaveLength(2);
    for (const backend of backends) {
      expect(backend.memory()).toMatchObject({ weightBytes: 0, cacheBytes: 0 });
    }
    await expect(all(embedder.embed({ inputs: [tokens(1)] }, never))).rejects.toMatchObject({
      code: 'engine/not-loaded',
    });
  });
});

describe.skipIf(sharedModels === null)('a BERT file with its vocabulary', () => {
  it('embeds text as the tokens of the text between [CLS] and [SEP]', async () => {
    const path = sharedModelPath('fixtures', 'models', 'bert.F32.gguf');
    const embedder = await load(new Uint8Array(readFileSync(path)), { contextLength: 256 });
    const text = 'The lighthouse keeper climbed the stairs.';
    const ids = embedder.tokenize(text, { special: false, boundary: true });
    expect(ids.at(0)).toBe(2);
    expect(ids.at(-1)).toBe(3);
    const inputs = [{ kind: 'text', text } as const, tokens(...ids)];
    const [one, other] = await all(embedder.embed({ inputs }, never));
    expect(one?.vector).toEqual(other?.vector);
    expect(one?.tokens).toBe(ids.length);
    expect(embedder.detokenize(ids, { special: false })).toBe(text.toLowerCase());
  });
});
