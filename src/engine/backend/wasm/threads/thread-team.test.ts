/** Whole steps on several threads, in Node: the same bits as on one, and what happens when one dies. */
import { afterEach, describe, expect, it } from 'vitest';
import { NodeThreads } from '../../../../../test/fixtures/node-kernel-thread.ts';
import { syntheticLlama } from '../../../../../test/fixtures/synthetic-llama.ts';
import {
  createThreadedWasmBackend,
  createWasmBackend,
  kernelBuildTimeoutMs,
} from '../../../../../test/fixtures/wasm-backend.ts';
import { BufferByteSource } from '../../../../common/byte-source.ts';
import { readGguf } from '../../../formats/gguf/reader.ts';
import type { LanguageModel, ModelState } from '../../../models/language-model.ts';
import { loadModel } from '../../../weights/weight-loader.ts';
import type { WasmBackend } from '../wasm-backend.ts';

const bytes = syntheticLlama({
  width: 192,
  layers: 3,
  heads: 6,
  kvHeads: 2,
  feedForward: 416,
  vocabularySize: 1000,
  contextLength: 256,
  type: 'Q8_0',
});
const prompt = Int32Array.from({ length: 70 }, (_, i) => 3 + ((i * 37) % 900));

interface Running {
  readonly backend: WasmBackend;
  readonly model: LanguageModel;
  readonly state: ModelState;
}

const open: WasmBackend[] = [];

async function load(backend: WasmBackend): Promise<Running> {
  open.push(backend);
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
  return { backend, model, state: model.createState({ capacity: 200, kvType: 'f16' }) };
}

async function loadThreaded(most: number, host = new NodeThreads()): Promise<Running> {
  return load(await createThreadedWasmBackend({ most, spawn: host.spawn }));
}

async function logits(
  { model, state }: Running,
  tokens: Int32Array,
  precision: 4 | 8 = 8,
): Promise<number[]> {
  const options = { want: 'last', precision, signal: undefined } as const;
  return Array.from(await model.forward(tokens, state, options));
}

/** The prompt and three tokens one by one, in both precisions. */
async function wholeRun(running: Running, beforeStep: (step: number) => void): Promise<number[]> {
  const all: number[] = [];
  running.state.truncate(0);
  for (let step = 0; step < 7; step++) {
    beforeStep(step);
    const tokens = step === 0 ? prompt : Int32Array.of(5 + step);
    all.push(...(await logits(running, tokens, step < 4 ? 8 : 4)));
  }
  return all;
}

afterEach(() => {
  for (const backend of open.splice(0)) backend.dispose();
});

describe('a team of threads', { timeout: kernelBuildTimeoutMs }, () => {
  it.each([2, 3, 5])('gives the bits of one thread, %i threads', async (most) => {
    const alone = await wholeRun(await load(await createWasmBackend()), () => undefined);
    const running = await loadThreaded(most);
    running.backend.setThreads(most);
    expect(running.backend.description).toContain(`${most} threads`);
    expect(await wholeRun(running, () => undefined)).toEqual(alone);
  });

  it('changes its size between two tokens', async () => {
    const running = await loadThreaded(3);
    const all = await wholeRun(running, () => undefined);
    const changing = await wholeRun(running, (step) => {
      running.backend.setThreads((step % 3) + 1);
    });
    expect(changing).toEqual(all);
    expect(() => {
      running.backend.setThreads(0);
    }).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('goes on with the rest when a thread dies between two steps or inside one', async () => {
    const host = new NodeThreads();
    const running = await loadThreaded(3, host);
    running.backend.setThreads(3);
    const expected = await wholeRun(running, () => undefined);
    const afterDeath = await wholeRun(running, (step) => {
      // Not awaited: the step begins while the thread is being ended.
      if (step === 2) void host.workers[1]?.terminate();
    });
    expect(afterDeath).toEqual(expected);
    expect(running.backend.lostThreads).toBe(1);
    await host.workers[0]?.terminate();
    expect(await wholeRun(running, () => undefined)).toEqual(expected);
    expect(running.backend.lostThreads).toBe(2);
    expect(running.backend.description).toContain('1 thread');
  });

  it('stays alone where no thread can be started', async () => {
    const host = new NodeThreads();
    const running = await load(
      await createThreadedWasmBackend({
        most: 3,
        spawn: (start) => ({
          ...host.spawn(start),
          ready: Promise.reject(new Error('No worker could be started.')),
        }),
      }),
    );
    expect(await logits(running, prompt)).toHaveLength(1000);
    expect(running.backend.description).toContain('1 thread');
  });

  it('stops inside a step and leaves the conversation as it was', async () => {
    const running = await loadThreaded(2);
    const controller = new AbortController();
    const options = { want: 'last', precision: 8, signal: controller.signal } as const;
    const stopped = running.model.forward(prompt, running.state, options);
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(running.state.length).toBe(0);
    const alone = await load(await createWasmBackend());
    expect(await logits(running, prompt)).toEqual(await logits(alone, prompt));
  });
});
