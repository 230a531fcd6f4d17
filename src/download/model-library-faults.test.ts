import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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
import { hasCode } from '../common/errors.ts';
import { toStoreError } from '../store/store-errors.ts';
import type { ModelLibrary } from './model-library.ts';

const length = 12 * blockBytes + 10;
const bytes = modelBytes(length);

let server: ModelServer;
let device: Device;

beforeEach(async () => {
  server = await startModelServer();
  device = new Device();
});

afterEach(async () => {
  await device.close();
  await server.close();
});

/** Serves the file so that only its first `upTo` bytes arrive; the rest is held back. */
function holdBack(upTo: number): void {
  server.serve('/m.gguf', {
    bytes,
    script: ({ start, range }) => {
      const last = Number(/-(\d+)$/u.exec(range ?? '')?.[1]);
      return last < upTo ? { kind: 'normal' } : { kind: 'stall', afterBytes: upTo - start };
    },
  });
}

/** A library whose download has got `upTo` bytes and gets no more. */
async function halfway(upTo: number): Promise<{ library: ModelLibrary; id: string }> {
  holdBack(upTo);
  const library = device.open();
  const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
  await until(
    library,
    id,
    (entry) => entry?.state.kind === 'downloading' && entry.state.bytesDone === upTo,
  );
  return { library, id };
}

async function expectEqual(id: string, wanted: Uint8Array = bytes): Promise<void> {
  expect((await readAll(device.store, id)).equals(wanted)).toBe(true);
}

describe('stopping and going on', () => {
  test('a crash is found as interrupted, and at most a block is fetched again', async () => {
    const reached = 6 * blockBytes + 1000;
    const { id } = await halfway(reached);
    const library = await device.crash();
    const entry = await settled(library, id);
    expect(entry.state).toMatchObject({ kind: 'paused', reason: 'interrupted' });
    await expect(device.store.open(id)).rejects.toSatisfy((error) =>
      hasCode(error, 'store/not-ready'),
    );
    const before = server.requests.length;
    server.serve('/m.gguf', { bytes });
    await library.resume(id);
    await until(library, id, (now) => now?.state.kind === 'ready');
    expect(reached - (server.requests[before]?.start ?? 0)).toBeLessThanOrEqual(blockBytes);
    await expectEqual(id);
  });

  test('twelve crashes waste at most a block each', async () => {
    let id = '';
    let waste = 0;
    let reached = 0;
    for (let crash = 0; crash < 12; crash++) {
      const before = server.requests.length;
      const goal = Math.floor(((crash + 1) * length) / 13);
      holdBack(goal);
      const library = crash === 0 ? device.open() : (device.libraries[0] as ModelLibrary);
      if (crash === 0) id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
      else await library.resume(id);
      await until(
        library,
        id,
        (entry) => entry?.state.kind === 'downloading' && entry.state.bytesDone === goal,
      );
      waste += reached - (server.requests[before]?.start ?? 0);
      reached = goal;
      await device.crash();
    }
    expect(waste).toBeLessThanOrEqual(12 * blockBytes);
    server.serve('/m.gguf', { bytes });
    const library = device.libraries[0] as ModelLibrary;
    await library.resume(id);
    await until(library, id, (entry) => entry?.state.kind === 'ready');
    await expectEqual(id);
  });

  test('a kill between the last block and ready needs no network', async () => {
    server.serve('/m.gguf', { bytes });
    // Everything is stored, then the manifest refuses to say so: the tab dies before the last step.
    const change = device.manifest.change.bind(device.manifest);
    let dead = false;
    device.manifest.change = async (edit) => {
      const tables = await device.manifest.read();
      dead ||= [...tables.contents.values()].some((content) => content.state === 'verifying');
      if (dead) throw toStoreError(new DOMException('The tab died', 'InvalidStateError'));
      return change(edit);
    };
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const first = device.open();
    const id = await first.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(first, id);
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
    device.manifest.change = change;
    dead = false;
    const requests = server.requests.length;
    const library = await device.crash();
    await until(library, id, (entry) => entry?.state.kind === 'ready');
    expect(server.requests.length).toBe(requests);
    await expectEqual(id);
  });

  test('pause and resume', async () => {
    const { library, id } = await halfway(5 * blockBytes);
    await library.pause(id);
    const [entry] = await library.list();
    expect(entry?.state).toMatchObject({
      kind: 'paused',
      reason: 'user',
      bytesDone: 5 * blockBytes,
      bytesTotal: length,
    });
    server.serve('/m.gguf', { bytes });
    await library.resume(id);
    await until(library, id, (now) => now?.state.kind === 'ready');
    await expectEqual(id);
  });

  test('a pause outlives the page', async () => {
    const { library, id } = await halfway(5 * blockBytes);
    await library.pause(id);
    const entry = await settled(await device.crash(), id);
    expect(entry.state).toMatchObject({ kind: 'paused', reason: 'user' });
  });

  test('cancel gives everything back', async () => {
    const { library, id } = await halfway(5 * blockBytes);
    await library.cancel(id);
    expect(await library.list()).toEqual([]);
    expect(await device.chunks.contents()).toEqual([]);
    expect(await library.usage()).toMatchObject({ modelBytes: 0, kept: false });
  });
});

