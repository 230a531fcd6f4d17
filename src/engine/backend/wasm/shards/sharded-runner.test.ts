/** Whole steps on threads with memories of their own, in Node: the bits of one thread, and what happens to some. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NodeShards } from '../../../../../test/fixtures/node-shard-thread.ts';
import { fixtureModels, sharedModelPath } from '../../../../../test/fixtures/shared-models.ts';
import { syntheticLlama } from '../../../../../test/fixtures/synthetic-llama.ts';
import {
  createShardedWasmBackend,
  createWasmBackend,
  kernelBuildTimeoutMs,
} from '../../../../../test/fixtures/wasm-backend.ts';
import { BufferByteSource } from '../../../../common/byte-source.ts';
import { readGguf } from '../../../formats/gguf/reader.ts';
import type { LanguageModel, ModelState } from '../../../models/language-model.ts';
import { loadModel, planModel } from '../../../weights/weight-loader.ts';
import type { Precision } from '../../backend.ts';
import type { WasmBackend } from '../wasm-backend.ts';
import type { SharingLimits } from './shard-team.ts';

const shape = {
  width: 192,
  layers: 3,
  heads: 6,
  kvHeads: 2,
  feedForward: 416,
  vocabularySize: 1000,
  contextLength: 256,
} as const;
const dense = syntheticLlama({ ...shape, type: 'Q8_0' });
const mixture = syntheticLlama({
  ...{ ...shape, feedForward: 96, experts: { count: 6, used: 2 } },
  type: 'Q8_0',
});
const everything: SharingLimits = { bytes: 0, milliseconds: 0, followingMilliseconds: 0 };

interface Running {
  readonly backend: WasmBackend;
  readonly model: LanguageModel;
  readonly state: ModelState;
}

interface Limited {
  readonly budgetBytes?: number;
  readonly precision?: 4 | 8;
}

const open: WasmBackend[] = [];

async function load(
  backend: WasmBackend,
  bytes: Uint8Array<ArrayBuffer>,
  { budgetBytes, precision = 8 }: Limited = {},
): Promise<Running> {
  open.push(backend);
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const options = { source, file, backend, precision, kvType: 'f16', budgetBytes } as const;
  const model = await loadModel(options);
  return { backend, model, state: model.createState({ capacity: 100, kvType: 'f16' }) };
}

async function loadSharded(
  most: number,
  shards: NodeShards,
  bytes = dense,
  limited: Limited = {},
): Promise<Running> {
  const options = { most, spawn: shards.spawn, limits: everything };
  const running = await load(await createShardedWasmBackend(options), bytes, limited);
  running.backend.setThreads(most);
  return running;
}

const precisions: readonly Precision[] = [8, 8, 4, 'mixed', 8];

/** A prompt and single tokens, in all precisions. */
async function wholeRun(
  { model, state }: Running,
  beforeStep: (step: number) => void = () => undefined,
): Promise<number[]> {
  const all: number[] = [];
  const { vocabularySize } = model.info;
  const prompt = Int32Array.from({ length: 37 }, (_, i) => 3 + ((i * 37) % (vocabularySize - 3)));
  state.truncate(0);
  for (const [step, precision] of precisions.entries()) {
    beforeStep(step);
    const tokens = step === 0 ? prompt : Int32Array.of(5 + step);
    all.push(...(await model.forward(tokens, state, { want: 'last', precision })));
  }
  return all;
}

afterEach(() => {
  for (const backend of open.splice(0)) backend.dispose();
});

