/**
 * A `ByteSource` on the other side of a MessagePort: how the engine reads models that live in the
 * store worker's memory because this browser keeps nothing (private windows, blocked storage).
 */
import { AppError } from '../common/errors.ts';
import type { ByteSource } from '../common/byte-source.ts';
import { throwIfAborted, untilAborted } from '../common/abort.ts';
import { errorFromWire, errorToWire, type WireError } from './errors-over-wire.ts';

interface CloseRequest {
  readonly close: true;
}

interface ReadRequest {
  readonly id: number;
  readonly offset: number;
  readonly length: number;
}

type ReadReply =
  | { readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly error: WireError };

/** Answers reads on the port until the other side closes it or is gone; `closed` is called then, once. */
export function serveByteSource(
  port: MessagePort,
  source: ByteSource,
  closed: () => void = () => undefined,
): void {
  let open = true;
  const close = (): void => {
    if (open) closed();
    open = false;
    port.close();
  };
  // Not every browser has this event yet: an orderly end is told by a message too.
  port.addEventListener('close', close);
  port.onmessage = (event: MessageEvent<ReadRequest | CloseRequest>) => {
    if ('close' in event.data) {
      close();
      return;
    }
    const { id, offset, length } = event.data;
    source.read(offset, length).then(
      (bytes) => {
        port.postMessage({ id, bytes } satisfies ReadReply, [bytes.buffer]);
      },
      (error: unknown) => {
        port.postMessage({ id, error: errorToWire(error) } satisfies ReadReply);
      },
    );
  };
}

export class PortByteSource implements ByteSource {
  readonly size: number;
  readonly partSizes: readonly number[];
  readonly #port: MessagePort;
  readonly #pending = new Map<number, (reply: ReadReply) => void>();
  #nextId = 0;

  constructor(port: MessagePort, size: number, partSizes: readonly number[] = []) {
    this.size = size;
    this.partSizes = partSizes;
    this.#port = port;
    port.onmessage = (event: MessageEvent<ReadReply>) => {
      this.#pending.get(event.data.id)?.(event.data);
    };
    port.addEventListener('close', () => {
      this.#lost();
    });
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(signal);
    const id = this.#nextId++;
    const answer = new Promise<ReadReply>((resolve) => {
      this.#pending.set(id, resolve);
      this.#port.postMessage({ id, offset, length } satisfies ReadRequest);
    });
    let reply: ReadReply;
    try {
      // A store that died answers never: the signal must end the waiting all the same.
      reply = await untilAborted(answer, signal);
    } finally {
      this.#pending.delete(id);
    }
    if ('error' in reply) throw errorFromWire(reply.error);
    if (reply.bytes.byteLength !== length) {
      throw new AppError('store/damaged', 'A part of the model could not be read completely.');
    }
    return reply.bytes;
  }

  /** Lets the model be deleted again; reads under way fail. */
  close(): void {
    this.#port.postMessage({ close: true } satisfies CloseRequest);
    this.#port.close();
    this.#lost();
  }

  #lost(): void {
    const error = errorToWire(
      new AppError('engine/worker-died', 'The model was kept in memory and is gone. Add it again.'),
    );
    for (const [id, answer] of this.#pending) answer({ id, error });
  }
}
