/**
 * The hash of a whole file in a thread of its own, beside the one that receives and writes the file.
 *
 * SHA-256 of a stream is the largest part of the work of a download (200 MB/s on one core) and cannot
 * be divided. The bytes are copied into one of two buffers, which travel to the thread and back.
 */
import { MEBIBYTE } from '../common/bytes.ts';
import { type FileHash, LocalFileHash, type OpenFileHash } from './file-hash.ts';
import type { HashProgress } from './manifest.ts';

type Request =
  | { readonly kind: 'open'; readonly progress: HashProgress | null }
  | { readonly kind: 'update'; readonly buffer: ArrayBuffer; readonly length: number }
  | { readonly kind: 'digest' };

type Reply =
  | {
      readonly kind: 'progress';
      readonly progress: HashProgress;
      readonly buffer: ArrayBuffer | null;
    }
  | { readonly kind: 'digest'; readonly digest: string };

/** How many updates may be under way: one in work, one that waits. */
const bufferCount = 2;
const bufferBytes = 2 * MEBIBYTE;

/** The other end: answers in the thread. */
export function serveHash(scope: {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(message: Reply, transfer: Transferable[]): void;
}): void {
  let hash: Promise<LocalFileHash> = LocalFileHash.open(null);
  const answer = async (request: Request): Promise<void> => {
    if (request.kind === 'open') hash = LocalFileHash.open(request.progress);
    const opened = await hash;
    if (request.kind === 'digest') {
      scope.postMessage({ kind: 'digest', digest: await opened.digest() }, []);
      return;
    }
    const buffer = request.kind === 'update' ? request.buffer : null;
    if (request.kind === 'update') {
      await opened.update(new Uint8Array(request.buffer, 0, request.length));
    }
    const transfer = buffer === null ? [] : [buffer];
    scope.postMessage({ kind: 'progress', progress: opened.progress, buffer }, transfer);
  };
  let last = Promise.resolve();
  scope.onmessage = ({ data }) => {
    last = last.then(() => answer(data));
  };
}

/** Opens hashes in threads that `create` starts; in this thread where none can be started. */
export function threadedFileHash(create: () => Worker): OpenFileHash {
  return async (progress) =>
    (await ThreadedFileHash.open(create(), progress)) ?? LocalFileHash.open(progress);
}

class ThreadedFileHash implements FileHash {
  readonly #worker: Worker;
  #bytes = 0;
  #progress: HashProgress = { bytes: 0, state: new Uint8Array(0) };
  #buffersMade = 0;
  readonly #spare: ArrayBuffer[] = [];
  #digest: string | null = null;
  /** Called at the next reply, or the end of the thread. */
  #waiting: (() => void)[] = [];
  #ended = false;
  /** Goes on from the last reply when the thread has ended. */
  #successor: LocalFileHash | null = null;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<Reply>) => {
      this.#accept(event.data);
      this.#wake();
    };
    const end = (): void => {
      this.#ended = true;
      this.#bytes = this.#progress.bytes;
      this.#wake();
    };
    worker.onerror = end;
    worker.onmessageerror = end;
  }

  /** @returns null when the thread does not start */
  static async open(
    worker: Worker,
    progress: HashProgress | null,
  ): Promise<ThreadedFileHash | null> {
    const hash = new ThreadedFileHash(worker);
    hash.#send({ kind: 'open', progress });
    await hash.#reply();
    hash.#bytes = hash.#progress.bytes;
    if (!hash.#ended) return hash;
    hash.close();
    return null;
  }

  get bytes(): number {
    return this.#successor?.bytes ?? this.#bytes;
  }

  get progress(): HashProgress {
    return this.#successor?.progress ?? this.#progress;
  }

  async update(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let start = 0; start < bytes.byteLength; start += bufferBytes) {
      const part = bytes.subarray(start, start + bufferBytes);
      const before = this.bytes;
      const buffer = await this.#freeBuffer();
      // The thread may have ended meanwhile, and these are not the next bytes any more.
      if (this.bytes !== before) return;
      if (this.#ended) {
        await (await this.#goOnHere()).update(part);
        continue;
      }
      new Uint8Array(buffer).set(part);
      this.#bytes += part.byteLength;
      this.#send({ kind: 'update', buffer, length: part.byteLength }, [buffer]);
    }
  }

  async digest(): Promise<string | null> {
    const before = this.bytes;
    if (!this.#ended) this.#send({ kind: 'digest' });
    while (this.#digest === null && !this.#ended) await this.#reply();
    if (this.#digest !== null) return this.#digest;
    return this.bytes === before ? (await this.#goOnHere()).digest() : null;
  }

  close(): void {
    this.#worker.terminate();
  }

  async #goOnHere(): Promise<LocalFileHash> {
    this.#successor ??= await LocalFileHash.open(this.#progress);
    return this.#successor;
  }

  async #freeBuffer(): Promise<ArrayBuffer> {
    while (this.#spare.length === 0 && this.#buffersMade === bufferCount && !this.#ended) {
      await this.#reply();
    }
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    this.#buffersMade++;
    return new ArrayBuffer(bufferBytes);
  }

  #send(request: Request, transfer: Transferable[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #accept(reply: Reply): void {
    if (reply.kind === 'digest') {
      this.#digest = reply.digest;
      return;
    }
    this.#progress = reply.progress;
    if (reply.buffer !== null) this.#spare.push(reply.buffer);
  }

  /** Resolves at the next reply, or when the thread has ended. */
  #reply(): Promise<void> {
    return new Promise((wake) => {
      if (this.#ended) wake();
      else this.#waiting.push(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
