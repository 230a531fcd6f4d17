import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Device, modelBytes, settled } from '../../test/fixtures/library-device.ts';
import { makerOver } from '../../test/fixtures/model-maker.ts';
import { headerSandbox, modelInspector } from '../../test/fixtures/header-sandbox.ts';
import { startModelServer, type ModelServer } from '../../test/fixtures/model-server.ts';
import { realEmbedder } from '../../test/fixtures/real-embedder.ts';
import { ScriptedEngine, scriptedRuntime } from '../../test/fixtures/scripted-engine.ts';
import { storeOwner } from '../../test/fixtures/store-worker.ts';
import { AppError } from '../common/errors.ts';
import { ModelFit } from './fit/model-fit.ts';
import { LibraryModelsService } from './models-service.ts';

const catalog = {
  version: 1,
  models: [
    {
      id: 'small',
      name: 'Small model',
      description: { en: 'A small one.', 'zh-Hans': '小模型。' },
      repository: 'owner/small-GGUF',
      revision: null,
      file: 'small.gguf',
      bytes: null,
      approximateBytes: 1_000_000,
      sha256: null,
      architecture: 'llama',
      parameters: '1M',
      quantization: 'Q8_0',
      contextLength: 2048,
      dialect: { chat: 'chatml', tools: 'json' },
      licence: {
        spdx: 'MIT',
        name: 'MIT',
        url: 'https://mit.example/',
        gated: false,
        useLimits: { en: 'Not for robots.', 'zh-Hans': '机器人不得使用。' },
      },
      languages: ['en'],
      memoryBytes: null,
      verified: false,
    },
  ],
};

let server: ModelServer;
let device: Device;
const closers: (() => void)[] = [];

beforeEach(async () => {
  server = await startModelServer();
  server.serve('/a.gguf', { bytes: modelBytes(5000) });
  device = new Device();
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await device.close();
  await server.close();
});

async function setUp(fetchCatalog: () => Promise<unknown> = () => Promise.resolve(catalog)) {
  const library = device.open();
  const store = storeOwner(library);
  const { runtime, close } = scriptedRuntime(new ScriptedEngine());
  const { embeddings, purposes, close: closeEmbedder } = realEmbedder({});
  const language: { value: 'en' | 'zh-Hans' } = { value: 'en' };
  const maker = makerOver(device.store, store, () => service.entries);
  const service: LibraryModelsService = new LibraryModelsService({
    store,
    runtime,
    maker,
    embeddings,
    purposes,
    language: () => language.value,
    fetchCatalog,
    fit: new ModelFit({
      budgetBytes: () => 1e9,
      own: { speedAt: () => null },
      expected: () => null,
      contextLength: () => 4096,
    }),
    hubUrl: () => server.origin,
    inspector: modelInspector(store, 1e9),
    readHeader: (bytes, port) => headerSandbox(1e9).refuseUnusable(bytes, port),
    load: (id) => runtime.load(id, { precision: 'auto', contextLength: 512 }),
  });
  closers.push(close, closeEmbedder, () => {
    store.terminate();
  });
  await service.start();
  return { service, library, runtime, language };
}

const stateOf = (service: LibraryModelsService, id: string): string | undefined =>
  service.models.value.find((model) => model.id === id)?.state.kind;

describe('models', () => {
  it('are shown from the beginning and as they change', async () => {
    const before = device.open();
    await settled(before, await before.add({ kind: 'url', url: server.url('/a.gguf') }));
    const { service } = await setUp();
    expect(service.models.value).toMatchObject([
      {
        id: 'a',
        name: 'a',
        bytesTotal: 5000,
        sourceLabel: new URL(server.origin).host,
        sourceUrl: server.url('/a.gguf'),
        verified: 'computed',
        state: { kind: 'ready' },
      },
    ]);
    await service.remove('a');
    await vi.waitFor(() => {
      expect(service.models.value).toEqual([]);
    });
  });

  it('are added, and keep updates waiting while they are', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.serve('/a.gguf', {
      bytes: modelBytes(5000),
      script: async () => {
        await released;
        return { kind: 'normal' };
      },
    });
    const { service } = await setUp();
    expect(service.busy).toBe(false);
    const id = await service.addFromUrl(server.url('/a.gguf'));
    await vi.waitFor(() => {
      expect(stateOf(service, id)).toBe('downloading');
    });
    expect(service.busy).toBe(true);
    release();
    await vi.waitFor(() => {
      expect(stateOf(service, id)).toBe('ready');
    });
    expect(service.busy).toBe(false);
  });

  it('are paused, resumed and cancelled', async () => {
    server.serve('/a.gguf', {
      bytes: modelBytes(500_000),
      script: () => ({ kind: 'slow', bytesPerSecond: 400_000 }),
    });
    const { service } = await setUp();
    const id = await service.addFromUrl(server.url('/a.gguf'));
    await service.pause(id);
    await vi.waitFor(() => {
      expect(service.models.value[0]?.state).toMatchObject({ kind: 'paused', reason: 'user' });
    });
    await service.resume(id);
    await vi.waitFor(() => {
      expect(stateOf(service, id)).toBe('downloading');
    });
    await service.cancel(id);
    await vi.waitFor(() => {
      expect(service.models.value).toEqual([]);
    });
  });

  it('that cannot be had show why, and a bad address is refused at once', async () => {
    const { service } = await setUp();
    const id = await service.addFromUrl(server.url('/missing.gguf'));
    await vi.waitFor(() => {
      const state = service.models.value[0]?.state;
      expect(state).toMatchObject({ kind: 'failed', error: { code: 'download/not-found' } });
    });
    expect(id).toBe('missing');
    await expect(service.addFromUrl('ftp://x/y.gguf')).rejects.toBeInstanceOf(AppError);
  });

  it('are given up before they are deleted, and the one that answers is told', async () => {
    const { service, library, runtime } = await setUp();
    const id = await service.addFromUrl(server.url('/a.gguf'));
    await settled(library, id);
    await service.select(id);
    expect(service.active.value).toMatchObject({ kind: 'ready', id, backend: 'script' });
    await service.remove(id);
    expect(service.active.value).toEqual({ kind: 'none' });
    expect(runtime.state.value).toEqual({ kind: 'none' });
  });
});

describe('the catalogue', () => {
  it('is shown in the language of the moment and knows what is installed', async () => {
    const { service, language } = await setUp();
    await service.loadCatalog();
    const shown = () => {
      const view = service.catalog.value;
      return view.kind === 'ready' ? view.models[0] : undefined;
    };
    expect(shown()).toMatchObject({
      id: 'small',
      description: 'A small one.',
      repositoryUrl: 'https://huggingface.co/owner/small-GGUF',
      checked: false,
      dialect: { chat: 'chatml', tools: 'json' },
      licence: { useLimits: 'Not for robots.' },
      installedAs: null,
    });
    language.value = 'zh-Hans';
    service.refreshCatalog();
    expect(shown()?.description).toBe('小模型。');
    expect(shown()?.licence.useLimits).toBe('机器人不得使用。');
    await expect(service.addFromCatalog('large')).rejects.toMatchObject({
      code: 'store/not-found',
    });
  });

  it('that cannot be read says so', async () => {
    for (const value of [{ version: 2, models: [] }, null]) {
      const { service } = await setUp(() => Promise.resolve(value));
      await service.loadCatalog();
      expect(service.catalog.value).toMatchObject({
        kind: 'failed',
        error: { code: 'catalog/invalid' },
      });
    }
  });
});
