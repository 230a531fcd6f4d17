/**
 * `hermit` on the other side of a port: the page API of the frame, for the page around it. Every call
 * needs the person's consent, for which the frame asks at the first one.
 */
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Completion,
  CompletionRequest,
  EmbeddingRequest,
  EmbeddingResponse,
} from '../../common/openai-types.ts';
import type { RequestOptions } from '../peer.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly priority?: 'high' | 'normal' | 'low';
}

export interface Progress {
  readonly bytesDone: number;
  readonly bytesTotal: number | null;
}

/** A model of the frame's library; more fields than these are there. */
export interface InstalledModel {
  readonly id: string;
  readonly name: string;
  readonly fileName: string;
  readonly bytesTotal: number | null;
  readonly state: { readonly kind: string };
}

interface CreateChat {
  (
    request: ChatCompletionRequest & { readonly stream: true },
    options?: CallOptions,
  ): Promise<AsyncIterable<ChatCompletionChunk>>;
  (
    request: ChatCompletionRequest & { readonly stream?: false | null },
    options?: CallOptions,
  ): Promise<ChatCompletion>;
  (
    request: ChatCompletionRequest,
    options?: CallOptions,
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
}

interface CreateCompletion {
  (
    request: CompletionRequest & { readonly stream: true },
    options?: CallOptions,
  ): Promise<AsyncIterable<Completion>>;
  (
    request: CompletionRequest & { readonly stream?: false | null },
    options?: CallOptions,
  ): Promise<Completion>;
  (
    request: CompletionRequest,
    options?: CallOptions,
  ): Promise<Completion | AsyncIterable<Completion>>;
}

/** What `globalThis.hermit` offers, as far as it can cross a port: everything but files. */
export interface HermitClient {
  readonly models: {
    list(): Promise<readonly InstalledModel[]>;
    /** The person is shown what it costs and decides. Resolves with the model's id. */
    install(
      source: string | { readonly url: string; readonly sha256?: string },
      options?: CallOptions & { readonly onProgress?: (progress: Progress) => void },
    ): Promise<string>;
    load(
      id: string,
      options?: CallOptions & {
        readonly backend?: 'auto' | 'wasm' | 'webgpu';
        readonly precision?: 'auto' | 8 | 4;
        readonly contextLength?: number;
        readonly onProgress?: (fraction: number) => void;
      },
    ): Promise<unknown>;
    unload(id?: string): Promise<void>;
    verify(id: string): Promise<void>;
  };
  readonly chat: { readonly completions: { readonly create: CreateChat } };
  readonly completions: { readonly create: CreateCompletion };
  readonly embeddings: {
    create(request: EmbeddingRequest, options?: CallOptions): Promise<EmbeddingResponse>;
  };
  tokenize(
    modelId: string,
    text: string,
    options?: { readonly special?: boolean; readonly boundary?: boolean },
  ): Promise<number[]>;
  detokenize(
    modelId: string,
    ids: readonly number[],
    options?: { readonly special?: boolean },
  ): Promise<string>;
  readonly device: { report(): Promise<Readonly<Record<string, unknown>>> };
  /** How the model computes at the moment and why; who decides it is the person's choice, in the frame. */
  readonly policy: {
    current(): Promise<PolicyReport>;
    /** Calls `listener` at every change until the returned function is called. */
    onChange(listener: (report: PolicyReport) => void): () => void;
  };
}

/** As codes with numbers; more fields than these are there. */
export interface PolicyReport {
  readonly mode: 'saver' | 'balanced' | 'performance' | 'manual';
  readonly plan: { readonly precision: 8 | 4 | 'mixed'; readonly threads: 'auto' | number };
  readonly reasons: readonly { readonly code: string }[];
}

export type Request = (
  method: string,
  params: unknown,
  options?: RequestOptions,
) => Promise<unknown>;

interface Options extends CallOptions {
  readonly onProgress?: (progress: never) => void;
}

/** The client of whatever answers requests; its shape is checked here, its results are the frame's word. */
export function createClient(request: Request): HermitClient {
  /** `arity`: parameters before the options. */
  const method =
    (name: string, arity: number) =>
    async (...given: readonly unknown[]): Promise<unknown> => {
      const { signal, onProgress, ...options } = (given[arity] ?? {}) as Options;
      const params = [...given.slice(0, arity), options];
      return request(name, params, { signal, onValue: onProgress as (value: unknown) => void });
    };
  const creating = (name: string) => {
    const create = method(name, 1);
    return (body: { readonly stream?: boolean | null }, options: CallOptions = {}) =>
      body.stream === true ? openStream(request, name, body, options) : create(body, options);
  };
  const client = {
    models: {
      list: method('models.list', 0),
      install: method('models.install', 1),
      load: method('models.load', 1),
      unload: method('models.unload', 1),
      verify: method('models.verify', 1),
    },
    chat: { completions: { create: creating('chat.completions.create') } },
    completions: { create: creating('completions.create') },
    embeddings: { create: method('embeddings.create', 1) },
    tokenize: method('tokenize', 2),
    detokenize: method('detokenize', 2),
    device: { report: method('device.report', 0) },
    policy: {
      current: method('policy.current', 0),
      onChange: (listener: (report: PolicyReport) => void) => {
        const watching = new AbortController();
        const onValue = listener as (value: unknown) => void;
        // It ends when it is stopped or when the frame is gone, and neither is anybody's mistake.
        request('policy.watch', [], { signal: watching.signal, onValue }).catch(() => undefined);
        return () => {
          watching.abort();
        };
      },
    },
  };
  return client as unknown as HermitClient;
}

/** Resolves when the request was accepted; leaving the loop early gives the answer up. */
function openStream(
  request: Request,
  name: string,
  body: unknown,
  { signal, ...options }: CallOptions,
): Promise<AsyncIterable<unknown>> {
  const left = new AbortController();
  const values: unknown[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake = (): void => undefined;
  async function* iterate(): AsyncGenerator {
    try {
      for (;;) {
        if (values.length > 0) yield values.shift();
        else if (failure !== undefined) throw failure;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      left.abort();
    }
  }
  return new Promise((resolve, reject) => {
    request(name, [body, options], {
      signal: signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]),
      onValue: (value) => {
        // The first value says only that the request was accepted.
        if (value === null) resolve(iterate());
        else values.push(value);
        wake();
      },
    }).then(
      () => {
        ended = true;
        wake();
      },
      (error: unknown) => {
        failure = error as Error;
        reject(error);
        wake();
      },
    );
  });
}
