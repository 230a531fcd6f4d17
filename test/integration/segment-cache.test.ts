/**
 * What a model has read of a conversation, taken out and put into another engine: the numbers are
 * those of a memory of 8 bits, and whatever is not theirs is not taken.
 */
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Backend, KvType } from '../../src/engine/backend/backend.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { Engine, type EngineEvent } from '../../src/engine/engine.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { greedySampling } from '../../src/engine/generation/sampler.ts';
import { SegmentCache, segmentTokens } from '../../src/engine/generation/segment-cache.ts';
import { Session } from '../../src/engine/generation/session.ts';
import { ByteTokenizer } from '../../src/engine/generation/testing/byte-tokenizer.ts';
import { processorOnly } from '../../src/engine/model-host.ts';
import type { LanguageModel, ModelState } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { SegmentStore } from '../../src/store/segment-store.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { tinyMamba } from '../fixtures/tiny-mamba.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';

const contextLength = 512;
const bytes = syntheticLlama({
  width: 128,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  feedForward: 256,
  vocabularySize: 512,
  contextLength,
  type: 'Q8_0',
});
const prompt = Array.from({ length: 200 }, (_, index) => 3 + ((index * index * 7) % 200));
const wholeSegments = Math.floor((prompt.length - 1) / segmentTokens) * segmentTokens;

const backends: Readonly<Record<string, () => Promise<Backend>>> = {
  reference: () => Promise.resolve(new ReferenceBackend()),
  WASM: createWasmBackend,
};

describe.each(Object.keys(backends))('the state of a model on the %s backend', (kind) => {
  let backend: Backend;
  let model: LanguageModel;
  beforeEach(async () => {
    backend = (await backends[kind]?.()) ?? new ReferenceBackend();
    const source = new BufferByteSource(bytes);
    model = await loadModel({
      source,
      file: await readGguf(source),
      backend,
      precision: 8,
      kvType: 'f16',
    });
  }, kernelBuildTimeoutMs);
  afterEach(() => {
    model.dispose();
    backend.dispose();
  });

  const open = (kvType: KvType): ModelState =>
    model.createState({ capacity: contextLength, kvType });

  async function read(state: ModelState, tokens: readonly number[]): Promise<Float32Array> {
    for (let start = 0; start < tokens.length; start += 32) {
      const part = Int32Array.from(tokens.slice(start, start + 32));
      const last = start + 32 >= tokens.length;
      const options = { want: last ? 'last' : 'none', precision: 8 } as const;
      const logits = await model.forward(part, state, options);
      if (last) return logits.slice();
    }
    throw new TypeError('no tokens');
  }

  /** A second state that was given what the first one read, and then read the rest itself. */
  async function continued(kvType: KvType): Promise<Float32Array> {
    const [from, to] = [open(kvType), open(kvType)];
    await read(from, prompt);
    for (let start = 0; start < wholeSegments; start += segmentTokens) {
      const tokens = prompt.slice(start, start + segmentTokens);
      const segment = from.segments?.read(start, segmentTokens) ?? new Uint8Array();
      expect(to.segments?.append(tokens, segment)).toBe(true);
    }
    expect(to.length).toBe(wholeSegments);
    return read(to, prompt.slice(wholeSegments));
  }

  it('is the same to the bit where it has 8 bits', async () => {
    // The reference backend always remembers in float32.
    if (kind === 'reference') return;
    expect(await continued('q8')).toEqual(await read(open('q8'), prompt));
  });

  it.each(['f16', 'f32'] as const)('of %s is as near as a memory of 8 bits', async (kvType) => {
    const exact = await read(open(kvType), prompt);
    const error = distance(await continued(kvType), exact);
    expect(error).toBeGreaterThan(0);
    if (kind === 'WASM') {
      expect(error).toBeLessThan(1.5 * distance(await read(open('q8'), prompt), exact));
    }
    expect(error).toBeLessThan(1e-3);
  });

  it('takes no bytes of another length, no broken numbers, and not more than it can hold', async () => {
    const state = open('f16');
    await read(state, prompt.slice(0, 70));
    const segment = state.segments?.read(0, 64) ?? new Uint8Array();
    const tokens = prompt.slice(0, 64);
    const broken = segment.slice();
    new Float32Array(broken.buffer)[5] = NaN;
    expect(state.segments?.append(tokens, broken)).toBe(false);
    expect(state.segments?.append(tokens, segment.subarray(0, -1))).toBe(false);
    expect(state.segments?.append(tokens.slice(1), segment)).toBe(false);
    expect(state.length).toBe(70);
    while (state.length + 64 <= state.capacity) state.segments?.append(tokens, segment);
    expect(state.segments?.append(tokens, segment)).toBe(false);
  });
});

/** Squared error over the variance of the exact logits. */
function distance(logits: Float32Array, exact: Float32Array): number {
  const mean = exact.reduce((sum, value) => sum + value, 0) / exact.length;
  let [error, variance] = [0, 0];
  for (const [index, value] of exact.entries()) {
    error += ((logits[index] ?? NaN) - value) ** 2;
    variance += (value - mean) ** 2;
  }
  return error / variance;
}

