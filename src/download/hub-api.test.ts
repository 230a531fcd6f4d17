/** The hub's API against a server that speaks it, also badly. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Device, modelBytes, settled, sha256Of } from '../../test/fixtures/library-device.ts';
import { startModelServer, type ModelServer } from '../../test/fixtures/model-server.ts';
import { partNames } from '../../test/fixtures/split-model.ts';
import { hasCode } from '../common/errors.ts';
import { HubApi } from './hub-api.ts';
import { quantizationInName } from './quantization-names.ts';
import { RangeFetcher } from './range-fetcher.ts';

const commit = 'b'.repeat(40);
const { signal } = new AbortController();
let server: ModelServer;
let hub: HubApi;

beforeEach(async () => {
  server = await startModelServer();
  hub = new HubApi(new RangeFetcher({ fetch: (url, init) => fetch(url, init) }), server.origin);
});
afterEach(() => server.close());

const file = (path: string, size: number, oid: string | null = 'e'.repeat(64)) => ({
  type: 'file',
  path,
  size,
  oid: 'f'.repeat(40),
  ...(oid === null ? {} : { lfs: { oid, size, pointerSize: 135 } }),
});

describe('a search', () => {
  test('names repositories with what is known of them', async () => {
    server.serveJson('/api/models', [
      {
        id: 'owner/tiny-GGUF',
        downloads: 123,
        likes: 4,
        gated: false,
        tags: ['gguf', 'license:apache-2.0'],
        gguf: { total: 1_500_000, architecture: 'llama', context_length: 2048 },
      },
      { id: 'meta/gated-GGUF', gated: 'manual' },
    ]);
    expect(await hub.search('tiny & co', signal)).toEqual([
      {
        repository: 'owner/tiny-GGUF',
        downloads: 123,
        likes: 4,
        gate: 'none',
        licence: 'apache-2.0',
        architecture: 'llama',
        parameters: 1_500_000,
      },
      {
        repository: 'meta/gated-GGUF',
        downloads: null,
        likes: null,
        gate: 'manual',
        licence: null,
        architecture: null,
        parameters: null,
      },
    ]);
    const headers = server.requests[0]?.headers ?? {};
    expect([headers['referer'], headers['cookie'], headers['authorization']]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('leaves out what is no answer', async () => {
    server.serveJson('/api/models', [
      null,
      'x',
      { id: 5 },
      { id: '../../etc/passwd' },
      { id: '<img src=x>/y' },
      { id: 'a/b', downloads: -1, likes: 'many', gated: 'yes', tags: 7, gguf: { total: NaN } },
    ]);
    expect(await hub.search('x', signal)).toMatchObject([
      { repository: 'a/b', downloads: null, likes: null, gate: 'none', parameters: null },
    ]);
  });

  test.each([
    ['a page', { kind: 'html' }, 'download/server-error'],
    ['an object', { kind: 'json' }, 'download/server-error'],
    ['too many requests', { kind: 'status', status: 429 }, 'download/rate-limited'],
    ['a failure', { kind: 'status', status: 500 }, 'download/server-error'],
    ['a broken connection', { kind: 'reset' }, 'download/network'],
    ['half an answer', { kind: 'cut', afterBytes: 4 }, 'download/network'],
  ] as const)('that gets %s says so', async (_name, behaviour, code) => {
    server.serve('/api/models', {
      bytes: new TextEncoder().encode('[{"id":"a/b"}]'),
      script: () => behaviour,
    });
    await expect(hub.search('x', signal)).rejects.toSatisfy((error) => hasCode(error, code));
  });
});

describe('a repository', () => {
  const serve = (tree: unknown, info: object = {}): void => {
    server.serveJson('/api/models/owner/tiny/revision/main', {
      sha: commit,
      gated: 'auto',
      cardData: { license: 'mit' },
      gguf: { total: 7_000_000_000, architecture: 'qwen2', context_length: 32_768 },
      ...info,
    });
    server.serveJson(`/api/models/owner/tiny/tree/${commit}`, tree);
  };

  test('lists its models at one commit, divided ones as one', async () => {
    const parts = partNames('Q8_0/tiny-Q8_0', 3);
    serve([
      file('README.md', 10, null),
      ...parts.map((part) => file(part, 1000)),
      file('tiny-Q4_K_M.gguf', 500),
      file('tiny-IQ2_XXS.gguf', 100, null),
      file('mmproj-tiny-F16.gguf', 9),
      file('tiny.imatrix.gguf', 9),
      { type: 'directory', path: 'Q8_0' },
    ]);
    expect(await hub.open('owner/tiny', signal)).toEqual({
      repository: 'owner/tiny',
      commit,
      gate: 'auto',
      licence: 'mit',
      architecture: 'qwen2',
      parameters: 7_000_000_000,
      contextLength: 32_768,
      models: [
        { file: 'tiny-IQ2_XXS.gguf', quantization: 'IQ2_XXS', bytes: 100, files: 1, hashed: false },
        { file: 'tiny-Q4_K_M.gguf', quantization: 'Q4_K_M', bytes: 500, files: 1, hashed: true },
        { file: parts[0], quantization: 'Q8_0', bytes: 3000, files: 3, hashed: true },
      ],
      folder: null,
    });
  });

  test('names the files that a GGUF file can be made of', async () => {
    const texts = ['config.json', 'tokenizer.json', '1_Pooling/config.json'];
    const weights = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const others = [
      'adapter.safetensors',
      'onnx/model.safetensors',
      'onnx/config.json',
      'vocab.json',
    ];
    serve([...texts, ...weights, ...others].map((path) => file(path, 100)));
    const { folder, models } = await hub.open('owner/tiny', signal);
    expect(folder?.files.toSorted()).toEqual([...texts, ...weights].toSorted());
    expect(folder?.bytes).toBe(200);
    expect(models).toEqual([]);
    serve([...texts.slice(1), ...weights].map((path) => file(path, 100)));
    expect((await hub.open('owner/tiny', signal)).folder).toBeNull();
  });

  test('leaves out divided models that lack a file, and paths that lead elsewhere', async () => {
    const parts = partNames('tiny', 3);
    serve([
      ...parts.slice(0, 2).map((part) => file(part, 1000)),
      file('../up.gguf', 1),
      file('/root.gguf', 1),
      file('a\\b.gguf', 1),
      { type: 'file', path: 'no-size.gguf' },
      { type: 'file', path: 7 },
      null,
    ]);
    expect((await hub.open('owner/tiny', signal)).models).toEqual([]);
  });

  test('without a commit is not understood', async () => {
    serve([], { sha: 'main' });
    await expect(hub.open('owner/tiny', signal)).rejects.toThrow('not understood');
    await expect(hub.open('../x', signal)).rejects.toThrow('owner/name');
  });

  test('gives a model that can be added from it', async () => {
    const bytes = modelBytes(5000);
    serve([file('tiny-Q8_0.gguf', bytes.length, sha256Of(bytes))]);
    const { models } = await hub.open('owner/tiny', signal);
    server.serveJson(`/api/models/owner/tiny/revision/${commit}`, {
      sha: commit,
      siblings: [{ rfilename: 'tiny-Q8_0.gguf', lfs: { size: 5000, sha256: sha256Of(bytes) } }],
    });
    server.serve(`/owner/tiny/resolve/${commit}/tiny-Q8_0.gguf`, { bytes });
    const device = new Device();
    const library = device.open({ hubUrl: server.origin });
    const id = await library.add({
      kind: 'hub',
      repository: 'owner/tiny',
      revision: commit,
      file: models[0]?.file ?? '',
    });
    expect(await settled(library, id)).toMatchObject({
      state: { kind: 'ready' },
      verified: 'published-hash',
    });
    await device.close();
  });
});

test.each([
  ['tiny.Q4_K_M.gguf', 'Q4_K_M'],
  ['Qwen3-UD-Q2_K_XL.gguf', 'Q2_K_XL'],
  ['q/tiny-q8_0.gguf', 'Q8_0'],
  ['BF16/tiny-BF16-00001-of-00002.gguf', 'BF16'],
  ['tiny-fp16.gguf', 'F16'],
  ['gpt-oss-mxfp4.gguf', 'MXFP4'],
  ['tiny.gguf', null],
])('%s is %s', (name, quantization) => {
  expect(quantizationInName(name)).toBe(quantization);
});
