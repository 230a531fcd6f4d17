import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Device, sha256Of } from '../../test/fixtures/library-device.ts';
import { makerOver } from '../../test/fixtures/model-maker.ts';
import {
  fixtureModel,
  folderFiles,
  safetensorsFolder,
} from '../../test/fixtures/safetensors-folder.ts';
import { fixtureModels } from '../../test/fixtures/shared-models.ts';
import { startModelServer } from '../../test/fixtures/model-server.ts';
import { storeOwner } from '../../test/fixtures/store-worker.ts';
import { syntheticLlama } from '../../test/fixtures/synthetic-llama.ts';
import { tinyLlama } from '../../test/fixtures/tiny-llama.ts';
import { BufferByteSource } from '../common/byte-source.ts';
import { kernelBuildTimeoutMs } from '../../test/fixtures/wasm-backend.ts';
import { buildWasm } from '../../wasm/build.mjs';
import { AppError } from '../common/errors.ts';
import { ObservableValue } from '../common/observable.ts';
import type { ModelLibrary } from '../download/model-library.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import { readGguf } from '../engine/formats/gguf/reader.ts';
import { quantizer } from '../engine/formats/quants/registry.ts';
import { convertFolder } from '../engine/conversion/converted-model.ts';
import type { StoreApi } from '../rpc/contracts.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import { hubFolder, localFolder } from './model-folders.ts';
import type { MakingState, ModelMaker } from './model-maker.ts';

let device: Device;
let library: ModelLibrary;
let maker: ModelMaker;
let store: WorkerOwner<StoreApi>;
let entries: ObservableValue<readonly LibraryEntry[]>;
const closers: (() => void)[] = [];

async function open(): Promise<void> {
  library = device.open();
  store = storeOwner(library);
  entries = new ObservableValue(await library.list());
  library.observe((now) => {
    entries.set(now);
  });
  maker = makerOver(device.store, store, () => entries);
  closers.push(() => {
    store.terminate();
  });
}

async function install(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const id = await library.add({ kind: 'file', file: new File([bytes], name) });
  await readyEntry(id);
  return id;
}

function readyEntry(id: string): Promise<LibraryEntry> {
  return new Promise((resolve) => {
    const check = (now: readonly LibraryEntry[]): void => {
      const entry = now.find((one) => one.id === id && one.state.kind === 'ready');
      if (entry !== undefined) resolve(entry);
    };
    closers.push(entries.subscribe(check));
    check(entries.value);
  });
}

/** A model with a vocabulary. */
const spelled = (): Uint8Array<ArrayBuffer> =>
  syntheticLlama({
    width: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    feedForward: 128,
    vocabularySize: 512,
    contextLength: 512,
    type: 'Q8_0',
  });

/** Several blocks of the store, so that what is stored piece by piece is seen. */
const model = (): Uint8Array<ArrayBuffer> =>
  tinyLlama({ tensors: { 'token_embd.weight': [64, 4096] }, metadata: vocabulary });
const vocabulary = { 'llama.vocab_size': { type: 'u32', value: 4096 } } as const;

beforeAll(async () => {
  await buildWasm();
}, kernelBuildTimeoutMs);
beforeEach(async () => {
  device = new Device();
  await open();
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await device.close();
});

