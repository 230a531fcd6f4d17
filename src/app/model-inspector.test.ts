/** Looking into models elsewhere over the real library, channels and parser, against a real server. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { headerSandbox, modelInspector } from '../../test/fixtures/header-sandbox.ts';
import { Device, errorOf, settled } from '../../test/fixtures/library-device.ts';
import { startModelServer, type ModelServer } from '../../test/fixtures/model-server.ts';
import { partNames, splitModel } from '../../test/fixtures/split-model.ts';
import { storeOwner } from '../../test/fixtures/store-worker.ts';
import { syntheticLlama } from '../../test/fixtures/synthetic-llama.ts';
import { hasCode } from '../common/errors.ts';
import type { ModelLibrary } from '../download/model-library.ts';
import { inspectModel } from '../engine/inspection/inspect-model.ts';
import type { StoreApi } from '../rpc/contracts.ts';
import { serveByteSource } from '../rpc/byte-source-channel.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';

const shape = { width: 256, layers: 4, heads: 4, kvHeads: 4, feedForward: 1024 } as const;
const model = syntheticLlama({
  ...shape,
  vocabularySize: 2000,
  contextLength: 1024,
  type: 'Q8_0',
});
const budgetBytes = 1e9;
const files = (): string[] => partNames('big', 2);

let server: ModelServer;
let device: Device;
let store: WorkerOwner<StoreApi>;

beforeEach(async () => {
  server = await startModelServer();
  server.serve('/m.gguf', { bytes: model });
  device = new Device();
  store = storeOwner(device.open({ hubUrl: server.origin }));
});

afterEach(async () => {
  store.terminate();
  await device.close();
  await server.close();
});

describe('looking into a model elsewhere', () => {
  test('fetches its header and not its weights', async () => {
    const inspector = modelInspector(store, budgetBytes);
    const report = await inspector.inspect({ kind: 'url', url: server.url('/m.gguf') });
    expect(report).toMatchObject({
      architecture: 'llama',
      contextLength: 1024,
      sizeBytes: model.length,
      budgetBytes,
      problems: [],
      files: [{ fileName: 'm.gguf', bytes: model.length }],
    });
    expect(server.bytesServed('/m.gguf')).toBeLessThan(600_000);
    expect(model.length).toBeGreaterThan(4_000_000);
    expect(await device.store.list()).toEqual([]);
  });

  test('from a server without ranges reads no further than the header', async () => {
    server.serve('/m.gguf', { bytes: model, script: () => ({ kind: 'no-ranges' }) });
    const report = await modelInspector(store, budgetBytes).inspect({
      kind: 'url',
      url: server.url('/m.gguf'),
    });
    expect(report.problems).toEqual([]);
    expect(server.requests).toHaveLength(1);
  });

  test('reads all files of a divided model', async () => {
    const parts = await splitModel(model, 2);
    files().forEach((name, i) => server.serve(`/${name}`, { bytes: parts[i] ?? model }));
    const report = await modelInspector(store, budgetBytes).inspect({
      kind: 'url',
      url: server.url(`/${files()[1] ?? ''}`),
    });
    expect(report).toMatchObject({ parts: 2, problems: [] });
    expect(report.files.map(({ fileName }) => fileName)).toEqual(files());
  });

  test('reads a file of this device', async () => {
    // Node cannot send a File through a port as browsers do, so the store worker is left out.
    const file = new File([model], 'm.gguf');
    const [library] = device.libraries as [ModelLibrary];
    const { source } = await library.openRemote({ kind: 'file', file });
    const inspection = await inspectModel(source);
    expect(inspection).toMatchObject({ architecture: 'llama', sizeBytes: model.length });
  });

  test('reads an installed model', async () => {
    const id = await store.use((remote) => remote.add({ kind: 'url', url: server.url('/m.gguf') }));
    await settled(device.libraries[0] as ModelLibrary, id);
    const inspector = modelInspector(store, budgetBytes, async (wanted) => {
      const { port1, port2 } = new MessageChannel();
      const source = await device.store.open(wanted);
      serveByteSource(port1, source, () => {
        source.close();
      });
      return { kind: 'port', port: port2, size: source.size, partSizes: [] };
    });
    expect(await inspector.inspect({ kind: 'installed', id })).toMatchObject({
      architecture: 'llama',
      files: [],
    });
  });

  test.each([
    ['a page', { kind: 'html' }, 'model-file/not-gguf'],
    ['nothing', { kind: 'status', status: 404 }, 'download/not-found'],
    ['a refusal', { kind: 'status', status: 403 }, 'download/access-denied'],
    ['an answer that breaks off', { kind: 'cut', afterBytes: 5000 }, 'download/network'],
    [
      'another part than asked',
      { kind: 'wrong-content-range', shiftBytes: 9 },
      'download/bad-range',
    ],
  ] as const)('where there is %s says so', async (_name, behaviour, code) => {
    server.serve('/m.gguf', { bytes: model, script: () => behaviour });
    const looking = modelInspector(store, budgetBytes).inspect({
      kind: 'url',
      url: server.url('/m.gguf'),
    });
    await expect(looking).rejects.toSatisfy((error) => hasCode(error, code));
  });

  test('can be stopped', async () => {
    server.serve('/m.gguf', { bytes: model, script: () => ({ kind: 'stall', afterBytes: 10 }) });
    const controller = new AbortController();
    const looking = modelInspector(store, budgetBytes).inspect(
      { kind: 'url', url: server.url('/m.gguf') },
      controller.signal,
    );
    controller.abort();
    await expect(looking).rejects.toSatisfy((error) => hasCode(error, 'aborted'));
  });
});

describe('a download of a model that cannot be used', () => {
  const library = (budget: number): ModelLibrary =>
    device.open({
      readHeader: (source) => {
        const { port1, port2 } = new MessageChannel();
        serveByteSource(port1, source);
        const { size, partSizes = [] } = source;
        return headerSandbox(budget).refuseUnusable({ size, partSizes }, port2);
      },
    });

  test('ends after its header when the model is too large for memory', async () => {
    const here = library(5_000_000);
    const id = await here.add({ kind: 'url', url: server.url('/m.gguf') });
    const entry = await settled(here, id);
    expect(errorOf(entry)).toBe('engine/out-of-memory');
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('ends after its header when a divided model is too large for memory', async () => {
    const parts = await splitModel(model, 2);
    files().forEach((name, i) => server.serve(`/${name}`, { bytes: parts[i] ?? model }));
    const here = library(5_000_000);
    const id = await here.add({ kind: 'url', url: server.url(`/${files()[0] ?? ''}`) });
    expect(errorOf(await settled(here, id))).toBe('engine/out-of-memory');
    const served = files().reduce((sum, name) => sum + server.bytesServed(`/${name}`), 0);
    expect(served).toBeLessThan(1_200_000);
  });

  test('is complete and described when it can be used', async () => {
    const here = library(budgetBytes);
    const id = await here.add({ kind: 'url', url: server.url('/m.gguf') });
    expect(await settled(here, id)).toMatchObject({
      state: { kind: 'ready' },
      facts: { architecture: 'llama', quantization: 'Q8_0', contextLength: 1024 },
    });
    expect(server.bytesServed('/m.gguf')).toBe(model.length);
  });
});
