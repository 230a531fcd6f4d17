/**
 * Plans of execution, applied to a model that is writing: what changes, what it costs, and that an
 * answer under a change is the answer of a run that was told of the change in advance.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { AppError } from '../../src/common/errors.ts';
import type { Backend } from '../../src/engine/backend/backend.ts';
import { Engine, type EngineEvent } from '../../src/engine/engine.ts';
import { fullPlan, type ExecutionPlan } from '../../src/engine/execution-plan.ts';
import type { GgufTensor } from '../../src/engine/formats/gguf/gguf-file.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { greedySampling } from '../../src/engine/generation/sampler.ts';
import { processorOnly, type BackendFactory } from '../../src/engine/model-host.ts';
import { largestExtra } from '../../src/engine/weights/sensitive-weights.ts';
import { FaultyBackend } from '../fixtures/faulty-backend.ts';
import { NodeThreads } from '../fixtures/node-kernel-thread.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import {
  createThreadedWasmBackend,
  createWasmBackend,
  kernelBuildTimeoutMs,
} from '../fixtures/wasm-backend.ts';

const bytes = syntheticLlama({
  width: 128,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  feedForward: 256,
  vocabularySize: 512,
  contextLength: 256,
  type: 'Q8_0',
});
const prompt = [1, 300, 301, 302, 303];
const answerTokens = 12;

const engines: Engine[] = [];
afterEach(() => {
  for (const engine of engines.splice(0)) engine.unload();
});

async function load(create: () => Promise<Backend> = createWasmBackend): Promise<Engine> {
  return loadOn(processorOnly(create));
}

async function loadOn(factory: BackendFactory): Promise<Engine> {
  const engine = new Engine(factory);
  engines.push(engine);
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const options = { precision: 8, contextLength: 256, backend: 'wasm' } as const;
  const { signal } = new AbortController();
  await engine.load(
    source,
    file,
    options,
    () => undefined,
    signal,
    () => Promise.resolve(Object.assign(new BufferByteSource(bytes), { close: () => undefined })),
  );
  return engine;
}

type Done = Extract<EngineEvent, { type: 'done' }>;
/** Plans by the place in the answer of the first token that is computed by them. */
type Course = ReadonlyMap<number, ExecutionPlan>;

interface Answer {
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly stats: Done['stats'];
}

async function write(engine: Engine, course: Course = new Map(), tokens = prompt): Promise<Answer> {
  const written: number[] = [];
  const logprobs: number[] = [];
  let stats: Done['stats'] | null = null;
  const request = {
    prompt: { kind: 'tokens', tokens },
    sampling: greedySampling,
    maxTokens: answerTokens,
    speculate: false,
    stop: [],
    topLogprobs: 0,
  } as const;
  for await (const event of engine.generate(request, new AbortController().signal)) {
    if (event.type === 'done') ({ stats } = event);
    if (event.type !== 'token') continue;
    written.push(event.token);
    logprobs.push(event.report?.logprob ?? NaN);
    const plan = course.get(written.length);
    if (plan !== undefined) engine.applyPlan(plan);
  }
  if (stats === null) throw new Error('The answer has no end.');
  return { tokens: written, logprobs, stats };
}

