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
import { AppError, hasCode } from '../common/errors.ts';
import type { Network } from './downloader.ts';
import type { LibraryEntry } from './library-entry.ts';
import type { ModelLibrary } from './model-library.ts';

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

describe('a download', () => {
  test.each([
    ['several chunks', 10 * blockBytes + 77],
    ['exactly one chunk', 2.5 * blockBytes],
    ['one byte more than a block', blockBytes + 1],
    ['less than a block', 500],
  ])('of %s becomes ready and equal', async (_name, length) => {
    const bytes = modelBytes(length);
    server.serve('/a/tiny.gguf', { bytes });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/a/tiny.gguf') });
    const entry = await settled(library, id);
    expect(entry.state).toEqual({ kind: 'ready' });
    expect(entry).toMatchObject({ id: 'tiny', bytesTotal: length, verified: 'computed' });
    expect(entry.sha256).toBe(sha256Of(bytes));
    expect((await readAll(device.store, id)).equals(bytes)).toBe(true);
    expect(server.bytesServed('/a/tiny.gguf')).toBe(length);
    expect(server.requests.every((request) => request.range !== null)).toBe(true);
    expect(server.requests.every((request) => request.headers['if-range'] === undefined)).toBe(
      true,
    );
  });

  test('with the right hash says that it was published', async () => {
    const bytes = modelBytes(3 * blockBytes);
    server.serve('/m.gguf', { bytes });
    const library = device.open();
    const request = { kind: 'url', url: server.url('/m.gguf'), sha256: sha256Of(bytes) } as const;
    const entry = await settled(library, await library.add(request));
    expect(entry).toMatchObject({ verified: 'published-hash', state: { kind: 'ready' } });
  });

  test('reports progress with plain data', async () => {
    const bytes = modelBytes(10 * blockBytes);
    server.serve('/m.gguf', { bytes });
    const library = device.open();
    const seen: LibraryEntry[] = [];
    library.observe((entries) => seen.push(...entries));
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await settled(library, id);
    expect(JSON.parse(JSON.stringify(seen.at(-1)))).toEqual(seen.at(-1));
    const amounts = seen.flatMap(({ state }) =>
      state.kind === 'downloading' ? [state.bytesDone] : [],
    );
    expect(amounts.length).toBeGreaterThan(0);
    expect(amounts).toEqual(amounts.toSorted((a, b) => a - b));
  });

  test('of the same address is one download', async () => {
    server.serve('/m.gguf', { bytes: modelBytes(2 * blockBytes) });
    const library = device.open();
    const url = server.url('/m.gguf');
    const ids = await Promise.all([1, 2, 3].map(() => library.add({ kind: 'url', url })));
    expect(new Set(ids).size).toBe(1);
    await settled(library, ids[0] ?? '');
    expect(server.bytesServed('/m.gguf')).toBe(2 * blockBytes);
  });

  test.each(['http://example.org/m.gguf', 'ftp://example.org/m.gguf', 'https://a:b@example.org/m'])(
    'from %s is refused',
    async (url) => {
      const library = device.open();
      await expect(library.add({ kind: 'url', url })).rejects.toSatisfy((error) =>
        hasCode(error, 'download/insecure-url'),
      );
      expect(await library.list()).toEqual([]);
    },
  );
});

