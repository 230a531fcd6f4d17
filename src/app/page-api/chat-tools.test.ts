import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  loadedModel,
  ScriptedEngine,
  scriptedRuntime,
} from '../../../test/fixtures/scripted-engine.ts';
import { tokenMark } from '../../common/token-mark.ts';
import type { ModelRuntime } from '../model-runtime.ts';
import { Turns } from '../turns.ts';
import { ChatCompletions } from './chat-completions.ts';
import type {
  ChatCompletionChunk,
  ChatCompletionRequest,
  ChatTool,
  ChatToolCall,
  ResponseFormat,
} from '../../common/openai-types.ts';

let engine: ScriptedEngine;
let chat: ChatCompletions;
let close: () => void;
let runtime: ModelRuntime;

beforeEach(async () => {
  engine = new ScriptedEngine();
  engine.model = loadedModel({
    chatTemplate:
      "{% if tools %}{{ tools|tojson }}{% endif %}{% if enable_thinking is defined %}[{{ 'thinks' if enable_thinking else 'quick' }}]{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.tool_calls is defined %}<tool_call>{{ m.tool_calls[0].function.arguments|tojson }}{% endif %}{% endfor %}[assistant]",
    specialSpellings: ['<tool_call>', '</tool_call>', '<s>'],
  });
  const scripted = scriptedRuntime(engine);
  ({ close, runtime } = scripted);
  await runtime.load('m', { precision: 'auto', contextLength: 2048 });
  chat = new ChatCompletions({
    ...scripted,
    turns: new Turns(),
    ensureModel: () => {
      const state = runtime.state.value;
      return Promise.resolve(state.kind === 'ready' ? state.id : '');
    },
  });
});
afterEach(() => {
  close();
});

const tool = (name: string): ChatTool => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: {} } },
});
const request = {
  messages: [{ role: 'user', content: 'Weather?' }],
  tools: [tool('get_weather'), tool('add')],
} as const satisfies ChatCompletionRequest;

const mark = (text: string): string => text.replaceAll(/<\/?tool_call>/g, `${tokenMark}$&`);
const call = (name: string): string =>
  mark(`<tool_call>{"name":"${name}","arguments":{"a":1}}</tool_call>`);

/** The next answer, character by character. */
function answer(text: string): void {
  const next = engine.nextAnswer();
  for (const character of text) next.write(character);
  next.end();
}

async function chunksOf(asked: ChatCompletionRequest): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await chat.create({ ...asked, stream: true })) chunks.push(chunk);
  return chunks;
}

