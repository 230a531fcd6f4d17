import { afterEach, describe, expect, it } from 'vitest';
import { realEmbedder, tinyEmbedder } from '../../test/fixtures/real-embedder.ts';
import {
  loadedModel,
  ScriptedEngine,
  scriptedRuntime,
} from '../../test/fixtures/scripted-engine.ts';
import { tinyLlama } from '../../test/fixtures/tiny-llama.ts';
import { AppError } from '../common/errors.ts';

const files = { a: tinyEmbedder, b: tinyEmbedder, chat: tinyLlama() };
const inputs = [{ kind: 'tokens', tokens: [1, 2, 3] }] as const;
const options = { precision: 'auto', contextLength: 512 } as const;
const closers: (() => void)[] = [];

function setUp(budgetBytes?: () => number) {
  const embedder = realEmbedder(files, budgetBytes === undefined ? {} : { budgetBytes });
  closers.push(embedder.close);
  return embedder;
}

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe('EmbeddingRuntime', () => {
  it('loads the model that a request names, once', async () => {
    const { embeddings, loads } = setUp();
    const [first] = await embeddings.embed('a', { inputs });
    const [again] = await embeddings.embed('a', { inputs });
    expect(first?.vector).toHaveLength(64);
    expect(again).toEqual(first);
    expect(loads).toHaveLength(1);
    expect(embeddings.loaded.value).toMatchObject({
      id: 'a',
      model: { dimensions: 64, pooling: 'last', contextLength: 128 },
    });
    await embeddings.embed('b', { inputs });
    expect(loads.map(({ model }) => model)).toMatchObject([{ id: 'a' }, { id: 'b' }]);
  });

  it('keeps what a script loaded with options of its own, and loads it again with others', async () => {
    const { embeddings, loads } = setUp();
    const model = await embeddings.load('a', { precision: 8, contextLength: 16 });
    expect(model.contextLength).toBe(16);
    await embeddings.embed('a', { inputs });
    await embeddings.load('a', { precision: 8, contextLength: 16 });
    expect(loads).toHaveLength(1);
    await embeddings.load('a', { precision: 8, contextLength: 17 });
    expect(loads).toHaveLength(2);
  });

  it('answers in the order of the requests', async () => {
    const { embeddings } = setUp();
    const order: string[] = [];
    const ask = async (id: string): Promise<void> => {
      await embeddings.embed(id, { inputs });
      order.push(id);
    };
    await Promise.all([ask('a'), ask('b'), ask('a')]);
    expect(order).toEqual(['a', 'b', 'a']);
  });

  it('stops by its signal, waiting or at work, and serves the next one', async () => {
    const { embeddings } = setUp();
    const controller = new AbortController();
    const many = Array.from({ length: 50 }, () => inputs[0]);
    const working = embeddings.embed('a', { inputs: many }, controller.signal);
    const waiting = embeddings.embed('a', { inputs }, controller.signal);
    const next = embeddings.embed('a', { inputs });
    controller.abort();
    await expect(working).rejects.toMatchObject({ code: 'aborted' });
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    await expect(next).resolves.toHaveLength(1);
  });

  it('says why a model cannot be used, and uses another one then', async () => {
    const { embeddings } = setUp();
    await expect(embeddings.embed('chat', { inputs })).rejects.toMatchObject({
      code: 'model-file/wrong-kind',
    });
    await expect(embeddings.embed('none', { inputs })).rejects.toMatchObject({
      code: 'store/not-found',
    });
    await expect(embeddings.embed('a', { inputs })).resolves.toHaveLength(1);
  });

  it('gives its memory back when it is unloaded, and loads again when it is wanted', async () => {
    const { embeddings, workers } = setUp();
    await embeddings.embed('a', { inputs });
    expect(embeddings.memoryBytes).toBeGreaterThan(0);
    await embeddings.unloadIf('b');
    expect(embeddings.loaded.value?.id).toBe('a');
    await embeddings.unloadIf('a');
    expect(embeddings.memoryBytes).toBe(0);
    expect(embeddings.loaded.value).toBeNull();
    await embeddings.embed('a', { inputs });
    expect(workers).toHaveLength(2);
  });

  it('loads the model again after its worker died', async () => {
    const { embeddings, workers } = setUp();
    await embeddings.embed('a', { inputs });
    workers[0]?.crash('gone');
    expect(embeddings.loaded.value).toBeNull();
    await expect(embeddings.embed('a', { inputs })).resolves.toHaveLength(1);
    expect(workers).toHaveLength(2);
  });
});

describe('the model that answers and the one that embeds', () => {
  it('stay loaded beside each other', async () => {
    const { embeddings } = setUp();
    const engine = new ScriptedEngine();
    const { runtime, close } = scriptedRuntime(engine);
    closers.push(close);
    await runtime.load('m', options);
    await embeddings.embed('a', { inputs });
    await runtime.load('n', options);
    expect(runtime.state.value).toMatchObject({ kind: 'ready', id: 'n' });
    expect(embeddings.loaded.value?.id).toBe('a');
  });

  it('share the memory: what is left is the budget of the other', async () => {
    const { embeddings, loads } = setUp(() => 50_000_000);
    await embeddings.embed('a', { inputs });
    expect(loads[0]?.options.budgetBytes).toBe(50_000_000);
    const engine = new ScriptedEngine();
    const { runtime, close } = scriptedRuntime(engine, {
      budgetBytes: 90_000_000,
      beside: {
        memoryBytes: () => embeddings.memoryBytes,
        release: () => embeddings.unload(),
      },
    });
    closers.push(close);
    await runtime.load('m', options);
    expect(engine.loads[0]?.options.budgetBytes).toBe(90_000_000 - embeddings.memoryBytes);
    const none = setUp(() => 1000);
    await expect(none.embeddings.embed('a', { inputs })).rejects.toMatchObject({
      code: 'engine/out-of-memory',
    });
  });

  it('the embedding model gives way to a model that answers and would not fit beside it', async () => {
    const { embeddings } = setUp();
    await embeddings.embed('a', { inputs });
    const engine = new ScriptedEngine();
    engine.model = loadedModel();
    engine.onLoad = ({ options: { budgetBytes = 0 } }) =>
      budgetBytes < 1_000_000
        ? Promise.reject(new AppError('engine/out-of-memory', 'too large'))
        : Promise.resolve();
    const { runtime, close } = scriptedRuntime(engine, {
      budgetBytes: 1_000_000,
      beside: {
        memoryBytes: () => embeddings.memoryBytes,
        release: () => embeddings.unload(),
      },
    });
    closers.push(close);
    await runtime.load('m', options);
    expect(engine.loads).toHaveLength(2);
    expect(embeddings.loaded.value).toBeNull();
  });
});
