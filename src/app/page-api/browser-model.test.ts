import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChatCompletionRequest } from '../../common/openai-types.ts';
import { browserModelReady } from './browser-model.ts';
import { ChatCompletions } from './chat-completions.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** As the Prompt API's specification has it; answers with these pieces, and notes what it is told. */
function languageModel(pieces: readonly string[], availability = 'available') {
  const told: { created?: unknown; prompted?: unknown; constraint?: unknown } = {};
  const sessions = { open: 0, cancelled: 0 };
  vi.stubGlobal('LanguageModel', {
    availability: () => Promise.resolve(availability),
    params: () => Promise.resolve({ defaultTemperature: 1, defaultTopK: 3 }),
    create: ({ signal, ...options }: { signal?: AbortSignal }) => {
      signal?.throwIfAborted();
      told.created = options;
      sessions.open += 1;
      return Promise.resolve({
        inputUsage: 12,
        destroy: () => (sessions.open -= 1),
        promptStreaming: (
          input: unknown,
          asked: { signal?: AbortSignal; responseConstraint?: unknown },
        ) => {
          told.prompted = input;
          told.constraint = asked.responseConstraint;
          const left = [...pieces];
          return new ReadableStream<string>({
            pull: (controller) => {
              if (asked.signal?.aborted === true) {
                controller.error(new DOMException('stopped', 'AbortError'));
                return;
              }
              const piece = left.shift();
              if (piece === undefined) controller.close();
              else controller.enqueue(piece);
            },
            cancel: () => void (sessions.cancelled += 1),
          });
        },
      });
    },
  });
  return { told, sessions };
}

// Nothing of Hermit's own engine may be needed.
const chat = new ChatCompletions({} as never);
const hello = [{ role: 'user' as const, content: 'Hello' }];
const ask = (more: Partial<ChatCompletionRequest> = {}, signal?: AbortSignal) =>
  chat.create(
    { model: 'browser', messages: hello, ...more, stream: false },
    signal === undefined ? {} : { signal },
  );

describe('the browser’s own model', () => {
  it('answers in the shapes of every other one', async () => {
    const { told, sessions } = languageModel(['Good ', 'day', '.']);
    const messages = [{ role: 'system' as const, content: 'Be kind.' }, ...hello];
    const { choices, usage, model } = await ask({ messages, temperature: 0.5 });
    expect(choices).toMatchObject([
      { message: { role: 'assistant', content: 'Good day.' }, finish_reason: 'stop' },
    ]);
    expect(model).toBe('browser');
    expect(usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 });
    expect(told.created).toEqual({
      initialPrompts: [{ role: 'system', content: 'Be kind.' }],
      temperature: 0.5,
      topK: 3,
    });
    expect(told.prompted).toEqual(hello);
    expect(sessions.open).toBe(0);
  });

  it('streams, and gives the rest up when nobody reads on', async () => {
    const { sessions } = languageModel(['a', 'b', 'c']);
    const stream = await chat.create({ model: 'browser', messages: hello, stream: true });
    let text = '';
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? '';
      if (text === 'ab') break;
    }
    expect(text).toBe('ab');
    expect(sessions).toEqual({ open: 0, cancelled: 1 });
  });

  it('ends before a stop word that comes in pieces, and at a limit', async () => {
    languageModel(['one ', 'E', 'N', 'D two']);
    expect((await ask({ stop: ['END'] })).choices[0]).toMatchObject({
      message: { content: 'one ' },
      finish_reason: 'stop',
    });
    expect((await ask({ stop: 'ENDE' })).choices[0]?.message.content).toBe('one END two');
    expect((await ask({ max_tokens: 2 })).choices[0]).toMatchObject({
      message: { content: 'one E' },
      finish_reason: 'length',
    });
  });

  it('is given the schema that the answer must have', async () => {
    const { told } = languageModel(['{}']);
    const schema = { type: 'object', properties: {} };
    const json_schema = { name: 'x', schema };
    await ask({ response_format: { type: 'json_schema', json_schema } });
    expect(told.constraint).toEqual(schema);
  });

  it.each([
    ['seed', { seed: 1 }],
    ['logprobs', { logprobs: true }],
    ['n', { n: 2 }],
    ['messages', { messages: [...hello, { role: 'assistant' as const, content: 'Hi' }] }],
    ['tools', { tools: [{ type: 'function' as const, function: { name: 'f' } }] }],
  ])('refuses %s by name', async (field, more) => {
    languageModel(['x']);
    await expect(ask(more)).rejects.toMatchObject({ code: 'not-supported', details: { field } });
  });

  it('is not there where it would have to be downloaded first, or is unknown', async () => {
    languageModel(['x'], 'downloadable');
    expect(await browserModelReady()).toBe(false);
    await expect(ask()).rejects.toMatchObject({ code: 'engine/not-loaded' });
    vi.stubGlobal('LanguageModel', undefined);
    expect(await browserModelReady()).toBe(false);
    await expect(ask()).rejects.toMatchObject({ code: 'engine/not-loaded' });
  });

  it('stops when it is told to', async () => {
    const { sessions } = languageModel(['a', 'b']);
    const stopping = new AbortController();
    const stream = await chat.create(
      { model: 'browser', messages: hello, stream: true },
      { signal: stopping.signal },
    );
    const reading = (async () => {
      for await (const { choices } of stream)
        if (choices[0]?.delta.content === 'a') stopping.abort();
    })();
    await expect(reading).rejects.toMatchObject({ code: 'aborted' });
    expect(sessions.open).toBe(0);
  });
});