describe('making a smaller model', () => {
  it('stores a model that says where it came from and can be opened', async () => {
    const id = await install('Tiny-F32.gguf', model());
    const seen: MakingState[] = [];
    const { id: made, report } = await maker.make(id, {
      recipe: 'Q8_0',
      onProgress: (state) => seen.push(state),
    });
    const entry = await readyEntry(made);
    expect(entry).toMatchObject({
      name: 'Tiny Q8_0',
      fileName: 'Tiny-Q8_0.gguf',
      origin: { kind: 'made', madeFrom: { name: 'Tiny-F32', recipe: 'Q8_0' } },
    });
    expect(report.tensors.length).toBe(15);
    expect(report.tensors.every(({ to, error }) => to === 'Q8_0' && error < 0.01)).toBe(true);
    expect(seen.map(({ phase }) => phase)).toContain('measuring');
    expect(seen.at(-1)).toMatchObject({ phase: 'writing', fraction: 1, modelId: made });
    expect(maker.job.value).toBeNull();
    const source = await device.store.open(made);
    const file = await readGguf(source);
    expect(file.tensors.get('blk.0.attn_q.weight')?.type).toBe('Q8_0');
    expect(source.size).toBe(report.sizeBytes);
    const last = [...file.tensors.values()].at(-1);
    if (last === undefined) throw new Error('no tensors');
    const written = await source.read(last.offsetBytes, last.sizeBytes);
    const before = await readGguf(new BufferByteSource(model()));
    const at = before.tensors.get(last.name)?.offsetBytes ?? 0;
    const values = new Float32Array(model().buffer, at, last.elements);
    const expected = new Uint8Array(last.sizeBytes);
    quantizer('Q8_0')(values, expected);
    expect(Buffer.from(expected).equals(written)).toBe(true);
    source.close();
  });

  it('can be told on a text first which weights matter', async () => {
    const id = await install('Tiny-F32.gguf', spelled());
    const phases = new Set<string>();
    const { id: made } = await maker.make(id, {
      recipe: 'Q4_0',
      calibration: true,
      onProgress: ({ phase }) => phases.add(phase),
    });
    expect([...phases]).toEqual(['calibrating', 'measuring', 'writing']);
    const source = await device.store.open(made);
    const { metadata } = await readGguf(source);
    expect(metadata.getString('hermit.quantise.calibration')).toMatch(
      /^built-in text, \d+ tokens$/,
    );
    source.close();
    device.clock.time += 1000;
    const own = await maker.make(id, { recipe: 'Q4_0', calibration: 'words of my own' });
    expect(own.report.tensors.length).toBeGreaterThan(0);
    const wrong = maker.make(id, { recipe: 'Q4_0', calibration: new Blob(['GGUF nonsense']) });
    await expect(wrong).rejects.toMatchObject({
      code: expect.stringMatching(/^model-file/) as string,
    });
  });

  it('can be done twice, which shares the bytes', async () => {
    const id = await install('Tiny-F32.gguf', model());
    const first = await maker.make(id, { recipe: 'Q4_0' });
    device.clock.time += 1000;
    const second = await maker.make(id, { recipe: 'Q4_0' });
    expect(second.id).not.toBe(first.id);
    const [a, b] = await Promise.all([readyEntry(first.id), readyEntry(second.id)]);
    expect(a.sha256).toBe(b.sha256);
  });

  it('tells what each recipe would give, and that a small model cannot become smaller', async () => {
    const id = await install('Tiny-F32.gguf', model());
    const recipes = await maker.estimate(id);
    expect(recipes[0]?.recipe).toBe('Q8_0');
    expect(recipes.map(({ sizeBytes }) => sizeBytes)).toEqual(
      recipes.map(({ sizeBytes }) => sizeBytes).sort((x, y) => y - x),
    );
    const made = await maker.make(id, { recipe: 'Q8_0' });
    expect(made.report.sizeBytes).toBe(recipes[0]?.sizeBytes);
    const small = await install('small.gguf', tinyLlama({ type: 'Q4_0' }));
    expect(await maker.estimate(small)).toEqual([]);
  });

  it('leaves nothing behind when it is stopped', async () => {
    const id = await install('Tiny-F32.gguf', model());
    const controller = new AbortController();
    const making = maker.make(id, {
      recipe: 'Q8_0',
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === 'writing') controller.abort();
      },
    });
    await expect(making).rejects.toMatchObject({ code: 'aborted' });
    expect(maker.job.value).toBeNull();
    await until(async () => (await library.list()).length === 1);
    expect((await device.chunks.contents()).length).toBe(1);
  });

  it('tells of a full disk and keeps nothing of what was made', async () => {
    const id = await install('Tiny-F32.gguf', model());
    const full = new AppError('store/quota', 'The disk is full.');
    device.chunks.plan = ({ operation, index }) =>
      operation === 'put' && index === 1 ? { kind: 'throw', error: full } : null;
    await expect(maker.make(id, { recipe: 'Q8_0' })).rejects.toMatchObject({ code: 'store/quota' });
    await until(async () => (await library.list()).length === 1);
  });

  it('stops with the reason when the source is damaged', async () => {
    const id = await install('Tiny-F32.gguf', model());
    device.chunks.plan = ({ operation, index }) =>
      operation === 'get' && index === 2 ? { kind: 'flip-bit', byte: 7 } : null;
    // a fresh tab: blocks are compared at their first read
    for (const close of closers.splice(0)) close();
    await device.crash();
    await open();
    await expect(maker.make(id, { recipe: 'Q8_0' })).rejects.toMatchObject({
      code: 'store/damaged',
    });
  });

  it('is forgotten when the tab dies in the middle', async () => {
    const id = await install('Tiny-F32.gguf', model());
    const dying = new Promise<void>((resolve) => {
      void maker
        .make(id, {
          recipe: 'Q8_0',
          onProgress: ({ phase, modelId }) => {
            if (phase === 'writing' && modelId !== null) resolve();
          },
        })
        .catch(() => undefined);
    });
    await dying;
    const again = await device.crash();
    const names = (await again.list()).map(({ name }) => name);
    expect(names).toEqual(['Tiny-F32']);
  });

  it('gives any model back as a file', async () => {
    const bytes = model();
    const id = await install('Tiny-F32.gguf', bytes);
    const [file] = await library.exportFiles(id);
    if (file === undefined) throw new Error('no file');
    expect(file.name).toBe('Tiny-F32.gguf');
    expect(sha256Of(new Uint8Array(await file.arrayBuffer()))).toBe(sha256Of(bytes));
    device.chunks.plan = ({ operation, index }) =>
      operation === 'get' && index === 1 ? { kind: 'flip-bit', byte: 3 } : null;
    await expect(library.exportFiles(id)).rejects.toMatchObject({ code: 'store/damaged' });
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a folder of safetensors', () => {
  it.skipIf(fixtureModels === null).each([null, 'Q8_0'] as const)(
    'becomes an installed model, recipe: %o',
    async (recipe) => {
      const fixture = await fixtureModel('llama.F32');
      const files = (await folderFiles(fixture)).map(({ name, bytes }) => ({
        path: name,
        file: new File([bytes], name),
      }));
      const states: MakingState[] = [];
      const made = await maker.convert(localFolder(files, 'Tiny'), {
        recipe,
        onProgress: (state) => states.push(state),
      });
      const entry = await readyEntry(made.id);
      expect(entry.name).toBe(recipe === null ? 'Tiny' : 'Tiny Q8_0');
      expect(states.at(-1)).toMatchObject({ from: 'Tiny', recipe });
      const stored = await device.store.open(made.id);
      const { tensors } = await readGguf(stored);
      stored.close();
      const type = tensors.get('blk.0.ffn_up.weight')?.type;
      expect(type).toBe(recipe ?? 'F32');
      expect(maker.job.value).toBeNull();
    },
  );

  it.skipIf(fixtureModels === null)('is read out of a repository, and waits for it', async () => {
    const commit = 'c'.repeat(40);
    const folder = await folderFiles(await fixtureModel('llama.F32'));
    const server = await startModelServer();
    closers.push(() => void server.close());
    const api = '/api/models/owner/tiny';
    const sizes = folder.map(({ name, bytes }) => ({ name, size: bytes.length }));
    const more = [
      { name: 'README.md', size: 4 },
      { name: 'onnx/model.safetensors', size: 4 },
    ];
    server.serveJson(`${api}/revision/main`, { sha: commit, cardData: { license: 'mit' } });
    server.serveJson(
      `${api}/tree/${commit}`,
      [...sizes, ...more].map(({ name, size }) => ({ type: 'file', path: name, size })),
    );
    server.serveJson(`${api}/revision/${commit}`, {
      sha: commit,
      siblings: sizes.map(({ name, size }) => ({ rfilename: name, size })),
    });
    for (const { name, bytes } of folder) {
      server.serve(`/owner/tiny/resolve/${commit}/${name}`, {
        bytes,
        // the network goes when the weights are opened for the second time
        script: ({ count }) =>
          name.endsWith('.safetensors') && count === 1 ? { kind: 'reset' } : { kind: 'normal' },
      });
    }
    library.useHub(server.origin);
    const source = await hubFolder(store, 'owner/tiny');
    const made = await maker.convert(source, { recipe: null });
    const entry = await readyEntry(made.id);
    expect(entry).toMatchObject({ name: 'tiny', licence: 'mit' });
    const stored = await device.store.open(made.id);
    const written = await stored.read(0, stored.size);
    stored.close();
    const expected = await convertFolder({
      ...(await safetensorsFolder(await fixtureModel('llama.F32'))),
      name: 'tiny',
    });
    expect(sha256Of(written)).toBe(sha256Of(await expected.read(0, expected.size)));
    const paths = server.requests.map(({ path }) => path);
    expect(paths.filter((path) => /README|onnx/.test(path))).toEqual([]);
    const [weights] = folder.filter(({ name }) => name.endsWith('.safetensors'));
    expect(paths.filter((path) => path.endsWith(weights?.name ?? '')).length).toBeGreaterThan(2);
  });

  it('says which file is missing, and leaves nothing behind', async () => {
    const before = (await library.list()).length;
    const files = ['config.json', 'model.safetensors'].map((path) => ({
      path,
      file: new File(['{}'], path),
    }));
    await expect(maker.convert(localFolder(files), { recipe: null })).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { fileName: 'tokenizer.json' },
    });
    expect(await library.list()).toHaveLength(before);
  });
});
