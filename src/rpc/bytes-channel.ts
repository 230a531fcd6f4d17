/**
 * Bytes from one worker to another over a MessagePort, in order, no faster than they are taken: what
 * is on the way is some pieces, whatever the length of the whole.
 *
 * The side that takes asks for each piece, so nothing piles up; either side can end it with a reason.
 */
import { throwIfAborted } from '../common/abort.ts';
import type { AppError } from '../common/errors.ts';
import { errorFromWire, errorToWire, type WireError } from './errors-over-wire.ts';

type ToTaker =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'end' }
  | { readonly kind: 'error'; readonly error: WireError };

type ToGiver = { readonly kind: 'more' } | { readonly kind: 'cancel'; readonly error: WireError };

/** Pieces kept until they are taken; one more may be on its way. */
const piecesAhead = 2;

/** The end that takes. The stream fails with what the giver failed with; cancelling it tells the giver. */
export function takeBytes(port: MessagePort): ReadableStream<Uint8Array<ArrayBuffer>> {
  const ask = (message: ToGiver): void => {
    port.postMessage(message);
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        port.onmessage = ({ data }: MessageEvent<ToTaker>) => {
          if (data.kind === 'bytes') {
            controller.enqueue(data.bytes);
            return;
          }
          if (data.kind === 'end') controller.close();
          else controller.error(errorFromWire(data.error));
          port.close();
        };
      },
      pull() {
        ask({ kind: 'more' });
      },
      cancel(reason: unknown) {
        ask({ kind: 'cancel', error: errorToWire(reason) });
        port.close();
      },
    },
    { highWaterMark: piecesAhead },
  );
}

/**
 * The end that gives: `work` writes pieces, which are gone from this thread then, and the stream ends
 * as the work does.
 * @throws what `work` throws; what the taker cancelled with; `aborted`
 */
export async function giveBytes<T>(
  port: MessagePort,
  signal: AbortSignal,
  work: (write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>) => Promise<T>,
): Promise<T> {
  const giver = new BytesGiver(port, signal);
  try {
    const result = await work((bytes) => giver.give(bytes));
    giver.send({ kind: 'end' });
    return result;
  } catch (error) {
    giver.send({ kind: 'error', error: errorToWire(error) });
    throw error;
  }
}

class BytesGiver {
  readonly #port: MessagePort;
  readonly #signal: AbortSignal;
  #asked = 0;
  #cancelled: AppError | null = null;
  #wake: () => void = () => undefined;

  constructor(port: MessagePort, signal: AbortSignal) {
    this.#port = port;
    this.#signal = signal;
    port.onmessage = ({ data }: MessageEvent<ToGiver>) => {
      if (data.kind === 'more') this.#asked++;
      else this.#cancelled = errorFromWire(data.error);
      this.#wake();
    };
    signal.addEventListener('abort', () => {
      this.#wake();
    });
  }

  /** Resolves once the bytes were asked for. */
  async give(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (;;) {
      if (this.#cancelled !== null) throw this.#cancelled;
      throwIfAborted(this.#signal);
      if (this.#asked > 0) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#asked--;
    this.send({ kind: 'bytes', bytes }, [bytes.buffer]);
  }

  send(message: ToTaker, moved: Transferable[] = []): void {
    this.#port.postMessage(message, moved);
  }
}