describe('two tabs', () => {
  test('the second shows and takes over what the first was doing', async () => {
    const { library: first, id } = await halfway(5 * blockBytes);
    const second = device.open();
    // The first counts the block that is on its way to the disk, the second what is written down.
    await until(
      second,
      id,
      (entry) => entry?.state.kind === 'waiting' && entry.state.bytesDone === 5 * blockBytes,
    );
    server.serve('/m.gguf', { bytes });
    const requests = server.requests.length;
    // The lock goes with the first tab; nobody asks the second to go on.
    await first.close();
    await until(second, id, (entry) => entry?.state.kind === 'ready');
    expect(server.requests[requests]?.start).toBe(5 * blockBytes);
    await expectEqual(id);
  });

  test('adding the same in both is one download', async () => {
    server.serve('/m.gguf', { bytes });
    const tabs = [device.open(), device.open()];
    const request = { kind: 'url', url: server.url('/m.gguf') } as const;
    const ids = await Promise.all(tabs.map((tab) => tab.add(request)));
    expect(ids[0]).toBe(ids[1]);
    await Promise.all(
      tabs.map((tab) => until(tab, ids[0] ?? '', (entry) => entry?.state.kind === 'ready')),
    );
    expect(server.bytesServed('/m.gguf')).toBe(length);
  });
});