describe('tools', () => {
  it('reach the template, and the calls of the answer the script', async () => {
    answer(`<think>Hm.</think>I look.${call('get_weather')}${call('add')}`);
    const { choices } = await chat.create(request);
    const [{ message, finish_reason }] = choices;
    expect(finish_reason).toBe('tool_calls');
    expect(message).toMatchObject({
      role: 'assistant',
      content: 'I look.',
      reasoning_content: 'Hm.',
      tool_calls: [
        { type: 'function', function: { name: 'get_weather', arguments: '{"a":1}' } },
        { type: 'function', function: { name: 'add' } },
      ],
    });
    const ids = message.tool_calls?.map(({ id }) => id) ?? [];
    expect(new Set(ids).size).toBe(2);
    expect(engine.promptText(0)).toContain('"name": "get_weather"');
    expect(engine.requests[0]?.markedTokens).toEqual(['<tool_call>', '</tool_call>']);
  });

  it('come in deltas that put together are the answer', async () => {
    answer(`Look: ${call('add')}`);
    const chunks = await chunksOf(request);
    const deltas = chunks.map(({ choices }) => choices[0]?.delta);
    expect(deltas.map((delta) => delta?.content ?? '').join('')).toBe('Look: ');
    const calls = deltas.flatMap((delta) => delta?.tool_calls ?? []);
    expect(calls).toMatchObject([
      { index: 0, type: 'function', function: { name: 'add', arguments: '' } },
      { index: 0, function: { arguments: '{"a":1}' } },
    ]);
    expect(calls[1]).not.toHaveProperty('id');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('make one call when several are not wanted, and the engine stops then', async () => {
    const next = engine.nextAnswer();
    next.write(call('add'));
    const { choices, usage } = await chat.create({ ...request, parallel_tool_calls: false });
    expect(choices[0].message.tool_calls).toHaveLength(1);
    expect(choices[0].message.content).toBeNull();
    expect(choices[0].finish_reason).toBe('tool_calls');
    expect(next.stopped).toBe(true);
    expect(usage.completion_tokens).toBeGreaterThan(0);
  });

  it('are not told of with the choice "none", and one alone by its name', async () => {
    await chat.create({ ...request, tool_choice: 'none' });
    expect(engine.promptText(0)).toBe('[user]Weather?[assistant]');
    expect(engine.requests).toHaveLength(1);
  });

  it('are text when malformed, or spelled in letters', async () => {
    answer(mark('<tool_call>{"name":') + '<tool_call>');
    const { choices } = await chat.create(request);
    expect(choices[0].message.content).toBe('<tool_call>{"name":<tool_call>');
    expect(choices[0].finish_reason).toBe('stop');
  });

  it('give their results back to the model', async () => {
    answer(call('get_weather'));
    const [{ message }] = (await chat.create(request)).choices;
    await chat.create({
      ...request,
      messages: [
        ...request.messages,
        message,
        { role: 'tool', tool_call_id: message.tool_calls?.[0]?.id ?? '', content: '18 <s> C' },
      ],
    });
    expect(engine.promptText(1)).toMatch(
      /\[user\]Weather\?\[assistant\](None)?<tool_call>\{"a": 1\}\[tool\]18 <\uFDD0s> C\[assistant\]$/,
    );
  });

  it.each<[string, Partial<Record<keyof ChatCompletionRequest, unknown>>]>([
    ['tools', { tools: 5 }],
    ['tools', { tools: Array.from({ length: 129 }, (_, index) => tool(`t${index}`)) }],
    ['tools[0]', { tools: ['x'] }],
    ['tools[0].function', { tools: [{ type: 'function' }] }],
    ['tools[0].function.name', { tools: [tool('a b')] }],
    ['tools[1].function.name', { tools: [tool('a'), tool('a')] }],
    [
      'tools[0].function.parameters',
      { tools: [{ type: 'function', function: { name: 'a', parameters: [] } }] },
    ],
    ['tool_choice', { tool_choice: 'maybe' }],
    ['tool_choice', { tool_choice: { type: 'function', function: { name: 'gone' } } }],
    ['tools', { tools: [], tool_choice: 'required' }],
    ['parallel_tool_calls', { parallel_tool_calls: 1 }],
    ['chat_template_kwargs', { chat_template_kwargs: 'x' }],
    ['n', { n: 0 }],
    ['n', { n: 129 }],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'x', tool_call_id: 'y' }] }],
    ['messages[0].tool_calls', { messages: [{ role: 'assistant', tool_calls: 'x' }] }],
    ['messages[0].content', { messages: [{ role: 'assistant', tool_calls: [] }] }],
    [
      'messages[0].tool_calls[0].function.arguments',
      {
        messages: [
          {
            role: 'assistant',
            tool_calls: [
              {
                id: 'a',
                type: 'function',
                function: { name: 'a', arguments: '[1]' },
              } satisfies ChatToolCall,
            ],
          },
        ],
      },
    ],
  ])('that are wrong are refused by the field: %s', async (field, change) => {
    const asked = { ...request, ...change } as ChatCompletionRequest;
    await expect(chat.create(asked)).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field },
    });
    expect(engine.requests).toEqual([]);
  });
});

describe('template variables', () => {
  it('reach the template but do not replace its own', async () => {
    const chat_template_kwargs = { enable_thinking: false, messages: [] };
    await chat.create({ messages: request.messages, chat_template_kwargs });
    expect(engine.promptText(0)).toBe('[quick][user]Weather?[assistant]');
  });
});

describe('several answers', () => {
  it('are written one after the other with seeds of their own, and counted together', async () => {
    answer('One');
    answer(call('add'));
    const response = await chat.create({ ...request, n: 2, seed: 7 });
    expect(response.choices).toMatchObject([
      { index: 0, message: { content: 'One' }, finish_reason: 'stop' },
      { index: 1, message: { content: null }, finish_reason: 'tool_calls' },
    ]);
    expect(engine.requests.map(({ sampling }) => sampling.seed)).toEqual([7, 8]);
    expect(response.usage).toMatchObject({
      prompt_tokens: 5,
      completion_tokens: 6,
      total_tokens: 11,
    });
  });

  it('tell the usage once at the end of a stream', async () => {
    const chunks = await chunksOf({ ...request, n: 2, stream_options: { include_usage: true } });
    expect(chunks.filter(({ usage }) => usage !== null)).toHaveLength(1);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 6 } });
    expect(
      chunks.flatMap(({ choices }) => choices).filter((c) => c.finish_reason !== null),
    ).toMatchObject([{ index: 0 }, { index: 1 }]);
  });
});

