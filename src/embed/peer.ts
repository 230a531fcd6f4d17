/**
 * One end of JSON-RPC 2.0 over a MessagePort; both sides may call. Messages are text, so that their
 * size is known before they are read and nothing but JSON ever crosses.
 *
 * Beside the specification: a call may send values before its result (`$value`) and be given up
 * (`$cancel`); errors carry Hermit's code and details. Order is kept. The peer owns the port: closing
 * it rejects what is under way on this side and aborts what is served.
 */
import { AppError, toAppError, type ErrorCode, type ErrorDetails } from '../common/errors.ts';
import { limits } from './protocol.ts';
import type { RateLimit } from './rate-limit.ts';

export interface ServedCall {
  readonly signal: AbortSignal;
  /** Sends a value before the result. */
  readonly emit: (value: unknown) => void;
  /** Characters of the whole message. */
  readonly length: number;
}

/** Answers a call, or takes a notification (whose result nobody sees). */
export type Serve = (method: string, params: unknown, call: ServedCall) => unknown;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onValue?: ((value: unknown) => void) | undefined;
}

export interface PeerOptions {
  readonly serve: Serve;
  /** Of a side that does not trust the other: longer messages end the connection, more are refused. */
  readonly rate?: RateLimit;
  readonly onClose?: () => void;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: AppError) => void;
  readonly onValue: ((value: unknown) => void) | undefined;
}

interface RpcMessage {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: RpcError;
}

interface RpcError {
  readonly code: number;
  readonly message: unknown;
  readonly data?: { readonly code?: ErrorCode; readonly details?: ErrorDetails };
}

const VALUE = '$value';
const CANCEL = '$cancel';
/** Of the range that the specification leaves to applications. */
const APPLICATION_ERROR = -32_000;
/** Refused messages after which the other side is not listened to any more. */
const MOST_REFUSED = 1000;

export class Peer {
  readonly #port: MessagePort;
  readonly #options: PeerOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #served = new Map<number, AbortController>();
  #refused = 0;
  #nextId = 1;
  #closed = false;

  constructor(port: MessagePort, options: PeerOptions) {
    this.#port = port;
    this.#options = options;
    port.onmessage = (event: MessageEvent<unknown>) => {
      this.#receive(event.data);
    };
  }

  /** @throws AppError what the other side threw; `embed/closed`, `embed/limit`, `aborted` */
  request(method: string, params: unknown, options: RequestOptions = {}): Promise<unknown> {
    const { signal, onValue } = options;
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closedError();
      if (signal?.aborted === true) throw new AppError('aborted', 'The operation was stopped.');
      const id = this.#nextId++;
      const cancel = (): void => {
        this.notify(CANCEL, { id });
        settle(reject)(new AppError('aborted', 'The operation was stopped.'));
      };
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          this.#pending.delete(id);
          signal?.removeEventListener('abort', cancel);
          then(value);
        };
      this.#send({ id, method, params });
      this.#pending.set(id, { resolve: settle(resolve), reject: settle(reject), onValue });
      signal?.addEventListener('abort', cancel);
    });
  }

  notify(method: string, params: unknown): void {
    if (!this.#closed) this.#send({ method, params });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.close();
    for (const { reject } of this.#pending.values()) reject(closedError());
    for (const controller of this.#served.values()) controller.abort();
    this.#options.onClose?.();
  }

  #send(message: RpcMessage): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message });
    if (message.method !== undefined && text.length > limits.messageLength) {
      throw new AppError('embed/limit', 'This is more than may be sent at once.', {
        details: { limit: limits.messageLength, length: text.length },
      });
    }
    this.#port.postMessage(text);
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    const { rate } = this.#options;
    if (typeof data !== 'string' || (rate && data.length > limits.messageLength)) {
      this.close();
      return;
    }
    const message = parse(data);
    if (message === null) return;
    if (rate?.take() === false) this.#refuse(message);
    else if (message.method === undefined) this.#settle(message);
    else this.#call(message.method, message, data.length);
  }

  /** Too many messages: calls get an error, notifications are lost, a flood ends the connection. */
  #refuse({ id, method }: RpcMessage): void {
    this.#refused += 1;
    if (this.#refused > MOST_REFUSED) this.close();
    else if (id !== undefined && method !== undefined) {
      this.#fail(id, new AppError('embed/limit', 'Too many messages at once. Wait a moment.'));
    }
  }

  #settle({ id, result, error }: RpcMessage): void {
    const pending = this.#pending.get(id ?? 0);
    if (error === undefined) pending?.resolve(result);
    else pending?.reject(fromWire(error));
  }

  #call(method: string, { id, params }: RpcMessage, length: number): void {
    const about = (params as { readonly id?: unknown; readonly value?: unknown } | undefined) ?? {};
    if (method === VALUE) this.#pending.get(Number(about.id))?.onValue?.(about.value);
    else if (method === CANCEL) this.#served.get(Number(about.id))?.abort();
    else if (id === undefined) void this.#serve(method, params, length, new AbortController());
    else if (this.#served.size >= limits.openCalls || this.#served.has(id)) {
      this.#fail(id, new AppError('embed/limit', 'Too many calls at once. Wait for some to end.'));
    } else void this.#answer(id, method, params, length);
  }

  async #answer(id: number, method: string, params: unknown, length: number): Promise<void> {
    const controller = new AbortController();
    this.#served.set(id, controller);
    const outcome = await this.#serve(method, params, length, controller, (value) => {
      if (!this.#closed) this.#send({ method: VALUE, params: { id, value } });
    });
    this.#served.delete(id);
    if (this.#closed) return;
    if ('error' in outcome) this.#fail(id, outcome.error);
    else this.#send({ id, result: outcome.result ?? null });
  }

  async #serve(
    method: string,
    params: unknown,
    length: number,
    { signal }: AbortController,
    emit: (value: unknown) => void = () => undefined,
  ): Promise<{ readonly result: unknown } | { readonly error: AppError }> {
    try {
      return { result: await this.#options.serve(method, params, { signal, emit, length }) };
    } catch (thrown) {
      return { error: toAppError(thrown) };
    }
  }

  #fail(id: number, { code, message, details }: AppError): void {
    this.#send({ id, error: { code: APPLICATION_ERROR, message, data: { code, details } } });
  }
}

function closedError(): AppError {
  return new AppError('embed/closed', 'The connection between the page and Hermit has ended.');
}

/** Null for what is no message at all; fields of a wrong type count as missing. */
function parse(text: string): RpcMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // whoever sends this speaks another protocol; there is no call to answer
  }
  if (typeof value !== 'object' || value === null) return null;
  const { id, method, params, result, error } = value as Readonly<Record<string, unknown>>;
  return {
    ...(Number.isSafeInteger(id) ? { id: id as number } : {}),
    ...(typeof method === 'string' ? { method } : {}),
    ...(typeof error === 'object' && error !== null ? { error: error as RpcError } : {}),
    params,
    result,
  };
}

function fromWire({ message, data }: RpcError): AppError {
  const text = typeof message === 'string' ? message : '';
  return new AppError(data?.code ?? 'internal', text, { details: data?.details ?? {} });
}
