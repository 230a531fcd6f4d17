import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Device, modelBytes } from '../../../test/fixtures/library-device.ts';
import { battery, silent } from '../../../test/fixtures/policy-situations.ts';
import { makerOver } from '../../../test/fixtures/model-maker.ts';
import { headerSandbox, modelInspector } from '../../../test/fixtures/header-sandbox.ts';
import { startModelServer, type ModelServer } from '../../../test/fixtures/model-server.ts';
import { realEmbedder, tinyEmbedder } from '../../../test/fixtures/real-embedder.ts';
import { ScriptedEngine, scriptedRuntime } from '../../../test/fixtures/scripted-engine.ts';
import { storeOwner } from '../../../test/fixtures/store-worker.ts';
import { ObservableValue } from '../../common/observable.ts';
import type { DeviceSignals } from '../../platform/signals/device-signals.ts';
import { PolicyController } from '../power/policy-controller.ts';
import { StoredSettings } from '../settings.ts';
import { ModelFit } from '../fit/model-fit.ts';
import { LibraryModelsService } from '../models-service.ts';
import { Hermit } from './hermit.ts';

let server: ModelServer;
let device: Device;
let engine: ScriptedEngine;
let hermit: Hermit;
let signals: ObservableValue<DeviceSignals>;
const closers: (() => void)[] = [];

/** The page's object over the real library and runtime; only the engine is scripted. */
beforeEach(async () => {
  server = await startModelServer();
  server.serve('/a.gguf', { bytes: modelBytes(200_000) });
  device = new Device();
  const store = storeOwner(device.open());
  engine = new ScriptedEngine();
  const { info } = engine.model;
  engine.model = { ...engine.model, info: { ...info, fourBitLoss: 0.08 } };
  const { runtime, prompts, close } = scriptedRuntime(engine);
  const { embeddings, purposes, close: closeEmbedder } = realEmbedder({ embedder: tinyEmbedder });
  const loadDefaults = () => ({ precision: 'auto', contextLength: 777 }) as const;
  const maker = makerOver(device.store, store, () => models.entries);
  const models: LibraryModelsService = new LibraryModelsService({
    store,
    runtime,
    maker,
    embeddings,
    purposes,
    language: () => 'en',
    fetchCatalog: () => Promise.resolve({}),
    fit: new ModelFit({
      budgetBytes: () => 1e9,
      own: { speedAt: () => null },
      expected: () => null,
      contextLength: () => 4096,
    }),
    hubUrl: () => server.origin,
    inspector: modelInspector(store, 1e9),
    readHeader: (bytes, port) => headerSandbox(1e9).refuseUnusable(bytes, port),
    load: (id) => runtime.load(id, loadDefaults()),
  });
  await models.start();
  const settings = new StoredSettings(null);
  signals = new ObservableValue<DeviceSignals>(silent);
  hermit = new Hermit({
    version: '1.2.3',
    store,
    inspector: modelInspector(store, 1e9),
    entries: models.entries,
    maker,
    runtime,
    embeddings,
    purposes,
    prompts,
    loadDefaults,
    ensureModel: async (id = 'a') => {
      await runtime.load(id, loadDefaults());
      return id;
    },
    settings,
    policy: new PolicyController({
      device: signals,
      runtime,
      settings: settings.settings,
      budgetBytes: () => 1e9,
      besideBytes: () => 0,
      fullThreads: 4,
      cores: 4,
      wattHours: 50,
    }),
    speeds: () => null,
    capabilities: () =>
      Promise.resolve({
        crossOriginIsolated: false,
        sharedMemory: false,
        cores: 2,
        simd: 'plain',
        webgpu: false,
        gpu: null,
        deviceClass: 'desktop/unknown/cores-2/memory-unknown/plain/no-gpu',
      }),
  });
  closers.push(close, closeEmbedder, () => {
    store.terminate();
  });
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await device.close();
  await server.close();
});

describe('the policy', () => {
  it('is read, chosen and followed', async () => {
    await hermit.models.install(server.url('/a.gguf'));
    await hermit.models.load('a');
    expect(hermit.policy.current()).toMatchObject({
      mode: 'balanced',
      plan: { precision: 8, threads: 'auto' },
      reasons: [],
      changes: [],
    });
    const told: unknown[] = [];
    const stop = hermit.policy.onChange(({ mode, plan, reasons }) => {
      told.push([mode, plan.precision, reasons.map(({ code }) => code)]);
    });
    signals.set({ ...silent, battery: battery(19) });
    signals.set({ ...silent, battery: battery(19) });
    expect(told).toEqual([['balanced', 4, ['battery-low']]]);
    expect(hermit.policy.set('performance').plan.precision).toBe(8);
    expect(told).toHaveLength(2);
    stop();
    hermit.policy.set('manual');
    expect(told).toHaveLength(2);
    await expect.poll(() => hermit.policy.current().changes).toHaveLength(2);
    expect(await hermit.policy.execution()).toMatchObject({ precision: 8 });
    expect(engine.plans.map(({ precision }) => precision)).toEqual([4, 8]);
    const [back, down] = hermit.policy.current().changes;
    expect(down).toMatchObject({ to: { precision: 4 }, outcome: 'applied', duringAnswer: false });
    expect(back).toMatchObject({ from: { precision: 4 }, to: { precision: 8 } });
  });

  it('refuses a mode that does not exist', () => {
    expect(() => hermit.policy.set('turbo' as never)).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
    expect(hermit.policy.current().mode).toBe('balanced');
  });

  it('reports each signal with its source and age, or why it is missing', async () => {
    signals.set({ ...silent, battery: { ...battery(50), at: Date.now() - 5000 } as never });
    const { signals: reported } = await hermit.device.report();
    expect(reported.battery).toMatchObject({ value: { level: 0.5 }, confidence: 'reported' });
    expect(reported.battery.ageMs).toBeGreaterThanOrEqual(5000);
    expect(reported.pressure).toMatchObject({ reason: 'not-supported', ageMs: null });
    expect(reported.memory).toMatchObject({ kind: 'missing', reason: 'waiting' });
  });
});

