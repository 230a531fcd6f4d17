/**
 * Files written in a thread of their own: writing and flushing one waits for the disk, and the thread
 * that receives a download must not.
 */
import { AppError } from '../common/errors.ts';
import type { WriteFile } from './opfs-chunk-store.ts';

interface Request {
  readonly folder: FileSystemDirectoryHandle;
  readonly name: string;
  readonly buffer: ArrayBuffer;
  readonly length: number;
}

/** `error`: what was thrown, which a DOMException survives with its name. */
type Reply = { readonly buffer: ArrayBuffer } & (
  { readonly ok: true } | { readonly ok: false; readonly error: unknown }
);

/** The other end: answers in the thread. */
export function serveWrites(
  scope: {
    onmessage: ((event: MessageEvent<Request>) => void) | null;
    postMessage(message: Reply, transfer: Transferable[]): void;
  },
  write: WriteFile,
): void {
  scope.onmessage = ({ data: { folder, name, buffer, length } }) => {
    write(folder, name, new Uint8Array(buffer, 0, length)).then(
      () => {
        scope.postMessage({ ok: true, buffer }, [buffer]);
      },
      (error: unknown) => {
        scope.postMessage({ ok: false, buffer, error }, [buffer]);
      },
    );
  };
}

/** Writes in a thread that `create` starts at the first file, one file at a time. */
export function threadedWrites(create: () => Worker): WriteFile {
  let worker: Worker | null = null;
  let buffer = new ArrayBuffer(0);
  let last: Promise<unknown> = Promise.resolve();

  const write = async (
    folder: FileSystemDirectoryHandle,
    name: string,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> => {
    const thread = (worker ??= create());
    if (buffer.byteLength < bytes.byteLength) buffer = new ArrayBuffer(bytes.byteLength);
    new Uint8Array(buffer).set(bytes);
    const reply = await new Promise<Reply>((resolve, reject) => {
      const lost = (): void => {
        worker = null;
        thread.terminate();
        reject(new AppError('store/unavailable', 'The thread that writes models has ended.'));
      };
      thread.onmessage = (event: MessageEvent<Reply>) => {
        resolve(event.data);
      };
      thread.onerror = lost;
      thread.onmessageerror = lost;
      const request: Request = { folder, name, buffer, length: bytes.byteLength };
      thread.postMessage(request, [buffer]);
    });
    buffer = reply.buffer;
    if (!reply.ok) throw reply.error;
  };

  return (folder, name, bytes) => {
    const written = last.then(() => write(folder, name, bytes));
    last = written.catch(() => undefined);
    return written;
  };
}
