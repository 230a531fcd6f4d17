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
import { parseHubUrl } from './hub-source.ts';

const bytes = modelBytes(6 * blockBytes + 3);
const commit = 'c'.repeat(40);
const newer = 'd'.repeat(40);
const api = '/api/models/owner/tiny-GGUF/revision';

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

function publish(revision: string, sha: string, content: Uint8Array, sha256?: string): void {
  server.serveJson(`${api}/${revision}`, {
    sha,
    cardData: { license: 'apache-2.0' },
    siblings: [
      { rfilename: 'README.md', size: 10 },
      {
        rfilename: 'q/tiny.gguf',
        size: content.length,
        lfs: { sha256: sha256 ?? sha256Of(content), size: content.length },
      },
    ],
  });
  server.serve(`/owner/tiny-GGUF/resolve/${sha}/q/tiny.gguf`, { bytes: content });
}

const request = { kind: 'hub', repository: 'owner/tiny-GGUF', file: 'q/tiny.gguf' } as const;

describe('Hugging Face', () => {
  test('a branch is pinned to its commit, with size, hash and licence', async () => {
    publish('main', commit, bytes);
    const library = device.open({ hubUrl: server.origin });
    const entry = await settled(library, await library.add(request));
    expect(entry).toMatchObject({
      id: 'tiny',
      state: { kind: 'ready' },
      verified: 'published-hash',
      sha256: sha256Of(bytes),
      licence: 'apache-2.0',
      origin: { commit, revision: 'main' },
    });
    expect((await readAll(device.store, entry.id)).equals(bytes)).toBe(true);
  });

  test('a push in the middle changes nothing', async () => {
    publish('main', commit, bytes);
    const path = `/owner/tiny-GGUF/resolve/${commit}/q/tiny.gguf`;
    server.serve(path, {
      bytes,
      script: ({ start }) => (start === 0 ? { kind: 'normal' } : { kind: 'status', status: 404 }),
    });
    const library = device.open({ hubUrl: server.origin });
    const id = await library.add(request);
    expect(errorOf(await settled(library, id))).toBe('download/not-found');
    publish('main', newer, modelBytes(5 * blockBytes, 3));
    server.serve(path, { bytes });
    const again = await device.crash();
    await again.close();
    const later = device.open({ hubUrl: server.origin });
    await later.resume(id);
    await until(later, id, (entry) => entry?.state.kind === 'ready');
    expect((await readAll(device.store, id)).equals(bytes)).toBe(true);
  });

  test('a published hash that the file does not have is never ready', async () => {
    publish('main', commit, bytes, 'e'.repeat(64));
    const library = device.open({ hubUrl: server.origin });
    const entry = await settled(library, await library.add(request));
    expect(entry.state.kind).toBe('failed');
    expect(errorOf(entry)).toBe('download/hash-mismatch');
  });

  test('a file that is not in the repository is named', async () => {
    publish('main', commit, bytes);
    const library = device.open({ hubUrl: server.origin });
    const entry = await settled(library, await library.add({ ...request, file: 'other.gguf' }));
    expect(errorOf(entry)).toBe('download/not-found');
  });

  test.each([
    'https://huggingface.co/owner/tiny-GGUF/blob/main/q/tiny.gguf',
    'https://huggingface.co/owner/tiny-GGUF/resolve/main/q/tiny.gguf?download=true',
    'https://hf.co/owner/tiny-GGUF/resolve/main/q/tiny.gguf',
  ])('understands the pasted address %s', (address) => {
    expect(parseHubUrl(new URL(address))).toEqual({
      repository: 'owner/tiny-GGUF',
      revision: 'main',
      file: 'q/tiny.gguf',
    });
  });

  test.each([
    'https://huggingface.co/owner/tiny-GGUF',
    'https://huggingface.co/owner/tiny-GGUF/tree/main',
    'https://example.org/owner/tiny-GGUF/resolve/main/q/tiny.gguf',
  ])('leaves %s alone', (address) => {
    expect(parseHubUrl(new URL(address))).toBeNull();
  });

  test('a pasted page address becomes a pinned download', async () => {
    publish('main', commit, bytes);
    const library = device.open({ hubUrl: server.origin });
    const url = 'https://huggingface.co/owner/tiny-GGUF/blob/main/q/tiny.gguf';
    const entry = await settled(library, await library.add({ kind: 'url', url }));
    expect(entry).toMatchObject({ state: { kind: 'ready' }, origin: { kind: 'hub', commit } });
  });
});