describe('installing', () => {
  it('resolves when the model can be loaded, and again after it was removed', async () => {
    for (const _ of [1, 2, 3]) {
      const progress: { bytesDone: number; bytesTotal: number | null }[] = [];
      const id = await hermit.models.install(server.url('/a.gguf'), {
        onProgress: (now) => progress.push(now),
      });
      const [entry] = await hermit.models.list();
      expect(entry).toMatchObject({ id, state: { kind: 'ready' } });
      expect(progress.at(-1)).toEqual({ bytesDone: 200_000, bytesTotal: 200_000 });
      await hermit.models.verify(id);
      await hermit.models.remove(id);
      expect(await hermit.models.list()).toEqual([]);
    }
    expect(server.bytesServed('/a.gguf')).toBe(600_000);
  });

  it('is stopped by its signal', async () => {
    const controller = new AbortController();
    server.serve('/a.gguf', {
      bytes: modelBytes(200_000),
      script: () => {
        controller.abort();
        return { kind: 'stall', afterBytes: 1000 };
      },
    });
    const { signal } = controller;
    await expect(hermit.models.install(server.url('/a.gguf'), { signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('fails with the code of what went wrong', async () => {
    await expect(hermit.models.install(server.url('/gone.gguf'))).rejects.toMatchObject({
      code: 'download/not-found',
    });
    const sha256 = '0'.repeat(64);
    const url = server.url('/a.gguf');
    await expect(hermit.models.install({ url, sha256 })).rejects.toMatchObject({
      code: 'download/hash-mismatch',
    });
  });
});

describe('an embedding model', () => {
  beforeEach(async () => {
    server.serve('/embedder.gguf', { bytes: tinyEmbedder });
    await hermit.models.install(server.url('/embedder.gguf'));
    await hermit.models.install(server.url('/a.gguf'));
  });

  it('is loaded beside the model that answers, which stays', async () => {
    await hermit.models.load('a');
    const model = await hermit.models.load('embedder');
    expect(model).toMatchObject({ dimensions: 64 });
    const { data } = await hermit.embeddings.create({ model: 'embedder', input: [1, 2] });
    expect(data).toHaveLength(1);
    expect((await hermit.device.report()).model?.id).toBe('a');
    expect(engine.loads).toHaveLength(1);
    expect(await hermit.models.purposeOf('embedder')).toBe('embedding');
    expect(await hermit.detokenize('embedder', [1])).toBe('');
  });

  it('is found where none is named, and only where it is the only one', async () => {
    const { model } = await hermit.embeddings.create({ input: [1, 2] });
    expect(model).toBe('embedder');
    await hermit.models.remove('embedder');
    await expect(hermit.embeddings.create({ input: [1] })).rejects.toMatchObject({
      code: 'engine/not-loaded',
    });
  });

  it('does not answer, and a model that answers makes no vectors', async () => {
    await hermit.models.load('a');
    const messages = [{ role: 'user', content: 'Hello' }] as const;
    const chat = hermit.chat.completions.create({ model: 'embedder', messages });
    await expect(chat).rejects.toMatchObject({
      code: 'model-file/wrong-kind',
      details: { purpose: 'embedding' },
    });
    await expect(hermit.embeddings.create({ model: 'a', input: [1] })).rejects.toMatchObject({
      code: 'model-file/wrong-kind',
      details: { purpose: 'chat' },
    });
    expect((await hermit.device.report()).model?.id).toBe('a');
  });
});

describe('loading', () => {
  it('takes the settings where the call names none', async () => {
    await hermit.models.install(server.url('/a.gguf'));
    await hermit.models.load('a', { precision: 4 });
    expect(engine.loads[0]?.options).toMatchObject({ precision: 4, contextLength: 777 });
    await hermit.models.load('a', { threads: 2 });
    expect(engine.loads[1]?.options).toMatchObject({ precision: 'auto', threads: 2 });
    await expect(hermit.models.load('a', { threads: 0 })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    const report = await hermit.device.report();
    expect(report).toMatchObject({ hermit: '1.2.3', cores: 2, model: { id: 'a' } });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    await hermit.models.unload('other');
    expect((await hermit.device.report()).model?.id).toBe('a');
    await hermit.models.unload();
    expect((await hermit.device.report()).model).toBeNull();
  });

  it('does not give up the loaded model for one that is not there', async () => {
    await hermit.models.install(server.url('/a.gguf'));
    await hermit.models.load('a');
    const gone = { code: 'store/not-found', details: { id: 'gone' } };
    await expect(hermit.models.load('gone')).rejects.toMatchObject(gone);
    await expect(hermit.tokenize('gone', 'x')).rejects.toMatchObject(gone);
    await expect(hermit.completions.create({ model: 'gone', prompt: 'x' })).rejects.toMatchObject(
      gone,
    );
    expect((await hermit.device.report()).model?.id).toBe('a');
    expect(engine.loads).toHaveLength(1);
  });
});
