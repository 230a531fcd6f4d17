import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realEmbedder, tinyEmbedder } from '../../../test/fixtures/real-embedder.ts';
import { Embeddings, noEmbedder } from './embeddings.ts';
import type { EmbeddingRequest } from '../../common/openai-types.ts';

let embeddings: Embeddings;
let close: () => void;
let asked: (string | undefined)[];

beforeEach(() => {
  const real = realEmbedder({ tiny: tinyEmbedder });
  ({ close } = real);
  asked = [];
  embeddings = new Embeddings({
    embeddings: real.embeddings,
    findEmbedder: (id) => {
      asked.push(id);
      return Promise.resolve(id ?? 'tiny');
    },
  });
});
afterEach(() => {
  close();
});

describe('hermit.embeddings', () => {
  it('answers in the shape of the OpenAI API, with what was read', async () => {
    const response = await embeddings.create({ model: 'tiny', input: [[1, 2, 3], [4]] });
    expect(response).toMatchObject({
      object: 'list',
      model: 'tiny',
      data: [
        { object: 'embedding', index: 0 },
        { object: 'embedding', index: 1 },
      ],
      usage: { prompt_tokens: 4, total_tokens: 4 },
    });
    for (const { embedding } of response.data) {
      expect(embedding).toHaveLength(64);
      expect(Array.isArray(embedding)).toBe(true);
    }
  });

  it('takes one list of ids as one input, and the loaded model when none is named', async () => {
    const { data } = await embeddings.create({ input: [1, 2, 3] });
    expect(data).toHaveLength(1);
    const list = await embeddings.create({ input: [[1, 2, 3]] });
    expect(list.data).toEqual(data);
    expect(asked).toEqual([undefined, undefined]);
  });

  it('gives float32 bytes as base64, and as few numbers as are asked for', async () => {
    const request = { input: [5, 6], dimensions: 16 } as const;
    const { data: plain } = await embeddings.create(request);
    const { data: coded } = await embeddings.create({ ...request, encoding_format: 'base64' });
    const bytes = Buffer.from(String(coded[0]?.embedding), 'base64');
    const numbers = Array.from({ length: 16 }, (_, index) => bytes.readFloatLE(4 * index));
    expect(bytes).toHaveLength(64);
    expect(numbers).toEqual(plain[0]?.embedding);
    expect(Math.hypot(...numbers)).toBeCloseTo(1, 5);
  });

  it.each<[string, unknown]>([
    ['request', null],
    ['input', {}],
    ['input', { input: [] }],
    ['input', { input: 5 }],
    ['input', { input: '' }],
    ['input[1]', { input: ['a', ''] }],
    ['input[0]', { input: [[]] }],
    ['input[1]', { input: [[1], 2] }],
    ['input[0]', { input: [-1] }],
    ['input', { input: Array.from({ length: 2049 }, () => 'a') }],
    ['encoding_format', { input: 'a', encoding_format: 'int8' }],
    ['dimensions', { input: 'a', dimensions: 0 }],
    ['dimensions', { input: 'a', dimensions: 1.5 }],
    ['model', { input: 'a', model: 5 }],
  ])('names %s in what is wrong with %j', async (field, request) => {
    await expect(embeddings.create(request as EmbeddingRequest)).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field },
    });
    expect(asked).toEqual([]);
  });

  it('says which input is too long, that there are too many dimensions, and when it was stopped', async () => {
    const long = Array.from({ length: 129 }, () => 3);
    await expect(embeddings.create({ input: [[1], long] })).rejects.toMatchObject({
      code: 'engine/context-overflow',
      details: { index: 1, tokens: 129, capacity: 128 },
    });
    await expect(embeddings.create({ input: [1], dimensions: 65 })).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field: 'dimensions', most: 64 },
    });
    const signal = AbortSignal.abort();
    await expect(embeddings.create({ input: [1] }, { signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    await expect(embeddings.create({ input: [99] })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('tells apart that no model is there and that several are', () => {
    expect(noEmbedder([])).toMatchObject({ code: 'engine/not-loaded' });
    expect(noEmbedder(['a', 'b'])).toMatchObject({
      code: 'invalid-argument',
      details: { installed: ['a', 'b'] },
    });
  });
});