describe('a call that must be made', () => {
  it('is begun by the prompt and bounded by the schemas of the tools', async () => {
    answer('{"name":"add","arguments":{}}');
    const { choices } = await chat.create({ ...request, tool_choice: 'required' });
    expect(engine.promptText(0)).toMatch(/\[quick\].*\[assistant\]<tool_call>\n$/s);
    const names = engine.requests[0]?.grammar?.map(({ schema }) => schema);
    expect(names).toMatchObject([
      { properties: { name: { const: 'get_weather' } } },
      { properties: { name: { const: 'add' } } },
    ]);
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, tool_calls: [{ function: { name: 'add', arguments: '{}' } }] },
    });
  });

  it('may be named', async () => {
    answer('{"name":"add","arguments":{}}');
    const tool_choice = { type: 'function', function: { name: 'add' } } as const;
    await chat.create({ ...request, tool_choice });
    expect(engine.requests[0]?.grammar).toHaveLength(1);
    expect(engine.promptText(0)).not.toContain('get_weather');
  });
});

describe('an answer of a form', () => {
  const schema = { type: 'object', properties: { a: { type: 'integer' } } } as const;
  it.each<[ResponseFormat, unknown]>([
    [{ type: 'json_object' }, { type: 'object' }],
    [{ type: 'json_schema', json_schema: { name: 'x', schema, strict: true } }, schema],
  ])('is bounded by its grammar: %j', async (response_format, expected) => {
    answer('{"name": "add"}');
    const { messages } = request;
    const { choices } = await chat.create({ messages, response_format });
    expect(engine.requests[0]?.grammar).toEqual([{ before: '', schema: expected, after: '' }]);
    expect(choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: '{"name": "add"}' },
    });
  });

  it('is written after the reasoning that the prompt opens is closed', async () => {
    engine.model = loadedModel({ chatTemplate: '<think>\n' });
    await runtime.load('other', { precision: 'auto', contextLength: 1024 });
    answer('{}');
    const { choices } = await chat.create({
      messages: request.messages,
      response_format: { type: 'json_object' },
    });
    expect(engine.promptText(engine.requests.length - 1)).toBe('<think>\n</think>\n\n');
    expect(choices[0].message).toEqual({ role: 'assistant', content: '{}', refusal: null });
  });

  it.each<[string, string, unknown]>([
    ['not-supported', 'response_format', { response_format: { type: 'yaml' } }],
    [
      'not-supported',
      'response_format',
      { response_format: { type: 'json_object' }, tools: request.tools },
    ],
    ['invalid-argument', 'response_format', { response_format: 'json' }],
    [
      'invalid-argument',
      'response_format.json_schema',
      { response_format: { type: 'json_schema' } },
    ],
    [
      'invalid-argument',
      'response_format.json_schema.schema',
      { response_format: { type: 'json_schema', json_schema: {} } },
    ],
  ])('that cannot be is refused: %s %s', async (code, field, change) => {
    const asked = { messages: request.messages, ...(change as object) };
    await expect(chat.create(asked)).rejects.toMatchObject({ code, details: { field } });
  });
});

describe('requests that wait', () => {
  it('are answered by their priority, but for the one that is prepared already', async () => {
    const running = engine.nextAnswer();
    const { messages } = request;
    const first = chat.create({ messages });
    await vi.waitFor(() => {
      expect(engine.requests).toHaveLength(1);
    });
    const asked = (content: string, priority: 'high' | 'normal' | 'low') =>
      chat.create({ messages: [{ role: 'user', content }] }, { priority });
    const all = [
      asked('next', 'normal'),
      asked('later', 'low'),
      asked('soon', 'normal'),
      asked('now', 'high'),
    ];
    running.end();
    await Promise.all([first, ...all]);
    const prompts = [1, 2, 3, 4].map((index) => engine.promptText(index));
    expect(prompts).toEqual(
      ['next', 'now', 'soon', 'later'].map((text) => `[user]${text}[assistant]`),
    );
  });

  it('have a priority that is known', async () => {
    const options = { priority: 'urgent' } as unknown as { priority: 'high' };
    await expect(chat.create({ messages: request.messages }, options)).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field: 'priority' },
    });
  });
});