describe('what a token costs', () => {
  beforeAll(async () => (await createWasmBackend()).dispose(), kernelBuildTimeoutMs);

  /** From the file and the layout of planes alone, as wasm/include/planes.h draws it. */
  async function expectedBytes(precision: 8 | 4): Promise<number> {
    const { tensors } = await readGguf(new BufferByteSource(bytes));
    const groupBytes = 16 + 128 + (precision === 8 ? 128 : 0);
    const bytesOf = ({ type, elements }: GgufTensor): number =>
      type === 'F32' ? 4 * elements : (elements / 256) * groupBytes;
    let sum = 0;
    for (const tensor of tensors.values()) {
      sum += bytesOf(tensor);
      // Read twice: one row for the token, and all of it for the logits.
      if (tensor.name === 'token_embd.weight') sum += bytesOf(tensor) / 512;
    }
    return Math.round(sum);
  }

  it('is counted to the byte in both precisions, and 4 bits cost 55 % at most', async () => {
    const engine = await load();
    const course = new Map([[5, { ...fullPlan, precision: 4 } as const]]);
    const { execution } = (await write(engine, course)).stats;
    const [eight, four] = [await expectedBytes(8), await expectedBytes(4)];
    expect(execution.stretches).toMatchObject([
      { firstToken: 1, tokens: 4, precision: 8, weightBytesPerToken: eight, backend: 'wasm' },
      { firstToken: 5, tokens: 7, precision: 4, weightBytesPerToken: four, threads: 1 },
    ]);
    expect(four / eight).toBeLessThanOrEqual(0.55);
    expect(execution.answerWeightBytes).toBe(4 * eight + 7 * four);
    // All five tokens are read in one step: the rows of the table count for each of them.
    expect(execution.promptWeightBytes).toBeGreaterThanOrEqual(eight);
    expect(execution.promptWeightBytes).toBeLessThan(1.02 * eight);
    const { counters, lastStep } = engine.execution();
    expect(counters.weightBytes).toBe(execution.promptWeightBytes + execution.answerWeightBytes);
    expect(counters).toMatchObject({ promptTokens: 5, answerTokens: 11, storeBytes: 0 });
    expect(lastStep).toMatchObject({ precision: 4, weightBytes: four, tokens: 1 });
  });

  it('shows that a conversation is remembered across a change of precision', async () => {
    const engine = await load();
    const first = await write(engine);
    engine.applyPlan({ ...fullPlan, precision: 4 });
    await write(engine, new Map(), [...prompt, ...first.tokens, 304]);
    // Of the second prompt only the last token of the answer, which was never read, and the new one.
    expect(engine.execution().counters.promptTokens).toBe(prompt.length + 2);
  });
});

describe('an answer under changes', () => {
  /** Told token by token, by somebody who knows nothing of plans: the state is cut and continued. */
  async function toldInAdvance(course: Course): Promise<Answer> {
    const engine = await load();
    engine.applyPlan(course.get(0) ?? fullPlan);
    const tokens: number[] = [];
    const logprobs: number[] = [];
    let stats: Done['stats'] | null = null;
    for (let count = 0; count < answerTokens; count++) {
      const plan = course.get(count);
      if (plan !== undefined) engine.applyPlan(plan);
      const request = {
        prompt: { kind: 'tokens', tokens: [...prompt, ...tokens] },
        sampling: greedySampling,
        maxTokens: 1,
        speculate: false,
        stop: [],
        topLogprobs: 0,
      } as const;
      for await (const event of engine.generate(request, new AbortController().signal)) {
        if (event.type === 'done') ({ stats } = event);
        if (event.type !== 'token') continue;
        tokens.push(event.token);
        logprobs.push(event.report?.logprob ?? NaN);
      }
    }
    if (stats === null) throw new Error('The answer has no end.');
    return { tokens, logprobs, stats };
  }

  const saving = { ...fullPlan, precision: 4 } as const;

  it('is that of a run that was told in advance: 8, 4 and 8 bits again', async () => {
    const course = new Map([
      [3, saving],
      [8, fullPlan],
    ]);
    const told = await toldInAdvance(course);
    const answer = await write(await load(), course);
    expect(answer.tokens).toEqual(told.tokens);
    expect(answer.logprobs).toEqual(told.logprobs);
    const whole = await write(await load());
    expect(answer.logprobs.slice(0, 3)).toEqual(whole.logprobs.slice(0, 3));
    expect(answer.logprobs.slice(3, 8)).not.toEqual(whole.logprobs.slice(3, 8));
  });

  it('is that of a run that was told in advance: mixed precision, between both in what it costs', async () => {
    const mixed = { ...fullPlan, precision: 'mixed' } as const;
    const course = new Map<number, ExecutionPlan>([
      [3, mixed],
      [6, saving],
      [9, mixed],
    ]);
    const told = await toldInAdvance(course);
    const engine = await load();
    const answer = await write(engine, course);
    expect(answer.tokens).toEqual(told.tokens);
    expect(answer.logprobs).toEqual(told.logprobs);
    const { eight, four, mixed: between } = engine.execution().weightBytesOfToken;
    expect(
      answer.stats.execution.stretches.map(({ precision, weightBytesPerToken }) => [
        precision,
        weightBytesPerToken,
      ]),
    ).toEqual([
      [8, eight],
      ['mixed', between],
      [4, four],
      ['mixed', between],
    ]);
    expect(between / four).toBeGreaterThan(1.1);
    expect(between / four).toBeLessThanOrEqual(1 + largestExtra);
  });

  it('does not depend on the number of threads, which changes with the next token', async () => {
    const threads = new NodeThreads();
    const engine = await load(() => createThreadedWasmBackend({ most: 3, spawn: threads.spawn }));
    engine.applyPlan({ ...fullPlan, threads: 3 });
    const answer = await write(
      engine,
      new Map([
        [4, { ...fullPlan, threads: 1 }],
        [7, { ...fullPlan, threads: 2 }],
      ]),
    );
    expect(
      answer.stats.execution.stretches.map(({ firstToken, tokens, threads: count }) => [
        firstToken,
        tokens,
        count,
      ]),
    ).toEqual([
      [1, 3, 3],
      [4, 3, 1],
      [7, 5, 2],
    ]);
    const alone = await write(await load());
    expect(answer.tokens).toEqual(alone.tokens);
    expect(answer.logprobs).toEqual(alone.logprobs);
  });
});