describe('storage that fails', () => {
  test('a full disk pauses with numbers and deletes nothing', async () => {
    server.serve('/m.gguf', { bytes });
    const quota = toStoreError(new DOMException('Full', 'QuotaExceededError'));
    device.chunks.plan = ({ operation, index }) =>
      operation === 'put' && index === 4 ? { kind: 'throw', error: quota } : null;
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    const entry = await settled(library, id);
    const stored = 3.5 * blockBytes;
    expect(entry.state).toMatchObject({
      kind: 'paused',
      reason: 'quota',
      bytesDone: stored,
      error: { code: 'store/quota', details: { bytesStored: stored, bytesNeeded: length } },
    });
    device.chunks.plan = () => null;
    const requests = server.requests.length;
    await library.resume(id);
    await until(library, id, (now) => now?.state.kind === 'ready');
    expect(server.requests[requests]?.start).toBe(stored);
    await expectEqual(id);
  });

  test('a block that was written but not acknowledged is no loss', async () => {
    server.serve('/m.gguf', { bytes });
    const lost = toStoreError(new DOMException('Connection lost', 'UnknownError'));
    device.chunks.plan = ({ count, operation }) =>
      operation === 'put' && count === 3 ? { kind: 'throw-after', error: lost } : null;
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    const entry = await settled(library, id);
    expect(errorOf(entry)).toBe('store/unavailable');
    await library.resume(id);
    await until(library, id, (now) => now?.state.kind === 'ready');
    await expectEqual(id);
  });

  test.each(['flip-bit', 'drop'] as const)(
    'a block lost on disk (%s) is found on reading and only it is fetched again',
    async (fault) => {
      server.serve('/m.gguf', { bytes });
      device.chunks.plan = ({ operation, index }) =>
        fault === 'drop' && operation === 'put' && index === 5 ? { kind: 'drop' } : null;
      const library = device.open();
      const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
      await settled(library, id);
      device.chunks.plan = ({ operation, index }) =>
        fault === 'flip-bit' && operation === 'get' && index === 5
          ? { kind: 'flip-bit', byte: 17 }
          : null;
      const source = await device.store.open(id);
      await source.read(0, 4 * blockBytes);
      await expect(source.read(0, source.size)).rejects.toSatisfy((error) =>
        hasCode(error, 'store/damaged'),
      );
      source.close();
      const entry = await settled(library, id);
      expect(entry.state.kind).toBe('damaged');
      await expect(device.store.open(id)).rejects.toSatisfy((error) =>
        hasCode(error, 'store/damaged'),
      );
      device.chunks.plan = () => null;
      const served = server.bytesServed('/m.gguf');
      await library.resume(id);
      await until(library, id, (now) => now?.state.kind === 'ready');
      expect(server.bytesServed('/m.gguf') - served).toBe(blockBytes / 2);
      await expectEqual(id);
    },
  );

  test('verify finds damage, and finds that there is none', async () => {
    server.serve('/m.gguf', { bytes });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(library, id);
    await library.verify(id);
    expect((await library.list())[0]?.state.kind).toBe('ready');
    device.chunks.plan = ({ operation, index }) =>
      operation === 'get' && index === 2 ? { kind: 'flip-bit', byte: 0 } : null;
    await library.verify(id);
    expect((await library.list())[0]?.state.kind).toBe('damaged');
    device.chunks.plan = () => null;
    await library.verify(id);
    expect((await library.list())[0]?.state.kind).toBe('ready');
  });

  test('a repair from a file that is another by now is refused', async () => {
    server.serve('/m.gguf', { bytes, etag: null });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(library, id);
    device.chunks.plan = ({ operation, index }) =>
      operation === 'get' && index === 2 ? { kind: 'flip-bit', byte: 0 } : null;
    await library.verify(id);
    server.serve('/m.gguf', { bytes: modelBytes(length, 5), etag: null });
    await library.resume(id);
    const entry = await until(library, id, (now) => now?.state.kind === 'failed');
    expect(errorOf(entry)).toBe('download/changed-upstream');
  });
});

