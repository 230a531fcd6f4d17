/** A sentence survives the loss of the device that writes it, once and twice, and the choice of one. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { AppError } from '../../src/common/errors.ts';
import type { Backend } from '../../src/engine/backend/backend.ts';
import type { Measurement } from '../../src/engine/backend-choice.ts';
import { Engine, type EngineEvent, type LoadedModel } from '../../src/engine/engine.ts';
import { fullPlan } from '../../src/engine/execution-plan.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { greedySampling } from '../../src/engine/generation/sampler.ts';
import type { GpuSummary } from '../../src/engine/backend-choice.ts';
import { FaultyBackend } from '../fixtures/faulty-backend.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';

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

const card: GpuSummary = { name: 'Card', software: false };

/** Steps that each card computes before it fails; one that is asked for beyond them never does. */
interface Device {
  readonly cards?: readonly number[];
  readonly gpu?: GpuSummary | null;
  readonly refuses?: boolean;
}

let engine: Engine | null = null;
beforeAll(async () => {
  (await createWasmBackend()).dispose();
}, kernelBuildTimeoutMs);
afterEach(() => {
  engine?.unload();
});

async function load(
  device: Device,
  backend: 'auto' | 'wasm' | 'webgpu',
  measurements: readonly Measurement[] = [],
): Promise<LoadedModel> {
  const cards = [...(device.cards ?? [])];
  engine = new Engine({
    create: async (kind): Promise<Backend> => {
      if (kind === 'wasm') return createWasmBackend();
      if (device.refuses === true) throw new AppError('engine/backend-unavailable', 'No device.');
      return new FaultyBackend(await createWasmBackend(), cards.shift() ?? Infinity);
    },
    findGpu: () => Promise.resolve(device.gpu === undefined ? card : device.gpu),
  });
  const source = new BufferByteSource(bytes);
  const reopen = () =>
    Promise.resolve(Object.assign(new BufferByteSource(bytes), { close: () => undefined }));
  const { signal } = new AbortController();
  const options = { precision: 8, contextLength: 256, backend, measurements } as const;
  return engine.load(source, await readGguf(source), options, () => undefined, signal, reopen);
}

async function write(): Promise<{
  readonly tokens: readonly number[];
  readonly moved: readonly Extract<EngineEvent, { type: 'moved' }>[];
}> {
  const tokens: number[] = [];
  const moved: Extract<EngineEvent, { type: 'moved' }>[] = [];
  const request = {
    prompt: { kind: 'tokens', tokens: Array.from({ length: 150 }, (_, i) => 3 + (i % 400)) },
    sampling: { ...greedySampling, temperature: 1, seed: 7 },
    maxTokens: 20,
    stop: [],
  } as const;
  if (engine === null) throw new Error('nothing is loaded');
  for await (const event of engine.generate(request, new AbortController().signal)) {
    if (event.type === 'token') tokens.push(event.token);
    if (event.type === 'moved') moved.push(event);
  }
  return { tokens, moved };
}

describe('a lost device', () => {
  it('does not show in the sentence', async () => {
    await load({}, 'wasm');
    const { tokens: undisturbed } = await write();
    expect(undisturbed).toHaveLength(20);
    // in the middle of the prompt, at its end, in the middle of the answer
    for (const steps of [1, 2, 9]) {
      await load({ cards: [steps] }, 'webgpu');
      const { tokens, moved } = await write();
      expect(tokens, `${steps} steps`).toEqual(undisturbed);
      expect(moved.map(({ choice, cause }) => [choice.kind, cause])).toEqual([['webgpu', 'lost']]);
    }
  });

  it('gives the card up when it fails again', async () => {
    await load({}, 'wasm');
    const { tokens: undisturbed } = await write();
    await load({ cards: [7, 5] }, 'webgpu');
    const { tokens, moved } = await write();
    expect(tokens).toEqual(undisturbed);
    expect(moved.map(({ choice }) => [choice.kind, choice.reason])).toEqual([
      ['webgpu', 'asked'],
      ['wasm', 'device-lost'],
    ]);
    expect(moved.at(-1)?.backend).toMatch(/^WASM/);
    const again = await write();
    expect(again.moved).toEqual([]);
    expect(again.tokens).toEqual(undisturbed);
  });
});

describe('the choice of a backend', () => {
  it('follows what was asked for', async () => {
    expect((await load({}, 'wasm')).choice).toMatchObject({ kind: 'wasm', reason: 'asked' });
    expect((await load({}, 'webgpu')).choice).toMatchObject({
      kind: 'webgpu',
      reason: 'asked',
      adapter: 'Card',
    });
  });

  it('falls back to the processor, with the reason', async () => {
    expect((await load({ gpu: null }, 'webgpu')).choice).toMatchObject({
      kind: 'wasm',
      reason: 'no-gpu',
    });
    expect((await load({ refuses: true }, 'webgpu')).choice).toMatchObject({
      kind: 'wasm',
      reason: 'gpu-refused',
      detail: 'No device.',
    });
  });

  it('never takes a card that is a program by itself', async () => {
    const gpu = { name: 'SwiftShader', software: true };
    expect((await load({ gpu }, 'auto')).choice).toMatchObject({
      kind: 'wasm',
      reason: 'software-gpu',
      adapter: 'SwiftShader',
    });
  });

  it('measures both, and believes what was measured before', async () => {
    const { choice } = await load({}, 'auto');
    expect(choice.reason).toBe('measured');
    const { measurement } = choice;
    if (measurement === null) throw new Error('nothing was measured');
    for (const speed of [measurement.wasm, measurement.webgpu]) {
      expect(speed.prefill).toBeGreaterThan(0);
      expect(speed.decode).toBeGreaterThan(0);
    }
    const slow = { prefill: 1, decode: 1 };
    const fast = { prefill: 1000, decode: 1000 };
    const { key } = measurement;
    expect((await load({}, 'auto', [{ key, wasm: slow, webgpu: fast }])).choice).toMatchObject({
      kind: 'webgpu',
      reason: 'measured',
    });
    expect((await load({}, 'auto', [{ key, wasm: fast, webgpu: slow }])).choice).toMatchObject({
      kind: 'wasm',
      reason: 'measured',
    });
  });

  it('takes one device for prompts and one for answers where that was measured to save much', async () => {
    await load({}, 'wasm');
    const { tokens: undisturbed } = await write();
    const { measurement } = (await load({}, 'auto')).choice;
    const key = measurement?.key ?? '';
    const wasm = { prefill: 10, decode: 100 };
    const webgpu = { prefill: 1000, decode: 10 };
    const { choice } = await load({}, 'auto', [{ key, wasm, webgpu }]);
    expect(choice).toMatchObject({
      kind: 'wasm',
      reason: 'measured',
      phases: { prefill: 'webgpu', decode: 'wasm' },
    });
    // The card is loaded in the background; from then on it reads prompts.
    engine?.applyPlan({ ...fullPlan });
    await expect.poll(() => engine?.execution().loadingBackend).toBeNull();
    for (let turn = 0; turn < 2; turn++) {
      const { tokens, moved } = await write();
      expect(tokens).toEqual(undisturbed);
      expect(moved.map(({ choice: next, cause }) => [next.kind, next.reason, cause])).toEqual([
        ['webgpu', 'measured', 'planned'],
        ['wasm', 'measured', 'planned'],
      ]);
    }
  });
});