describe('the steps of a request', () => {
  it('are of as many prompt tokens as the plan says, and the answer is the same', async () => {
    const engine = await load();
    const expected = await write(engine);
    engine.applyPlan({ ...fullPlan, batchTokens: 2 });
    const done: number[] = [];
    const request = {
      prompt: { kind: 'tokens', tokens: [...prompt].reverse() },
      sampling: greedySampling,
      maxTokens: 1,
      stop: [],
    } as const;
    for await (const event of engine.generate(request, new AbortController().signal)) {
      if (event.type === 'prefill') done.push(event.done);
    }
    expect(done).toEqual([0, 2, 4, 5]);
    expect(engine.execution()).toMatchObject({ batchTokens: 2 });
    expect((await write(engine)).tokens).toEqual(expected.tokens);
  });
});

describe('the memory of a conversation', () => {
  it('is converted between two tokens: f16 to 8 bits and back, and nothing is read again', async () => {
    const course = new Map<number, ExecutionPlan>([
      [3, { ...fullPlan, kvType: 'q8' }],
      [7, fullPlan],
    ]);
    const engine = await load();
    const before = engine.execution();
    const answer = await write(engine, course);
    expect(answer.stats.execution.stretches.map(({ kvType, tokens }) => [kvType, tokens])).toEqual([
      ['f16', 2],
      ['q8', 4],
      ['f16', 5],
    ]);
    const { counters, kvType, memory } = engine.execution();
    expect(counters).toMatchObject({ promptTokens: prompt.length, storeBytes: 0 });
    expect(kvType).toBe('f16');
    expect(memory.cacheBytes).toBe(before.memory.cacheBytes);
    const whole = await write(await load());
    expect(answer.logprobs.slice(0, 3)).toEqual(whole.logprobs.slice(0, 3));
    expect(answer.logprobs.slice(3, 7)).not.toEqual(whole.logprobs.slice(3, 7));
    for (const [index, logprob] of answer.logprobs.entries()) {
      if (answer.tokens[index] !== whole.tokens[index]) break;
      expect(Math.abs(logprob - (whole.logprobs[index] ?? NaN))).toBeLessThan(0.1);
    }
    const again = await write(await load(), course);
    expect(again.logprobs).toEqual(answer.logprobs);
  });

  it('becomes shorter and longer, keeps what it holds, and 8 bits take about half', async () => {
    const engine = await load();
    const expected = await write(engine);
    const { memory: full } = engine.execution();
    engine.applyPlan({ ...fullPlan, contextTokens: 64 });
    const longer = [...prompt, ...expected.tokens, 17];
    const second = await write(engine, new Map(), longer);
    expect(engine.execution()).toMatchObject({ contextTokens: 64, refused: [] });
    expect(engine.execution().memory.cacheBytes).toBe(full.cacheBytes / 4);
    expect(second.stats.reusedTokens).toBe(longer.length - 2);
    // Never shorter than the conversation, nor longer than what the model was loaded for.
    engine.applyPlan({ ...fullPlan, contextTokens: 1 });
    await expect.poll(() => engine.execution().contextTokens).toBe(longer.length + answerTokens);
    engine.applyPlan({ ...fullPlan, contextTokens: 100_000, kvType: 'q8' });
    await expect.poll(() => engine.execution().contextTokens).toBe(256);
    const { memory } = engine.execution();
    expect(memory.cacheBytes / full.cacheBytes).toBeLessThan(0.6);
    engine.applyPlan(fullPlan);
    const third = await write(engine, new Map(), [...longer, ...second.tokens, 18]);
    expect(third.stats.reusedTokens).toBe(longer.length + answerTokens - 1);
    expect(engine.execution().memory.cacheBytes).toBe(full.cacheBytes);
  });
});

