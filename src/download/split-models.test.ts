/** Models in several files, from a server, the hub and this device, through all that can go wrong. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  blockBytes,
  Device,
  errorOf,
  modelBytes,
  readAll,
  settled,
  sha256Of,
  until,
} from '../../test/fixtures/library-device.ts';
import { startModelServer, type ModelServer } from '../../test/fixtures/model-server.ts';
import { partNames } from '../../test/fixtures/split-model.ts';
import { AppError, hasCode } from '../common/errors.ts';
import type { LibraryEntry } from './library-entry.ts';
import type { HeaderReader } from './model-preparation.ts';

const names = partNames('big', 3) as [string, string, string];
const parts = [5 * blockBytes + 9, 3 * blockBytes, 77].map((length, i) =>
  modelBytes(length, i + 1),
);
const whole = Buffer.concat(parts);

let server: ModelServer;
let device: Device;

beforeEach(async () => {
  server = await startModelServer();
  device = new Device();
  names.forEach((name, i) => server.serve(`/m/${name}`, { bytes: parts[i] ?? whole }));
});

afterEach(async () => {
  await device.close();
  await server.close();
});

const url = (part: number): string => server.url(`/m/${names[part] ?? ''}`);
const served = (): number => names.reduce((sum, name) => sum + server.bytesServed(`/m/${name}`), 0);
const localFiles = (): File[] =>
  parts.map((bytes, i) => new File([bytes], names[i] ?? '', { lastModified: 5 }));

describe('a model in several files', () => {
  test.each([0, 2])('is found whole by the address of file %i', async (part) => {
    const library = device.open();
    const seen: LibraryEntry[][] = [];
    library.observe((entries) => seen.push(entries));
    const id = await library.add({ kind: 'url', url: url(part) });
    const entry = await settled(library, id);
    expect(entry).toMatchObject({
      id: 'big',
      name: 'big',
      state: { kind: 'ready' },
      bytesTotal: whole.length,
      verified: 'computed',
      sha256: null,
    });
    expect(entry.files).toEqual(
      parts.map((bytes, i) => ({
        fileName: names[i],
        bytes: bytes.length,
        sha256: sha256Of(bytes),
      })),
    );
    expect((await readAll(device.store, id)).equals(whole)).toBe(true);
    // One model with one progress, at any time.
    expect(seen.every((entries) => entries.length <= 1)).toBe(true);
    const amounts = seen.flatMap(([now]) =>
      now?.state.kind === 'downloading' ? [now.state.bytesDone] : [],
    );
    expect(amounts).toEqual(amounts.toSorted((a, b) => a - b));
    expect(amounts.at(-1)).toBeGreaterThan(parts[0]?.length ?? 0);
    expect(await library.add({ kind: 'url', url: url(1) })).toBe(id);
    expect(await library.list()).toHaveLength(1);
  });

  test('of the hub is read from one commit and checked against every published hash', async () => {
    const commit = 'a'.repeat(40);
    const answer = {
      sha: commit,
      cardData: { license: 'mit' },
      siblings: names.map((name, i) => ({
        rfilename: `q/${name}`,
        lfs: { size: parts[i]?.length, sha256: sha256Of(parts[i] ?? whole) },
      })),
    };
    server.serveJson('/api/models/o/r/revision/main', answer);
    server.serveJson(`/api/models/o/r/revision/${commit}`, answer);
    names.forEach((name, i) => {
      server.serve(`/o/r/resolve/${commit}/q/${name}`, { bytes: parts[i] ?? whole });
    });
    const library = device.open({ hubUrl: server.origin });
    const request = { kind: 'hub', repository: 'o/r', file: `q/${names[1]}` } as const;
    const entry = await settled(library, await library.add(request));
    expect(entry).toMatchObject({
      verified: 'published-hash',
      licence: 'mit',
      state: { kind: 'ready' },
    });
    expect((await readAll(device.store, entry.id)).equals(whole)).toBe(true);
    const asked = server.requests.filter(({ path }) => path.endsWith('/revision/main'));
    expect(asked).toHaveLength(1);
  });

  test('of this device is chosen in any order, and not with a file missing', async () => {
    const library = device.open();
    const [a, b, c] = localFiles() as [File, File, File];
    await expect(library.add({ kind: 'file', file: a, more: [c] })).rejects.toThrow(names[1]);
    await expect(library.add({ kind: 'file', file: b })).rejects.toSatisfy((error) =>
      hasCode(error, 'model-file/in-parts'),
    );
    expect(await library.list()).toEqual([]);
    const id = await library.add({ kind: 'file', file: c, more: [a, b] });
    expect((await settled(library, id)).state.kind).toBe('ready');
    expect((await readAll(device.store, id)).equals(whole)).toBe(true);
  });

  test('one file missing on the server is named, and nothing of the others is fetched', async () => {
    server.serve(`/m/${names[1]}`, { script: () => ({ kind: 'status', status: 404 }) });
    const readHeader: HeaderReader = () => Promise.reject(new Error('There is nothing to read'));
    const library = device.open({ readHeader });
    const entry = await settled(library, await library.add({ kind: 'url', url: url(0) }));
    expect(entry.state.kind).toBe('failed');
    expect(errorOf(entry)).toBe('model-file/in-parts');
    expect(entry.state).toMatchObject({ error: { details: { parts: 3, missing: [names[1]] } } });
    expect((await device.store.get(entry.id)).bytesStored).toBe(0);
  });

  test('goes on after a crash without fetching a stored byte again', async () => {
    let crash = (): void => undefined;
    const crashed = new Promise<void>((resolve) => {
      crash = resolve;
    });
    // The second file stops in its second block.
    server.serve(`/m/${names[1]}`, {
      bytes: parts[1] ?? whole,
      script: ({ count }) => {
        // The first request is the look at its header.
        if (count !== 1) return { kind: 'normal' };
        crash();
        return { kind: 'stall', afterBytes: blockBytes + 10 };
      },
    });
    const first = device.open();
    const id = await first.add({ kind: 'url', url: url(0) });
    await crashed;
    const stored = (parts[0]?.length ?? 0) + blockBytes;
    await until(first, id, (entry) => {
      const state = entry?.state;
      return state?.kind === 'downloading' && state.bytesDone >= stored;
    });
    const library = await device.crash();
    const [resting] = await library.list();
    expect(resting?.state).toMatchObject({ kind: 'paused', reason: 'interrupted' });
    const requests = server.requests.length;
    await library.resume(id);
    expect((await settled(library, id)).state.kind).toBe('ready');
    expect((await readAll(device.store, id)).equals(whole)).toBe(true);
    const again = server.requests.slice(requests).map(({ path, start }) => [path, start]);
    expect(again[0]).toEqual([`/m/${names[1]}`, blockBytes]);
    expect(again.some(([path]) => path === `/m/${names[0]}`)).toBe(false);
  });

  test('can be paused in a file and continued', async () => {
    server.serve(`/m/${names[1]}`, {
      bytes: parts[1] ?? whole,
      script: ({ count }) => (count === 1 ? { kind: 'stall', afterBytes: 10 } : { kind: 'normal' }),
    });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: url(0) });
    await until(library, id, (entry) => {
      const state = entry?.state;
      return state?.kind === 'downloading' && state.bytesDone > (parts[0]?.length ?? 0);
    });
    await library.pause(id);
    expect((await library.list())[0]?.state).toMatchObject({ kind: 'paused', reason: 'user' });
    await library.resume(id);
    expect((await settled(library, id)).state.kind).toBe('ready');
  });

  test('is damaged when one file is, and only the block is fetched again', async () => {
    const library = device.open();
    const id = await library.add({ kind: 'url', url: url(0) });
    await settled(library, id);
    const { contentId } = await device.store.get('big#2');
    device.chunks.plan = (call) =>
      call.operation === 'get' && call.contentId === contentId && call.index === 1
        ? { kind: 'flip-bit', byte: 3 }
        : null;
    await expect(readAll(device.store, id)).rejects.toSatisfy((error) =>
      hasCode(error, 'store/damaged'),
    );
    await library.verify(id);
    expect((await library.list())[0]?.state.kind).toBe('damaged');
    device.chunks.plan = () => null;
    const before = served();
    await library.resume(id);
    expect((await settled(library, id)).state.kind).toBe('ready');
    expect(served() - before).toBe(blockBytes);
    expect((await readAll(device.store, id)).equals(whole)).toBe(true);
    await library.verify(id);
    expect((await library.list())[0]?.state.kind).toBe('ready');
  });

  test('is removed whole, but not a file that another model needs', async () => {
    server.serve('/m/alone.gguf', { bytes: parts[1] ?? whole });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: url(0) });
    await settled(library, id);
    const alone = await library.add({ kind: 'url', url: server.url('/m/alone.gguf') });
    await settled(library, alone);
    expect(await device.chunks.contents()).toHaveLength(3);
    const open = await device.store.open(id);
    await expect(library.remove(id)).rejects.toSatisfy((error) => hasCode(error, 'store/in-use'));
    open.close();
    await library.remove(id);
    expect((await library.list()).map((entry) => entry.id)).toEqual([alone]);
    expect(await device.chunks.contents()).toHaveLength(1);
    expect((await readAll(device.store, alone)).equals(Buffer.from(parts[1] ?? whole))).toBe(true);
  });

  test('that lost a file says so, and adding it again fetches that file alone', async () => {
    const library = device.open();
    const id = await library.add({ kind: 'url', url: url(0) });
    await settled(library, id);
    await device.store.remove('big#2');
    const [entry] = await library.list();
    expect(entry?.state.kind).toBe('damaged');
    await expect(device.store.open(id)).rejects.toThrow('Add the model again');
    const before = server.bytesServed(`/m/${names[0]}`);
    expect(await library.add({ kind: 'url', url: url(0) })).toBe(id);
    await until(library, id, (now) => now?.state.kind === 'ready');
    expect((await readAll(device.store, id)).equals(whole)).toBe(true);
    expect(server.bytesServed(`/m/${names[0]}`)).toBe(before);
  });

  test('is refused by its headers before any file is stored', async () => {
    const sizes: (readonly number[])[] = [];
    const library = device.open({
      readHeader: async (source) => {
        sizes.push(source.partSizes ?? []);
        await source.read(0, 100);
        throw new AppError('engine/out-of-memory', 'Too large.');
      },
    });
    const entry = await settled(library, await library.add({ kind: 'url', url: url(0) }));
    expect(errorOf(entry)).toBe('engine/out-of-memory');
    expect(sizes).toEqual([parts.map(({ length }) => length)]);
    expect(await device.chunks.contents()).toEqual([]);
  });
});

describe('the header of a model in one file', () => {
  const bytes = modelBytes(40 * blockBytes);

  async function addWith(readHeader: HeaderReader): Promise<LibraryEntry> {
    server.serve('/one.gguf', { bytes });
    const library = device.open({ readHeader });
    return settled(library, await library.add({ kind: 'url', url: server.url('/one.gguf') }));
  }

  test('is read while it arrives, and what it says is noted', async () => {
    const entry = await addWith(async (source) => {
      const read = await source.read(7, 3 * blockBytes);
      expect(Buffer.from(read).equals(bytes.subarray(7, 7 + 3 * blockBytes))).toBe(true);
      expect(source.size).toBe(bytes.length);
      return { architecture: 'llama', parameters: '1M', quantization: 'F32', contextLength: 64 };
    });
    expect(entry).toMatchObject({ state: { kind: 'ready' }, facts: { architecture: 'llama' } });
    expect(server.bytesServed('/one.gguf')).toBe(bytes.length);
  });

  test('refuses the model while the rest is still on its way', async () => {
    const entry = await addWith(async (source) => {
      await source.read(0, 100);
      throw new AppError('model-file/unsupported-architecture', 'Never heard of it.');
    });
    expect(errorOf(entry)).toBe('model-file/unsupported-architecture');
    expect(server.bytesServed('/one.gguf')).toBeLessThan(bytes.length);
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('that cannot be looked at refuses nothing', async () => {
    const entry = await addWith(() => Promise.reject(new Error('The sandbox did not start')));
    expect(entry.state.kind).toBe('ready');
  });

  test('survives a connection that breaks in the middle of it', async () => {
    server.serve('/one.gguf', {
      bytes,
      script: ({ count }) =>
        count === 0 ? { kind: 'cut', afterBytes: blockBytes + 5 } : { kind: 'normal' },
    });
    const library = device.open({
      readHeader: async (source) => {
        const read = await source.read(0, 2 * blockBytes);
        expect(Buffer.from(read).equals(bytes.subarray(0, 2 * blockBytes))).toBe(true);
        throw new AppError('model-file/malformed', 'Broken.');
      },
    });
    const id = await library.add({ kind: 'url', url: server.url('/one.gguf') });
    expect(errorOf(await settled(library, id))).toBe('model-file/malformed');
  });
});