describe('an engine that keeps what it has read', () => {
  let store: SegmentStore;
  const engines: Engine[] = [];
  beforeEach(() => {
    store = new SegmentStore({ name: crypto.randomUUID() });
  });
  afterEach(() => {
    for (const engine of engines.splice(0)) engine.unload();
    store.close();
  });

  /** As after a reload: nothing is left but the store. */
  async function start(
    version = '1',
    file: Uint8Array<ArrayBuffer> = bytes,
    contentHash = 'hash',
  ): Promise<Engine> {
    const engine = new Engine(processorOnly(createWasmBackend), { store, version });
    engines.push(engine);
    const source = Object.assign(new BufferByteSource(file), { contentHash });
    const options = { precision: 8, contextLength, kvType: 'q8' } as const;
    const { signal } = new AbortController();
    await engine.load(source, await readGguf(source), options, () => undefined, signal);
    return engine;
  }

  async function answer(
    engine: Engine,
    tokens: readonly number[],
    conversation?: string,
    kept = true,
  ) {
    const written: number[] = [];
    const logprobs: number[] = [];
    let reused = -1;
    const request = {
      prompt: { kind: 'tokens', tokens },
      sampling: greedySampling,
      maxTokens: 6,
      stop: [],
      topLogprobs: 0,
      ...(conversation === undefined ? {} : { conversation }),
    } as const;
    const events: AsyncIterable<EngineEvent> = engine.generate(
      request,
      new AbortController().signal,
    );
    for await (const event of events) {
      if (event.type === 'done') reused = event.stats.reusedTokens;
      if (event.type !== 'token') continue;
      written.push(event.token);
      logprobs.push(event.report?.logprob ?? NaN);
    }
    if (kept) await engine.kept;
    return { written, logprobs, reused };
  }

  it(
    'goes on with a chat after a restart, with the same answer to the bit',
    async () => {
      const first = await answer(await start(), prompt, 'chat');
      expect(first.reused).toBe(0);
      const again = await answer(await start(), prompt, 'chat');
      expect(again).toEqual({ ...first, reused: wholeSegments });
      const next = [...prompt, ...first.written, ...prompt.slice(0, 20)];
      expect((await answer(await start(), next, 'chat')).reused).toBe(wholeSegments);
    },
    kernelBuildTimeoutMs,
  );

  it('changes between two chats without reading either again', async () => {
    const engine = await start();
    const other = [...prompt].reverse();
    const first = await answer(engine, prompt, 'one');
    await answer(engine, other, 'two');
    expect(await answer(engine, prompt, 'one')).toEqual({ ...first, reused: wholeSegments });
    expect((await answer(engine, other, 'two')).reused).toBe(wholeSegments);
  });

  it('never stores one text under the name of another that follows at once', async () => {
    const engine = await start();
    const other = [...prompt].reverse();
    const [one, two] = [await answer(engine, prompt), await answer(engine, other)];
    for (let round = 0; round < 4; round++) {
      await answer(engine, prompt, 'one', false);
      await answer(engine, other, 'two', false);
    }
    await engine.kept;
    expect(await answer(await start(), prompt, 'one')).toMatchObject({
      written: one.written,
      logprobs: one.logprobs,
    });
    expect(await answer(await start(), other, 'two')).toMatchObject({
      written: two.written,
      logprobs: two.logprobs,
    });
  });

  it('shares the beginning that chats have in common', async () => {
    await answer(await start(), prompt, 'one');
    const other = [...prompt.slice(0, 130), ...prompt.slice(0, 40)];
    expect((await answer(await start(), other, 'two')).reused).toBe(128);
  });

  it('reads again for another model, another version, and where nobody wants it kept', async () => {
    await answer(await start(), prompt, 'chat');
    expect((await answer(await start('2'), prompt, 'chat')).reused).toBe(0);
    expect((await answer(await start('1', bytes, 'other'), prompt, 'chat')).reused).toBe(0);
    expect((await answer(await start(), prompt)).reused).toBe(0);
    const before = await store.usage();
    await answer(await start(), [...prompt].reverse());
    expect(await store.usage()).toBe(before);
  });

  it('forgets with the chat', async () => {
    await answer(await start(), prompt, 'chat');
    await store.forget('chat');
    expect(await store.usage()).toBe(0);
    expect((await answer(await start(), prompt, 'chat')).reused).toBe(0);
  });

  it('answers as ever when the store fails', async () => {
    const expected = await answer(await start(), prompt, 'chat');
    const engine = await start();
    store.close();
    expect(await answer(engine, prompt, 'chat')).toEqual(expected);
  });

  it('keeps nothing of models whose memory is not made of positions', async () => {
    const source = new BufferByteSource(tinyMamba());
    const backend = await createWasmBackend();
    const file = await readGguf(source);
    const model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
    const state = model.createState({ capacity: 128, kvType: 'f16' });
    const session = new Session({
      model,
      state,
      tokenizer: new ByteTokenizer(),
      precision: () => 8,
    });
    const cache = new SegmentCache(store, session, 'hash', '1');
    const tokens = prompt.slice(0, 100).map((token) => token % 40);
    await session.prefill(tokens);
    await cache.keep({ conversation: 'chat', since: 1 });
    expect(await store.usage()).toBe(0);
    await cache.restore([...tokens, 1], undefined);
    expect(session.tokens).toEqual(tokens);
    backend.dispose();
  });
});
