import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ServedCall } from '../../embed/peer.ts';
import type { Hermit, InstallSource } from '../page-api/hermit.ts';
import { apiMethods, type ConfirmInstall } from './api-methods.ts';

const bytes = new TextEncoder().encode('a model');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const url = 'https://models.example/story.gguf';

/** As the browser keeps it: by hash, and whatever is written is looked at. */
function crossOriginStorage(files: Map<string, Uint8Array<ArrayBuffer>>) {
  return {
    requestFileHandles: ([hash]: { value: string }[], { create } = { create: false }) => {
      const { value = '' } = hash ?? {};
      const found = files.get(value);
      if (found === undefined && !create) throw new DOMException('not there', 'NotFoundError');
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      return Promise.resolve([
        {
          getFile: () => Promise.resolve(new File([found ?? ''], value)),
          createWritable: () =>
            Promise.resolve(
              new WritableStream<Uint8Array<ArrayBuffer>>({
                write: (chunk) => void chunks.push(chunk),
                close: () => void files.set(value, Uint8Array.from(chunks.flatMap((c) => [...c]))),
              }),
            ),
        },
      ]);
    },
  };
}

function setUp(allow = true) {
  const installed: InstallSource[] = [];
  const asked: Parameters<ConfirmInstall>[0][] = [];
  const hermit = {
    models: {
      inspect: () => Promise.resolve({ sizeBytes: 7 }),
      install: (source: InstallSource) => {
        installed.push(source);
        return Promise.resolve('id');
      },
      exportFiles: () => Promise.resolve([new File([bytes], 'story.gguf')]),
    },
  } as unknown as Hermit;
  const methods = apiMethods(hermit, (model) => {
    asked.push(model);
    return Promise.resolve(allow);
  });
  const call: ServedCall = {
    signal: new AbortController().signal,
    emit: () => undefined,
    length: 1,
  };
  const install = (source: unknown) => methods.get('models.install')?.([source], call);
  return { install, installed, asked };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('models.install of a page around the widget', () => {
  it('downloads after the person has seen what it costs', async () => {
    vi.stubGlobal('navigator', {});
    const { install, installed, asked } = setUp();
    await install({ url, sha256 });
    expect(asked).toEqual([
      { name: 'story.gguf', host: 'models.example', bytes: 7, shared: false },
    ]);
    expect(installed).toEqual([{ url, sha256 }]);
  });

  it('takes what another site has fetched, which the person is told too', async () => {
    const files = new Map([[sha256, bytes]]);
    vi.stubGlobal('navigator', { crossOriginStorage: crossOriginStorage(files) });
    const { install, installed, asked } = setUp();
    await install({ url, sha256 });
    expect(asked).toMatchObject([{ bytes: 7, shared: true }]);
    const [file] = installed;
    expect(file).toBeInstanceOf(File);
    expect((file as File).name).toBe('story.gguf');
    expect(await (file as File).text()).toBe('a model');
  });

  it('downloads what nobody has fetched, and leaves it to others', async () => {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    vi.stubGlobal('navigator', { crossOriginStorage: crossOriginStorage(files) });
    const { install, installed } = setUp();
    await install({ url, sha256 });
    expect(installed).toEqual([{ url, sha256 }]);
    await expect.poll(() => files.get(sha256)).toEqual(bytes);
  });

  it('does neither when the person says no', async () => {
    const files = new Map([[sha256, bytes]]);
    vi.stubGlobal('navigator', { crossOriginStorage: crossOriginStorage(files) });
    const { install, installed } = setUp(false);
    await expect(install({ url, sha256 })).rejects.toMatchObject({ code: 'embed/refused' });
    expect(installed).toEqual([]);
  });
});