describe('servers that misbehave', () => {
  const length = 6 * blockBytes + 10;
  const bytes = modelBytes(length);

  async function add(sha256?: string): Promise<{ library: ModelLibrary; entry: LibraryEntry }> {
    const library = device.open();
    const url = server.url('/m.gguf');
    const id = await library.add({ kind: 'url', url, ...(sha256 === undefined ? {} : { sha256 }) });
    return { library, entry: await settled(library, id) };
  }

  async function expectReady(): Promise<void> {
    const { entry } = await add();
    expect(entry.state.kind).toBe('ready');
    expect((await readAll(device.store, entry.id)).equals(bytes)).toBe(true);
  }

  /** Not ready, not readable, and the reason is `code`. */
  async function expectFailure(kind: string, code: string, sha256?: string): Promise<LibraryEntry> {
    const { entry } = await add(sha256);
    expect(entry.state.kind).toBe(kind);
    expect(errorOf(entry)).toBe(code);
    await expect(device.store.open(entry.id)).rejects.toBeInstanceOf(AppError);
    return entry;
  }

  test.each([true, false])('no ranges, length told: %s', async (told) => {
    server.serve('/m.gguf', { bytes, script: () => ({ kind: 'no-ranges', length: told }) });
    const resumable: boolean[] = [];
    const library = device.open();
    library.observe((entries) => {
      for (const { state } of entries) {
        if (state.kind === 'downloading') resumable.push(state.resumable);
      }
    });
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    expect((await settled(library, id)).state.kind).toBe('ready');
    expect((await readAll(device.store, id)).equals(bytes)).toBe(true);
    expect(server.requests.length).toBe(1);
    expect(resumable).not.toContain(true);
  });

  test('no ranges, and the connection breaks: begins again', async () => {
    server.serve('/m.gguf', {
      bytes,
      script: ({ count }) =>
        count === 0 ? { kind: 'cut', afterBytes: blockBytes * 2 } : { kind: 'no-ranges' },
    });
    await expectReady();
  });

  test('hidden headers', async () => {
    // Node's fetch shows all headers, so the server leaves them out instead.
    const hide: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const headers = new Headers(response.headers);
      for (const name of ['Content-Range', 'ETag', 'Last-Modified']) headers.delete(name);
      return new Response(response.body, { status: response.status, headers });
    };
    for (const size of [length, 5 * blockBytes]) {
      const file = modelBytes(size, size);
      server.serve(`/${size}.gguf`, { bytes: file });
      const library = device.open({ fetch: (url, init) => hide(url, init) });
      const id = await library.add({ kind: 'url', url: server.url(`/${size}.gguf`) });
      expect((await settled(library, id)).state.kind).toBe('ready');
      expect((await readAll(device.store, id)).equals(file)).toBe(true);
    }
  });

  test('a wrong Content-Range is rejected after three tries', async () => {
    server.serve('/m.gguf', {
      bytes,
      script: ({ start }) =>
        start === 0 ? { kind: 'normal' } : { kind: 'wrong-content-range', shiftBytes: 1 },
    });
    const entry = await expectFailure('paused', 'download/bad-range');
    expect(server.requests.length).toBe(4);
    expect(entry.state).toMatchObject({ reason: 'error', bytesDone: 2 * blockBytes });
  });

  test('ranges shorter than asked are continued', async () => {
    server.serve('/m.gguf', { bytes, script: () => ({ kind: 'short-body', bytes: 50_000 }) });
    await expectReady();
    expect(server.bytesServed('/m.gguf')).toBe(length);
  });

  test('a cut costs nothing that was received', async () => {
    server.serve('/m.gguf', {
      bytes,
      script: ({ count }) =>
        count === 0 ? { kind: 'cut', afterBytes: blockBytes + 1000 } : { kind: 'normal' },
    });
    await expectReady();
    expect(server.requests[1]?.start).toBeGreaterThan(0);
    expect(device.clock.waits.length).toBe(1);
  });

  test('a third of all requests failing', async () => {
    const failures = [
      { kind: 'reset' },
      { kind: 'status', status: 503 },
      { kind: 'cut', afterBytes: 20_000 },
      { kind: 'status', status: 429, retryAfter: '7' },
    ] as const;
    let failed = 0;
    const large = modelBytes(40 * blockBytes);
    server.serve('/m.gguf', {
      bytes: large,
      script: ({ count }) => {
        if (count % 3 !== 1) return { kind: 'normal' };
        return failures[failed++ % failures.length] ?? { kind: 'normal' };
      },
    });
    const { entry } = await add();
    expect(entry.state.kind).toBe('ready');
    expect((await readAll(device.store, entry.id)).equals(large)).toBe(true);
    expect(failed).toBeGreaterThanOrEqual(7);
    expect(device.clock.waits).toContain(7000);
    const waste = server.bytesServed('/m.gguf') - large.length;
    expect(waste).toBeLessThanOrEqual(failed * blockBytes);
  });

  test('a web page', async () => {
    server.serve('/m.gguf', { bytes, script: () => ({ kind: 'html' }) });
    const entry = await expectFailure('failed', 'download/not-a-model');
    expect(entry.state).toMatchObject({ error: { details: { kind: 'html' } } });
    expect(await device.chunks.contents()).toEqual([]);
  });

  test('a message in JSON', async () => {
    server.serve('/m.gguf', { bytes, script: () => ({ kind: 'json' }) });
    await expectFailure('failed', 'download/not-a-model');
  });

  test('another kind of file is given up in its first block', async () => {
    const other = modelBytes(100 * blockBytes);
    other.set([80, 75, 3, 4]);
    server.serve('/m.gguf', { bytes: other });
    await expectFailure('failed', 'model-file/not-gguf');
    expect(await device.chunks.contents()).toEqual([]);
    expect(server.requests.length).toBe(1);
  });

  test('an empty file', async () => {
    server.serve('/m.gguf', { bytes: new Uint8Array(0) });
    await expectFailure('failed', 'download/not-a-model');
  });

  test.each([
    [404, 'failed', 'download/not-found', 1],
    [410, 'failed', 'download/not-found', 1],
    [403, 'failed', 'download/access-denied', 2],
    [429, 'paused', 'download/rate-limited', 10],
    [503, 'paused', 'download/server-error', 10],
  ])('status %i', async (status, kind, code, requests) => {
    server.serve('/m.gguf', { bytes, script: () => ({ kind: 'status', status }) });
    await expectFailure(kind, code);
    expect(server.requests.length).toBe(requests);
  });

  test('a file that changes on the way is not mixed, and is fetched anew when asked', async () => {
    const changed = modelBytes(length, 9);
    server.serve('/m.gguf', {
      bytes,
      script: ({ start }) => {
        if (start > 0) server.serve('/m.gguf', { bytes: changed });
        return start > 0 ? { kind: 'reset' } : { kind: 'normal' };
      },
    });
    const { library, entry } = await add();
    expect(errorOf(entry)).toBe('download/changed-upstream');
    await library.resume(entry.id);
    const after = await until(library, entry.id, (now) => now?.state.kind === 'ready');
    expect(after.sha256).toBe(sha256Of(changed));
    expect((await readAll(device.store, entry.id)).equals(changed)).toBe(true);
  });

  test('another length under the same ETag is noticed too', async () => {
    server.serve('/m.gguf', {
      bytes,
      etag: '"same"',
      script: ({ start }) => {
        if (start > 0) server.serve('/m.gguf', { bytes: modelBytes(length + 5), etag: '"same"' });
        return start > 0 ? { kind: 'reset' } : { kind: 'normal' };
      },
    });
    await expectFailure('failed', 'download/changed-upstream');
  });

  test('a stall is ended by the watchdog', async () => {
    server.serve('/m.gguf', {
      bytes,
      script: ({ count }) =>
        count === 0 ? { kind: 'stall', afterBytes: blockBytes } : { kind: 'normal' },
    });
    const library = device.open();
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    await until(
      library,
      id,
      (now) => now?.state.kind === 'downloading' && now.state.bytesDone === blockBytes,
    );
    device.clock.expire();
    expect((await settled(library, id)).state.kind).toBe('ready');
    expect((await readAll(device.store, id)).equals(bytes)).toBe(true);
  });

  test('one wrong bit, and then the right bytes', async () => {
    server.serve('/m.gguf', { bytes, script: () => ({ kind: 'flip-bit', offset: 200_000 }) });
    const entry = await expectFailure('failed', 'download/hash-mismatch', sha256Of(bytes));
    const library = device.libraries[0] as ModelLibrary;
    server.serve('/m.gguf', { bytes });
    await library.resume(entry.id);
    await until(library, entry.id, (now) => now?.state.kind === 'ready');
    expect((await readAll(device.store, entry.id)).equals(bytes)).toBe(true);
  });

  test('the network goes and comes back', async () => {
    server.serve('/m.gguf', {
      bytes,
      script: ({ count }) => (count === 1 ? { kind: 'reset' } : { kind: 'normal' }),
    });
    let comeBack: () => void = () => undefined;
    let online = true;
    const network: Network = {
      online: () => online,
      whenOnline: () =>
        new Promise((resolve) => {
          comeBack = resolve;
        }),
    };
    const library = device.open({
      network,
      fetch: (url, init) => {
        online = !(init.headers as Record<string, string>)['Range']?.startsWith('bytes=131072-');
        return fetch(url, init);
      },
    });
    const id = await library.add({ kind: 'url', url: server.url('/m.gguf') });
    const entry = await settled(library, id);
    expect(entry.state).toMatchObject({ kind: 'paused', reason: 'offline' });
    comeBack();
    await until(library, id, (now) => now?.state.kind === 'ready');
    expect((await readAll(device.store, id)).equals(bytes)).toBe(true);
  });
});