describe('the same bytes twice', () => {
  test('are stored once and live until the last model goes', async () => {
    server.serve('/m.gguf', { bytes });
    server.serve('/copy.gguf', { bytes });
    const library = device.open();
    const first = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(library, first);
    const second = await library.add({ kind: 'url', url: server.url('/copy.gguf') });
    await settled(library, second);
    expect(second).not.toBe(first);
    expect((await library.usage()).modelBytes).toBe(length);
    expect((await device.chunks.contents()).length).toBe(1);
    await library.remove(first);
    await expectEqual(second);
    await library.remove(second);
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('are not even fetched when their hash is published', async () => {
    server.serve('/m.gguf', { bytes });
    server.serve('/copy.gguf', { bytes });
    const library = device.open();
    await settled(library, await library.add({ kind: 'url', url: server.url('/m.gguf') }));
    const id = await library.add({
      kind: 'url',
      url: server.url('/copy.gguf'),
      sha256: sha256Of(bytes),
    });
    expect((await settled(library, id)).verified).toBe('published-hash');
    expect(server.bytesServed('/copy.gguf')).toBe(0);
    await expectEqual(id);
  });
});

describe('removing', () => {
  test('a model in use is refused until it is closed', async () => {
    server.serve('/m.gguf', { bytes });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(library, id);
    const source = await device.store.open(id);
    await expect(library.remove(id)).rejects.toSatisfy((error) => hasCode(error, 'store/in-use'));
    source.close();
    await library.remove(id);
    expect(await library.list()).toEqual([]);
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('that was cut off is finished at the next start', async () => {
    server.serve('/m.gguf', { bytes });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(library, id);
    const gone = toStoreError(new DOMException('The tab died', 'InvalidStateError'));
    device.chunks.plan = ({ operation }) =>
      operation === 'removeContent' ? { kind: 'throw', error: gone } : null;
    await expect(library.remove(id)).rejects.toBe(gone);
    expect((await library.list())[0]?.state.kind).toBe('deleting');
    device.chunks.plan = () => null;
    expect(await (await device.crash()).list()).toEqual([]);
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('orphaned bytes are collected at start, others stay', async () => {
    const { id } = await halfway(3 * blockBytes);
    await device.close();
    await device.chunks.put('orphan', 0, new Uint8Array(5));
    const contentId = (await device.store.get(id)).contentId;
    await device.chunks.put(contentId, 40, new Uint8Array(5));
    const library = await device.crash();
    await library.list();
    expect(await device.chunks.contents()).toEqual([contentId]);
    expect(await device.chunks.list(contentId)).toEqual([0, 1, 2]);
  });
});

describe('local files', () => {
  const file = (content: Uint8Array<ArrayBuffer>): File =>
    new File([content], 'local.gguf', { lastModified: 5 });

  test('are copied and become ready', async () => {
    const library = device.open();
    const id = await library.add({ kind: 'file', file: file(bytes) });
    const entry = await settled(library, id);
    expect(entry).toMatchObject({ id: 'local', verified: 'computed', state: { kind: 'ready' } });
    await expectEqual(id);
  });

  test('that are no models are refused and leave nothing', async () => {
    const library = device.open();
    for (const content of [new Uint8Array(0), new TextEncoder().encode('<html>')]) {
      const id = await library.add({ kind: 'file', file: file(content) });
      expect((await settled(library, id)).state.kind).toBe('failed');
      await library.remove(id);
    }
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('that change while they are read are given up, and nothing is kept', async () => {
    class ChangingFile extends File {
      override slice(start?: number, end?: number): Blob {
        if ((start ?? 0) === 0) return super.slice(start, end);
        const refuse = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
          new ReadableStream({
            pull: (controller) => {
              controller.error(new DOMException('The file has changed', 'NotReadableError'));
            },
          });
        return Object.assign(new Blob([]), { stream: refuse });
      }
    }
    const library = device.open();
    const changing = new ChangingFile([bytes], 'local.gguf');
    const id = await library.add({ kind: 'file', file: changing });
    const entry = await settled(library, id);
    expect(entry.state.kind).toBe('failed');
    expect(errorOf(entry)).toBe('download/local-file-changed');
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('must be chosen again after a crash and then go on', async () => {
    const quota = toStoreError(new DOMException('Full', 'QuotaExceededError'));
    device.chunks.plan = ({ index, operation }) =>
      operation === 'put' && index === 4 ? { kind: 'throw', error: quota } : null;
    const first = device.open();
    const id = await first.add({ kind: 'file', file: file(bytes) });
    await settled(first, id);
    device.chunks.plan = () => null;
    const library = await device.crash();
    await expect(library.resume(id)).rejects.toSatisfy((error) =>
      hasCode(error, 'invalid-argument'),
    );
    expect(await library.add({ kind: 'file', file: file(bytes) })).toBe(id);
    await until(library, id, (entry) => entry?.state.kind === 'ready');
    await expectEqual(id);
  });
});
