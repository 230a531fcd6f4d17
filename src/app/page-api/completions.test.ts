import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScriptedEngine, scriptedRuntime } from '../../../test/fixtures/scripted-engine.ts';
import type { TokenReport } from '../../engine/engine.ts';
import { Turns } from '../turns.ts';
import { ChatCompletions } from './chat-completions.ts';
import { Completions } from './completions.ts';
import type { ChatCompletionRequest, CompletionRequest } from '../../common/openai-types.ts';

const options = { precision: 'auto', contextLength: 2048 } as const;
const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)];

let engine: ScriptedEngine;
let completions: Completions;
let chat: ChatCompletions;
let close: () => void;

beforeEach(async () => {
  engine = new ScriptedEngine();
  const scripted = scriptedRuntime(engine);
  ({ close } = scripted);
  await scripted.runtime.load('m', options);
  const dependencies = {
    ...scripted,
    turns: new Turns(),
    ensureModel: () => Promise.resolve('m'),
  };
  completions = new Completions(dependencies);
  chat = new ChatCompletions(dependencies);
});
afterEach(() => {
  close();
});

/** A token that was chosen, with alternatives as text and log-probability. */
function report(text: string, logprob: number, top: Readonly<Record<string, number>>): TokenReport {
  return {
    token: text.codePointAt(0) ?? 0,
    text,
    bytes: bytesOf(text),
    logprob,
    top: Object.entries(top).map(([each, value]) => ({
      token: 0,
      text: each,
      bytes: bytesOf(each),
      logprob: value,
    })),
  };
}

describe('a completion', () => {
  it('hands the engine what the request says, and OpenAI defaults where it says nothing', async () => {
    await completions.create({
      prompt: 'ab',
      max_tokens: 3,
      temperature: 0.5,
      top_p: 0,
      top_k: 4,
      min_p: 0.25,
      seed: 9,
      stop: 'x',
      frequency_penalty: 1,
      presence_penalty: -1,
      logit_bias: { 7: -100 },
      logprobs: 2,
    });
    expect(engine.requests[0]).toMatchObject({
      prompt: { kind: 'tokens', tokens: [97, 98] },
      sampling: { temperature: 0.5, topK: 4, minP: 0.25, seed: 9 },
      penalties: { frequencyPenalty: 1, presencePenalty: -1, logitBias: new Map([[7, -100]]) },
      maxTokens: 3,
      stop: ['x'],
      topLogprobs: 2,
      continuation: true,
    });
    expect(engine.requests[0]?.sampling.topP).toBeGreaterThan(0);
    await completions.create({ prompt: [97] });
    expect(engine.requests[1]).toMatchObject({
      sampling: { temperature: 1, topK: 0, topP: 1, minP: 0 },
      penalties: { repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0 },
      maxTokens: 16,
      stop: [],
    });
    expect(engine.requests[1]?.topLogprobs).toBeUndefined();
  });

  it('lists the chosen token also when it is not among the likeliest', async () => {
    engine.tell([report('c', -3, { a: -0.5, b: -1 }), report('a', -0.5, { a: -0.5, b: -1 })]);
    const { choices } = await completions.create({ prompt: 'x', logprobs: 2 });
    expect(choices[0]?.logprobs).toEqual({
      tokens: ['c', 'a'],
      token_logprobs: [-3, -0.5],
      top_logprobs: [
        { a: -0.5, b: -1, c: -3 },
        { a: -0.5, b: -1 },
      ],
      text_offset: [0, 1],
    });
  });

  it('counts offsets in the text, the echoed prompt before it', async () => {
    engine.tell([report('é', -1, {}), report('!', -1, {})]);
    const request = { prompt: 'ab', echo: true, logprobs: 0 };
    const { choices, usage } = await completions.create(request);
    expect(choices[0]).toMatchObject({ text: 'abé!', token_ids: [97, 98, 233, 33] });
    expect(choices[0]?.logprobs?.text_offset).toEqual([0, 1, 2, 3]);
    expect(choices[0]?.logprobs?.token_logprobs).toEqual([null, -1, -1, -1]);
    expect(choices[0]?.logprobs?.top_logprobs[0]).toBeNull();
    expect(usage?.prompt_tokens_details.cached_tokens).toBe(0);
  });

  it('says length when the context ended it, and stop when the model or a stop text did', async () => {
    const reasons = [];
    for (const reason of ['stop', 'length', 'context'] as const) {
      const answer = engine.nextAnswer();
      answer.end(reason, 'rest');
      const { choices } = await completions.create({ prompt: 'a' });
      expect(choices[0]?.text).toBe('rest');
      reasons.push(choices[0]?.finish_reason);
    }
    expect(reasons).toEqual(['stop', 'length', 'length']);
  });

  it('refuses a bad request before anything is asked of the engine, streaming or not', async () => {
    const bad: object[] = [{ prompt: 5 }, { prompt: 'a', stream: true, max_tokens: 0.5 }];
    for (const request of bad) {
      await expect(completions.create(request as CompletionRequest)).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
    await expect(completions.create(null as never)).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field: 'request' },
    });
    expect(engine.requests).toEqual([]);
  });
});

describe('a chat completion', () => {
  it('renders the messages and adds the stop texts of the template', async () => {
    const answer = await chat.create({
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hel' },
            { type: 'text', text: 'lo' },
          ],
        },
      ],
      stop: ['x'],
    });
    expect(answer.choices[0]).toEqual({
      index: 0,
      message: { role: 'assistant', content: 'Fine.', refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    });
    expect(answer.usage).toEqual({
      prompt_tokens: 5,
      completion_tokens: 3,
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 2 },
    });
    expect(engine.promptText(0)).toBe('[system] Be brief.\n[user] Hello\n[assistant] ');
    expect(engine.requests[0]?.stop).toContain('x');
    expect(engine.requests[0]?.sampling.temperature).toBe(1);
  });

  it('prefers max_completion_tokens, the newer name', async () => {
    const messages = [{ role: 'user', content: 'a' }] as const;
    await chat.create({ messages, max_tokens: 5, max_completion_tokens: 7 });
    await chat.create({ messages, max_tokens: 5 });
    expect(engine.requests.map(({ maxTokens }) => maxTokens)).toEqual([7, 5]);
  });

  it('refuses what it cannot do instead of leaving it out', async () => {
    const messages = [{ role: 'user', content: 'a' }] as const;
    for (const [field, value] of Object.entries({
      functions: [{ name: 'f' }],
      response_format: { type: 'yaml' },
    })) {
      const request = { messages, [field]: value } as ChatCompletionRequest;
      await expect(chat.create(request)).rejects.toMatchObject({
        code: 'not-supported',
        details: { field },
      });
    }
    // What changes nothing may be said.
    const harmless = { messages, n: 1, functions: [], response_format: { type: 'text' } } as const;
    await expect(chat.create(harmless)).resolves.toMatchObject({ model: 'm' });
  });
});
