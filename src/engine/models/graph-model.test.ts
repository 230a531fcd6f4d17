import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../common/byte-source.ts';
import { tinyLlama } from '../../../test/fixtures/tiny-llama.ts';
import { ReferenceBackend } from '../backend/reference/reference-backend.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { loadModel } from '../weights/weight-loader.ts';
import type { LanguageModel, ModelState } from './language-model.ts';
import { outputRows } from './graph-model.ts';

const want = { want: 'last', precision: 8 } as const;

async function load(backend: ReferenceBackend, bytes: Uint8Array): Promise<LanguageModel> {
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  return loadModel({ source, file, backend, precision: 'auto', kvType: 'f32', maxTokens: 8 });
}

describe('GraphLanguageModel', () => {
  let backend: ReferenceBackend;
  let model: LanguageModel;
  let state: ModelState;
  beforeEach(async () => {
    backend = new ReferenceBackend();
    model = await load(backend, tinyLlama());
    state = model.createState({ capacity: 12, kvType: 'f32' });
  });
  afterEach(() => {
    backend.dispose();
  });

  const forward = async (tokens: number[], options = want): Promise<number[]> =>
    Array.from(await model.forward(Int32Array.from(tokens), state, options));

  it('continues where it stopped, and where it was taken back to', async () => {
    const whole = await forward([1, 2, 3, 4, 5]);
    state.truncate(0);
    await forward([1, 2]);
    expect(await forward([3, 4, 5])).toEqual(whole);
    expect(state.length).toBe(5);
    state.truncate(3);
    await forward([9, 9]);
    state.truncate(3);
    expect(await forward([4, 5])).toEqual(whole);
  });

  it('gives as many rows as are wanted', async () => {
    const all = await model.forward(Int32Array.of(1, 2, 3), state, { ...want, want: 'all' });
    expect(all).toHaveLength(3 * 48);
    const last = Array.from(all.subarray(2 * 48));
    state.truncate(0);
    const none = await model.forward(Int32Array.of(1, 2), state, { ...want, want: 'none' });
    expect(none).toHaveLength(0);
    expect(await forward([3])).toEqual(last);
  });

  it('says when the context is full, and keeps what it has', async () => {
    await forward([1, 2, 3, 4, 5, 6]);
    await expect(forward([1, 2, 3, 4, 5, 6, 7])).rejects.toMatchObject({
      code: 'engine/context-overflow',
      details: { capacity: 12, length: 6, tokens: 7 },
    });
    expect(state.length).toBe(6);
    await forward([1, 2, 3, 4, 5, 6]);
    expect(state.length).toBe(12);
  });

  it.each([[[48]], [[-1]], [[]], [[1, 2, 3, 4, 5, 6, 7, 8, 9]]])(
    'refuses the tokens %o',
    async (tokens) => {
      await expect(forward(tokens)).rejects.toMatchObject({ code: 'invalid-argument' });
      expect(state.length).toBe(0);
    },
  );

  it('refuses a second step while one runs, states of others, and cuts into the future', async () => {
    const first = forward([1]);
    await expect(forward([2])).rejects.toMatchObject({ code: 'engine/busy' });
    await first;
    const other = await load(new ReferenceBackend(), tinyLlama());
    const foreign = other.createState({ capacity: 4, kvType: 'f32' });
    await expect(model.forward(Int32Array.of(1), foreign, want)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    expect(() => {
      state.truncate(2);
    }).toThrow('can only be cut');
  });

  it('does nothing once it was stopped', async () => {
    const controller = new AbortController();
    controller.abort();
    const options = { ...want, signal: controller.signal };
    await expect(model.forward(Int32Array.of(1), state, options)).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(state.length).toBe(0);
  });

  it('gives the memory of a closed conversation back, once', async () => {
    await forward([1]);
    state.dispose();
    state.dispose();
    expect(backend.memory().cacheBytes).toBe(0);
    await expect(forward([2])).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('gives its memory back', async () => {
    model.dispose();
    expect(backend.memory()).toMatchObject({ weightBytes: 0, cacheBytes: 0 });
    await expect(forward([1])).rejects.toMatchObject({ code: 'engine/not-loaded' });
  });

  it('says that a model produces invalid numbers', async () => {
    // finite weights whose products overflow float32 logits
    const bytes = tinyLlama();
    const file = await readGguf(new BufferByteSource(bytes));
    const { offsetBytes, elements } = file.tensors.get('output_norm.weight') ?? {
      offsetBytes: 0,
      elements: 0,
    };
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < elements; i++) view.setFloat32(offsetBytes + 4 * i, 3e38, true);
    model = await load(backend, bytes);
    state = model.createState({ capacity: 4, kvType: 'f32' });
    await expect(forward([1])).rejects.toMatchObject({ code: 'model-file/invalid-numbers' });
    expect(state.length).toBe(0);
  });
});

describe('outputRows', () => {
  it('keeps the result buffer within 8 MiB, and never below one row', () => {
    expect(outputRows(128, 512)).toBe(128);
    expect(outputRows(128, 128256)).toBe(16);
    expect(outputRows(128, 2 ** 22)).toBe(1);
  });
});
