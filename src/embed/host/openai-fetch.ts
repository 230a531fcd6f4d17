/**
 * `fetch` for the `openai` package (https://github.com/openai/openai-node): what it would ask a server
 * is answered by Hermit.
 *
 *     new OpenAI({ apiKey: 'none', dangerouslyAllowBrowser: true, fetch: openAiFetch(hermit) })
 *
 * Knows POST /chat/completions, /completions and /embeddings, GET /models and /models/ID below any
 * base address; nothing is sent to that address.
 */
import { AppError, toAppError, type ErrorCode } from '../../common/errors.ts';
import type { HermitClient, InstalledModel } from './client.ts';

/** As much of `hermit` as is needed: the global one fits too. */
export type AnsweringHermit = Pick<HermitClient, 'chat' | 'completions' | 'embeddings'> & {
  readonly models: Pick<HermitClient['models'], 'list'>;
};

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

const statuses: Partial<Record<ErrorCode, number>> = {
  'invalid-argument': 400,
  'not-supported': 400,
  'engine/context-overflow': 400,
  'embed/refused': 403,
  'engine/not-loaded': 404,
  'store/not-found': 404,
  'embed/limit': 429,
  'engine/busy': 429,
};

export function openAiFetch(hermit: AnsweringHermit): Fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    try {
      return await answer(hermit, request);
    } catch (thrown) {
      const { code, message, details } = toAppError(thrown);
      if (code === 'aborted') throw new DOMException(message, 'AbortError');
      const param = typeof details['field'] === 'string' ? details['field'] : null;
      // A second try would be answered by the same device.
      const headers = { 'x-should-retry': 'false' };
      const error = { message, type: 'hermit_error', code, param };
      return Response.json({ error }, { status: statuses[code] ?? 500, headers });
    }
  };
}

async function answer(hermit: AnsweringHermit, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, route = ''] =
    /\/(chat\/completions|completions|embeddings|models(?:\/[^/]+)?)$/.exec(pathname) ?? [];
  if (request.method === 'GET' && route.startsWith('models')) {
    return Response.json(await models(hermit, decodeURIComponent(route.slice('models/'.length))));
  }
  const body = request.method === 'POST' ? ((await request.json()) as never) : undefined;
  // Whoever reads no further gives the answer up, too.
  const left = new AbortController();
  const signal = AbortSignal.any([request.signal, left.signal]);
  const leave = (): void => {
    left.abort();
  };
  switch (body === undefined ? '' : route) {
    case 'chat/completions':
      return responseOf(await hermit.chat.completions.create(body as never, { signal }), leave);
    case 'completions':
      return responseOf(await hermit.completions.create(body as never, { signal }), leave);
    case 'embeddings':
      return Response.json(await hermit.embeddings.create(body as never, { signal }));
    default:
      throw new AppError('not-supported', `Hermit does not answer ${request.method} ${pathname}.`);
  }
}

async function models(hermit: AnsweringHermit, id: string): Promise<unknown> {
  const installed = await hermit.models.list();
  const ready = installed.filter(({ state }) => state.kind === 'ready');
  if (id === '') return { object: 'list', data: ready.map(modelOf) };
  const found = ready.find((model) => model.id === id);
  if (found === undefined) throw new AppError('store/not-found', `There is no model "${id}".`);
  return modelOf(found);
}

function modelOf({ id }: InstalledModel): unknown {
  return { id, object: 'model', created: 0, owned_by: 'this device' };
}

/** A stream as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
function responseOf(result: object, leave: () => void): Response {
  if (!(Symbol.asyncIterator in result)) return Response.json(result);
  const chunks: AsyncIterator<unknown, unknown> = (result as AsyncIterable<unknown>)[
    Symbol.asyncIterator
  ]();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await chunks.next();
        const data = done === true ? '[DONE]' : JSON.stringify(value);
        controller.enqueue(encoder.encode(`data: ${data}\n\n`));
        if (done === true) controller.close();
      } catch (thrown) {
        const { code, message } = toAppError(thrown);
        const error = { message, type: 'hermit_error', code };
        controller.enqueue(encoder.encode(`data: ${JSON.stringify({ error })}\n\n`));
        controller.close();
      }
    },
    cancel: leave,
  });
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
}