describe('shards', { timeout: kernelBuildTimeoutMs }, () => {
  let shards: NodeShards;
  let alone: number[];

  beforeAll(async () => {
    shards = await NodeShards.create();
    alone = await wholeRun(await load(await createWasmBackend(), dense));
  }, kernelBuildTimeoutMs);

  it.each([2, 3, 4])('give the bits of one thread, %i threads', async (most) => {
    const running = await loadSharded(most, shards);
    expect(running.backend.description).toContain(`${most} threads`);
    expect(await wholeRun(running)).toEqual(alone);
    expect(running.backend.threadsUsed).toBe(most);
  });

  it.each([2, 3])('give the bits of one thread with experts, %i threads', async (most) => {
    const expected = await wholeRun(await load(await createWasmBackend(), mixture));
    const running = await loadSharded(most, shards, mixture);
    expect(await wholeRun(running)).toEqual(expected);
    expect(running.backend.threadsUsed).toBe(most);
  });

  it
    .skipIf(fixtureModels === null)
    .each([
      'qwen2.F32',
      'gemma2.F32',
      'phi3.F32',
      'olmoe.F32',
      'qwen2moe.F32',
      'qwen3.Q4_0',
      'llama-k.Q4_K_M',
      'lfm2.F32',
      'mamba.F32',
    ])('give the bits of one thread, %s', async (name) => {
    const bytes = new Uint8Array(
      readFileSync(sharedModelPath('fixtures', 'models', `${name}.gguf`)),
    );
    const planes = { precision: 4 } as const; // with 8 bits such small ones stay float
    const expected = await wholeRun(await load(await createWasmBackend(), bytes, planes));
    const running = await loadSharded(2, shards, bytes, planes);
    expect(await wholeRun(running)).toEqual(expected);
    expect(running.backend.threadsUsed).toBe(2);
  });

  it('change their number between two tokens', async () => {
    const running = await loadSharded(3, shards);
    const used: number[] = [];
    const changing = await wholeRun(running, (step) => {
      used.push(running.backend.threadsUsed);
      running.backend.setThreads((step % 3) + 1);
    });
    expect(changing).toEqual(alone);
    expect(used.slice(1)).toEqual([1, 2, 3, 1]);
  });

  it('are done without when one dies between two steps or inside one', async () => {
    const running = await loadSharded(3, shards);
    const [first, second] = shards.workers.slice(-2);
    const afterDeath = await wholeRun(running, (step) => {
      // Not awaited: the step begins while the thread is being ended.
      if (step === 2) void second?.terminate();
    });
    expect(afterDeath).toEqual(alone);
    await first?.terminate();
    expect(await wholeRun(running)).toEqual(alone);
    expect(running.backend.lostThreads).toBe(2);
    expect(running.backend.threadsUsed).toBe(1);
    expect(running.backend.description).toContain('1 thread');
  });

  it('are done without when one hangs', async () => {
    const mute = await NodeShards.create();
    const running = await loadSharded(2, mute);
    const hung = await wholeRun(running, (step) => {
      mute.silent = step >= 1;
    });
    expect(hung).toEqual(alone);
    expect(running.backend.lostThreads).toBe(1);
  });

  it('end with the low planes, which are given up for memory', async () => {
    const running = await loadSharded(2, shards);
    const before = running.backend.memory();
    running.model.lowPlanes?.drop(4);
    expect(running.backend.memory().totalBytes).toBeLessThan(before.totalBytes);
    await wholeRun(running);
    expect(running.backend.threadsUsed).toBe(1);
  });

  it('are counted as memory, and are not started where the budget has no room for them', async () => {
    const one = await load(await createWasmBackend(), dense);
    const two = await loadSharded(2, shards);
    const more = two.backend.memory().weightBytes - one.backend.memory().weightBytes;
    expect(more).toBeGreaterThan(one.backend.memory().weightBytes / 4);
    const file = await readGguf(new BufferByteSource(dense));
    const needed = planModel(file, { precision: 8, kvType: 'f16' }).totalBytes + 65536;
    const tight = await loadSharded(2, shards, dense, { budgetBytes: needed });
    expect(tight.backend.memory().weightBytes).toBe(one.backend.memory().weightBytes);
    expect(tight.backend.mostThreads).toBe(1);
    expect(await wholeRun(tight)).toEqual(alone);
  });

  it('leave small models alone', async () => {
    const options = { most: 2, spawn: shards.spawn };
    const running = await load(await createShardedWasmBackend(options), dense);
    await wholeRun(running);
    expect(running.backend.threadsUsed).toBe(1);
    expect(running.backend.description).toContain('1 thread');
  });

  it('stop inside a step and leave the conversation as it was', async () => {
    const running = await loadSharded(2, shards);
    const controller = new AbortController();
    const options = { want: 'last', precision: 8, signal: controller.signal } as const;
    const stopped = running.model.forward(
      Int32Array.from({ length: 60 }, (_, i) => 3 + i),
      running.state,
      options,
    );
    setTimeout(() => {
      controller.abort();
    }, 1);
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(running.state.length).toBe(0);
    expect(await wholeRun(running)).toEqual(alone);
    expect(running.backend.lostThreads).toBe(0);
  });
});
