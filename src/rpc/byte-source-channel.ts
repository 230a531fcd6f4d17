/**
 * A `ByteSource` on the other side of a MessagePort: how the engine reads models that live in the
 * store worker's memory because this browser keeps nothing (private windows, blocked storage).
 */
import { AppError } from '../common/errors.ts';
import type { ByteSource } from '../common/byte-source.ts';
import { throwIfAborted } from '../common/abort.ts';
import { errorFromWire, errorToWire, type WireError } from './errors-over-wire.ts';

interface ReadRequest {
  readonly id: number;
  readonly offset: number;
  readonly length: number;
}

type ReadReply =
  | { readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly error: WireError };

/** Answers reads on the port until the other side closes it. */
export function serveByteSource(port: MessagePort, source: ByteSource): void {
  port.onmessage = (event: MessageEvent<ReadRequest>) => {
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
  readonly #port: MessagePort;
  readonly #pending = new Map<number, (reply: ReadReply) => void>();
  #nextId = 0;

  constructor(port: MessagePort, size: number) {
    this.size = size;
    this.#port = port;
    port.onmessage = (event: MessageEvent<ReadReply>) => {
      this.#pending.get(event.data.id)?.(event.data);
    };
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(signal);
    const id = this.#nextId++;
    const reply = await new Promise<ReadReply>((resolve) => {
      this.#pending.set(id, resolve);
      this.#port.postMessage({ id, offset, length } satisfies ReadRequest);
    });
    this.#pending.delete(id);
    throwIfAborted(signal);
    if ('error' in reply) throw errorFromWire(reply.error);
    if (reply.bytes.byteLength !== length) {
      throw new AppError('store/damaged', 'A part of the model could not be read completely.');
    }
    return reply.bytes;
  }

  close(): void {
    this.#port.close();
  }
}
