import { createHash } from 'node:crypto';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { MEBIBYTE } from '../common/bytes.ts';
import { LocalFileHash } from './file-hash.ts';
import { serveHash, threadedFileHash } from './hash-thread.ts';

const bytes = Uint8Array.from({ length: 5 * MEBIBYTE + 7 }, (_, index) => (index * 131) >> 3);
const expected = createHash('sha256').update(bytes).digest('hex');
const ports: MessagePort[] = [];

afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

/** A thread over a real message channel; `end` is what happens when it dies. */
function thread(): { readonly worker: Worker; end: () => void } {
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  const scope = {
    onmessage: null as ((event: MessageEvent) => void) | null,
    postMessage: (message: unknown, transfer: Transferable[]) => {
      port2.postMessage(message, transfer as never);
    },
  };
  serveHash(scope);
  port2.on('message', (data: unknown) => scope.onmessage?.({ data } as MessageEvent));
  const worker = {
    onmessage: null as ((event: MessageEvent) => void) | null,
    onerror: null as (() => void) | null,
    postMessage: (message: unknown, transfer: Transferable[]) => {
      port1.postMessage(message, transfer as never);
    },
    terminate: () => {
      port1.close();
    },
  };
  port1.on('message', (data: unknown) => worker.onmessage?.({ data } as MessageEvent));
  return {
    worker: worker as unknown as Worker,
    end: () => {
      port1.removeAllListeners('message');
      worker.onerror?.();
    },
  };
}

describe('hash of a file in its own thread', () => {
  test('is the SHA-256 of all bytes, which may be reused at once', async () => {
    const hash = await threadedFileHash(() => thread().worker)(null);
    for (let start = 0; start < bytes.length; start += 3 * MEBIBYTE) {
      const part = bytes.slice(start, start + 3 * MEBIBYTE);
      await hash.update(part);
      part.fill(0);
    }
    expect(hash.bytes).toBe(bytes.length);
    expect(await hash.digest()).toBe(expected);
    hash.close();
  });

  test('goes on from what was saved', async () => {
    const before = await LocalFileHash.open(null);
    await before.update(bytes.subarray(0, 1000));
    const hash = await threadedFileHash(() => thread().worker)(before.progress);
    expect(hash.bytes).toBe(1000);
    await hash.update(bytes.slice(1000));
    expect(await hash.digest()).toBe(expected);
    hash.close();
  });

  test('is carried on here when the thread dies, from the last bytes it told of', async () => {
    const { worker, end } = thread();
    const hash = await threadedFileHash(() => worker)(null);
    await hash.update(bytes.slice(0, 3 * MEBIBYTE));
    end();
    // Who feeds it goes by its position, so that nothing is left out or taken twice.
    let digest: string | null = null;
    while (digest === null) {
      while (hash.bytes < bytes.length) {
        await hash.update(bytes.slice(hash.bytes, hash.bytes + MEBIBYTE));
      }
      digest = await hash.digest();
    }
    expect(digest).toBe(expected);
    hash.close();
  });

  test('is made here where no thread starts', async () => {
    const { worker, end } = thread();
    const opening = threadedFileHash(() => worker)(null);
    end();
    const hash = await opening;
    await hash.update(bytes);
    expect(await hash.digest()).toBe(expected);
  });
});
