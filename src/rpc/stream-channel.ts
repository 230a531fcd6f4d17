/**
 * One cancellable stream of values over a MessagePort.
 *
 * Comlink cannot return an async generator and an AbortSignal cannot be sent, so the caller makes a
 * channel, gives one end away and iterates over the other. Order is kept; the stream ends exactly
 * once, with a value or an error; leaving the loop early or aborting cancels the producer.
 */
import type { AppError } from '../common/errors.ts';
import { errorFromWire, errorToWire, type WireError } from './errors-over-wire.ts';

type ToConsumer<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'end' }
  | { readonly kind: 'error'; readonly error: WireError };

interface Cancel {
  readonly kind: 'cancel';
}

/** Runs a producer against a port; `signal` fires when the consumer cancels. */
export async function produceStream<T>(
  port: MessagePort,
  values: (signal: AbortSignal) => AsyncIterable<T>,
): Promise<void> {
  const controller = new AbortController();
  port.onmessage = (event: MessageEvent<Cancel>) => {
    if (event.data.kind === 'cancel') controller.abort();
  };
  const send = (message: ToConsumer<T>): void => {
    port.postMessage(message);
  };
  try {
    for await (const value of values(controller.signal)) send({ kind: 'value', value });
    send({ kind: 'end' });
  } catch (error) {
    send({ kind: 'error', error: errorToWire(error) });
  } finally {
    // Closing at once would drop what the other side has not read in some browsers: it closes after 'end'.
    port.onmessage = null;
  }
}

/** `produceStream` for work that reports by calling back. */
export function produceCallbackStream<T>(
  port: MessagePort,
  work: (emit: (value: T) => void, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  return produceStream<T>(port, async function* (signal) {
    const ready: T[] = [];
    let wake = (): void => undefined;
    const finished = { done: false };
    const running = work((value) => {
      ready.push(value);
      wake();
    }, signal).finally(() => {
      finished.done = true;
      wake();
    });
    // Its rejection is thrown by the await below; until then nobody else listens.
    running.catch(() => undefined);
    while (!finished.done || ready.length > 0) {
      const value = ready.shift();
      if (value !== undefined) yield value;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    await running;
  });
}

/**
 * Posts one message for `receiveOne` at the other end, and resolves when it is there. Until then this
 * thread must live: Firefox (153) drops with a worker what it posted on a port that was not yet taken.
 */
export function sendOne<T>(port: MessagePort, message: T): Promise<void> {
  return new Promise((resolve) => {
    port.onmessage = () => {
      resolve();
      port.close();
    };
    port.postMessage(message);
  });
}

/** The first message on a port, which is closed after it. */
export function receiveOne<T>(port: MessagePort): Promise<T> {
  return new Promise((resolve) => {
    port.onmessage = (event: MessageEvent<T>) => {
      resolve(event.data);
      port.postMessage('received');
      port.close();
    };
  });
}

export interface ConsumedStream<T> extends AsyncIterable<T> {
  /** Give this end to the producer. */
  readonly producerPort: MessagePort;
  /** Ends the stream with this error, for example because the worker behind it died. */
  fail(error: AppError): void;
}

/**
 * The consumer's end. `signal` asks the producer to stop; what it still sends is delivered. `onArrival`
 * is told of every value when it comes, however long it waits to be consumed.
 */
export function consumeStream<T>(
  signal?: AbortSignal,
  onArrival?: (value: T) => void,
): ConsumedStream<T> {
  const channel = new MessageChannel();
  const port = channel.port1;
  const waiting: ToConsumer<T>[] = [];
  let wake: (() => void) | null = null;
  const arrive = (message: ToConsumer<T>): void => {
    waiting.push(message);
    wake?.();
  };
  port.onmessage = (event: MessageEvent<ToConsumer<T>>) => {
    if (event.data.kind === 'value') onArrival?.(event.data.value);
    arrive(event.data);
  };
  const cancel = (): void => {
    port.postMessage({ kind: 'cancel' } satisfies Cancel);
  };
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });

  async function* iterate(): AsyncGenerator<T, void, void> {
    let finished = false;
    try {
      for (;;) {
        const message = waiting.shift();
        if (message === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = null;
        } else if (message.kind === 'value') {
          yield message.value;
        } else {
          finished = true;
          if (message.kind === 'error') throw errorFromWire(message.error);
          return;
        }
      }
    } finally {
      if (!finished) cancel();
      signal?.removeEventListener('abort', cancel);
      port.close();
    }
  }
  const generator = iterate();
  return {
    producerPort: channel.port2,
    fail: (error) => {
      arrive({ kind: 'error', error: errorToWire(error) });
    },
    [Symbol.asyncIterator]: () => generator,
  };
}
