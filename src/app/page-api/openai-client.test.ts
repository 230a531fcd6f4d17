/** The official client of the OpenAI API, answered by the page API instead of a server. */
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  loadedModel,
  ScriptedEngine,
  scriptedRuntime,
} from '../../../test/fixtures/scripted-engine.ts';
import { tokenMark } from '../../common/token-mark.ts';
import { openAiFetch } from '../../embed/host/openai-fetch.ts';
import { Turns } from '../turns.ts';
import { ChatCompletions } from './chat-completions.ts';
import { Completions } from './completions.ts';

let engine: ScriptedEngine;
let openai: OpenAI;
let close: () => void;

beforeEach(async () => {
  engine = new ScriptedEngine();
  engine.model = loadedModel({
    chatTemplate:
      '{% if tools %}{{ tools|tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.tool_calls is defined %}<tool_call>{{ m.tool_calls[0].function.arguments|tojson }}{% endif %}{% endfor %}[assistant]',
    specialSpellings: ['<tool_call>', '</tool_call>'],
  });
  const scripted = scriptedRuntime(engine);
  close = scripted.close;
  await scripted.runtime.load('m', { precision: 'auto', contextLength: 2048 });
  const completing = { ...scripted, turns: new Turns(), ensureModel: () => Promise.resolve('m') };
  const listed = {
    id: 'm',
    name: 'M',
    fileName: 'm.gguf',
    bytesTotal: 1,
    state: { kind: 'ready' },
  };
  openai = new OpenAI({
    apiKey: 'none',
    dangerouslyAllowBrowser: true,
    fetch: openAiFetch({
      chat: { completions: new ChatCompletions(completing) },
      completions: new Completions(completing),
      embeddings: { create: () => Promise.reject(new Error('no embedding model')) },
      models: {
        list: () => Promise.resolve([listed, { ...listed, id: 'n', state: { kind: 'paused' } }]),
      },
    }),
  });
});
afterEach(() => {
  close();
});

/** The next answer, character by character. */
function answer(text: string): void {
  const next = engine.nextAnswer();
  for (const character of text.replaceAll(/<\/?tool_call>/g, `${tokenMark}$&`)) {
    next.write(character);
  }
  next.end();
}

const messages = [{ role: 'user' as const, content: 'Weather in Paris?' }];

describe('the official client', () => {
  it('streams a chat', async () => {
    answer('It rains. ☂');
    const stream = await openai.chat.completions.create({
      model: 'm',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    let tokens = 0;
    for await (const chunk of stream) {
      pieces.push(chunk.choices[0]?.delta.content ?? '');
      tokens = chunk.usage?.total_tokens ?? tokens;
    }
    expect(pieces.join('')).toBe('It rains. ☂');
    expect(pieces.length).toBeGreaterThan(5);
    expect(tokens).toBeGreaterThan(0);
    expect(engine.promptText(0)).toContain('[user]Weather in Paris?');
  });

  it('gives up in the middle of a stream', async () => {
    const next = engine.nextAnswer();
    next.write('It rains');
    const stream = await openai.chat.completions.create({ model: 'm', messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    await expect.poll(() => next.stopped).toBe(true);
  });

  it('runs a tool and answers with what it gave', async () => {
    answer('<tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call>');
    answer('It rains in Paris.');
    const runner = openai.chat.completions.runTools({
      model: 'm',
      messages,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells the weather.',
            parse: JSON.parse,
            parameters: { type: 'object', properties: { city: { type: 'string' } } },
            function: ({ city }: { city: string }) => `Rain over ${city}.`,
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('It rains in Paris.');
    expect(engine.promptText(1)).toContain('[tool]Rain over Paris.');
  });

  it('parses an answer in the shape of a schema', async () => {
    answer('{"city":"Paris","rain":true}');
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' }, rain: { type: 'boolean' } },
      required: ['city', 'rain'],
      additionalProperties: false,
    };
    const completion = await openai.chat.completions.parse({
      model: 'm',
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'weather', schema, strict: true },
      },
    });
    const [choice] = completion.choices;
    expect(choice?.message.parsed).toEqual({ city: 'Paris', rain: true });
    // The engine is bound to the schema while it writes.
    expect(engine.requests[0]?.grammar).toBeDefined();
  });

  it('completes raw text and lists models', async () => {
    answer(' upon a time');
    const { choices } = await openai.completions.create({ model: 'm', prompt: 'Once' });
    expect(choices[0]?.text).toBe(' upon a time');
    const listed = await openai.models.list();
    expect(listed.data.map(({ id }) => id)).toEqual(['m']);
    expect(await openai.models.retrieve('m')).toMatchObject({ id: 'm', object: 'model' });
  });

  it('throws errors with status, code and field, and asks once', async () => {
    await expect(
      openai.chat.completions.create({ model: 'm', messages, temperature: 99 }),
    ).rejects.toMatchObject({ status: 400, code: 'invalid-argument', param: 'temperature' });
    await expect(openai.models.retrieve('gone')).rejects.toMatchObject({
      status: 404,
      code: 'store/not-found',
    });
    await expect(openai.images.generate({ prompt: 'a cat' })).rejects.toMatchObject({
      status: 400,
      code: 'not-supported',
    });
    await expect(openai.embeddings.create({ model: 'm', input: 'x' })).rejects.toMatchObject({
      status: 500,
    });
  });
});