describe('the profile of a token', () => {
  it('tells the parts, and changes nothing of the conversation', async () => {
    const engine = await load();
    const expected = await write(engine);
    const { backend, precision, measured, parts } = await engine.profile();
    expect({ backend, precision, measured }).toEqual({
      backend: 'wasm',
      precision: 8,
      measured: true,
    });
    expect(parts.some(({ label }) => label.includes('blk.N.ffn_down.weight'))).toBe(true);
    expect(parts.every(({ milliseconds }) => milliseconds >= 0)).toBe(true);
    const sorted = parts.toSorted((a, b) => b.milliseconds - a.milliseconds);
    expect(parts).toEqual(sorted);
    const again = await write(engine);
    expect(again.tokens).toEqual(expected.tokens);
    expect(again.stats.reusedTokens).toBe(prompt.length - 1);
  });
});

describe('another backend', () => {
  /** A card that computes as the processor does, so that a move shows in nothing but the counters. */
  const withCard = (steps = Infinity): BackendFactory => ({
    create: async (kind) =>
      kind === 'wasm' ? createWasmBackend() : new FaultyBackend(await createWasmBackend(), steps),
    findGpu: () => Promise.resolve({ name: 'Card', software: false }),
  });
  const onCard = { ...fullPlan, backend: { prefill: 'webgpu', decode: 'webgpu' } } as const;

  const backendsOf = ({ stats }: Answer): readonly (readonly [string, number])[] =>
    stats.execution.stretches.map(({ backend, tokens }) => [backend, tokens]);

  it('takes over between two tokens once it is loaded, and keeps the conversation', async () => {
    const expected = await write(await load());
    const engine = await loadOn(withCard());
    engine.applyPlan(onCard);
    await expect.poll(() => engine.execution().loadingBackend).toBeNull();
    expect(engine.execution().counters.storeBytes).toBeGreaterThan(0.9 * bytes.length);
    const course = new Map<number, ExecutionPlan>([[4, fullPlan]]);
    const answer = await write(engine, course);
    expect(answer.logprobs).toEqual(expected.logprobs);
    expect(backendsOf(answer)[0]?.[0]).toBe('webgpu');
    await expect.poll(() => engine.execution().backend).toBe('wasm');
    const { counters, refused } = engine.execution();
    expect(counters.promptTokens).toBe(prompt.length);
    expect(refused).toEqual([]);
  });

  it('computes the prompt, and another one the answer', async () => {
    const expected = await write(await load());
    const engine = await loadOn(withCard());
    engine.applyPlan({ ...fullPlan, backend: { prefill: 'webgpu', decode: 'wasm' } });
    await expect.poll(() => engine.execution().loadingBackend).toBeNull();
    for (let turn = 0; turn < 2; turn++) {
      const tokens = turn === 0 ? prompt : [...prompt, ...expected.tokens, 5, 6, 7];
      const answer = await write(engine, new Map(), tokens);
      if (turn === 0) expect(answer.logprobs).toEqual(expected.logprobs);
      expect(backendsOf(answer)).toEqual([['wasm', answerTokens - 1]]);
    }
    // The first prompt, the last token of the answer to it, and what is new of the second.
    expect(engine.execution().counters.promptTokens).toBe(prompt.length + 4);
  });

  it('that is lost afterwards does not show in the answer', async () => {
    const expected = await write(await load());
    const engine = await loadOn(withCard(3));
    engine.applyPlan(onCard);
    await expect.poll(() => engine.execution().loadingBackend).toBeNull();
    expect((await write(engine)).logprobs).toEqual(expected.logprobs);
  });

  it('that cannot be had is refused with the reason, and the present one goes on', async () => {
    const expected = await write(await load());
    const engine = await loadOn({
      ...withCard(),
      create: (kind) =>
        kind === 'wasm'
          ? createWasmBackend()
          : Promise.reject(new AppError('engine/backend-unavailable', 'No device.')),
    });
    engine.applyPlan(onCard);
    await expect
      .poll(() => engine.execution().refused)
      .toMatchObject([{ part: 'backend', code: 'engine/backend-unavailable' }]);
    expect((await write(engine)).logprobs).toEqual(expected.logprobs);
    expect(engine.execution()).toMatchObject({ backend: 'wasm', loadingBackend: null });
  });
});

describe('low planes', () => {
  const small = { ...fullPlan, precision: 4, lowPlanes: 'drop' } as const;

  it('give their memory back at once, to be used by what is needed next', async () => {
    const engine = await load();
    const before = engine.execution();
    expect(before.lowPlanes).toMatchObject({ state: 'kept', droppedBytes: 0 });
    engine.applyPlan(small);
    await expect.poll(() => engine.execution().lowPlanes.state).toBe('dropped');
    const { lowPlanes, memory, counters, weightBytesOfToken, switchMs } = engine.execution();
    expect(lowPlanes).toEqual({
      state: 'dropped',
      bytes: 0,
      droppedBytes: before.lowPlanes.bytes,
    });
    expect(memory.weightBytes).toBe(before.memory.weightBytes - before.lowPlanes.bytes);
    expect(memory.freeBytes).toBeGreaterThanOrEqual(
      before.memory.freeBytes + before.lowPlanes.bytes,
    );
    expect(memory.totalBytes).toBe(before.memory.totalBytes);
    expect(weightBytesOfToken.eight).toBe(weightBytesOfToken.four);
    expect(counters.storeBytes).toBe(0);
    expect(switchMs).toBeLessThan(1000);
  });

  it('are not missed by 4 bits, and 8 bits fall back to 4 while they are gone', async () => {
    const whole = await load();
    whole.applyPlan({ ...fullPlan, precision: 4 });
    const expected = await write(whole);
    for (const precision of [4, 8] as const) {
      const engine = await load();
      engine.applyPlan({ ...small, precision });
      const answer = await write(engine);
      expect(answer.logprobs).toEqual(expected.logprobs);
      expect(engine.execution().precision).toBe(4);
    }
  });

  it('stay where mixed precision reads them', async () => {
    const whole = await load();
    whole.applyPlan({ ...fullPlan, precision: 'mixed' });
    const expected = await write(whole);
    const engine = await load();
    engine.applyPlan({ ...fullPlan, precision: 'mixed', lowPlanes: 'drop' });
    expect((await write(engine)).logprobs).toEqual(expected.logprobs);
    const { bytes: kept, droppedBytes } = engine.execution().lowPlanes;
    expect(kept).toBeGreaterThan(0);
    expect(droppedBytes).toBeGreaterThan(2 * kept);
  });

  it('are read again while the answer goes on, and read from when all are there', async () => {
    const expected = await write(await load());
    const engine = await load();
    const { lowPlanes: before } = engine.execution();
    engine.applyPlan({ ...small, precision: 8 });
    await write(engine);
    const answer = await write(engine, new Map([[1, fullPlan]]));
    const bits = answer.stats.execution.stretches.map(({ precision }) => precision);
    expect(bits).toEqual([4, 8]);
    const { lowPlanes, counters, refused, precision } = engine.execution();
    expect(refused).toEqual([]);
    expect(precision).toBe(8);
    expect(lowPlanes).toEqual(before);
    expect(counters.storeBytes).toBeGreaterThan(0);
    expect(counters.storeBytes).toBeLessThanOrEqual(bytes.length);
    expect((await write(engine)).logprobs.slice(1)).not.toEqual(answer.logprobs.slice(1));
    // The conversation so far was partly computed with 4 bits; a new one is as if nothing had been.
    const again = [9, ...prompt.slice(1)];
    await write(engine, new Map(), again);
    expect((await write(engine)).logprobs).toEqual(expected.logprobs);
  });

  it('are asked for and given up again in the middle, and nothing leaks', async () => {
    const engine = await load();
    const { memory: before } = engine.execution();
    for (let round = 0; round < 5; round++) {
      engine.applyPlan(round % 2 === 0 ? small : fullPlan);
      if (round % 2 === 1) await Promise.resolve();
    }
    engine.applyPlan(fullPlan);
    await expect.poll(() => engine.execution().lowPlanes.state).toBe('kept');
    const { memory } = engine.execution();
    expect(memory.weightBytes).toBe(before.weightBytes);
    expect(memory.totalBytes - memory.freeBytes).toBeLessThanOrEqual(
      before.totalBytes - before.freeBytes + 2 * 1024 * 1024,
    );
    expect((await write(engine)).logprobs).toEqual((await write(await load())).logprobs);
  });
});
