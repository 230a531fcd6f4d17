/**
 * `hermit.completions` and `hermit.chat.completions` in a real Chromium: the shapes of the OpenAI
 * API, sampling, stopping, waiting for each other, and what bad requests are told.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf, openApiPage, type ApiPage } from './page-api-harness.ts';

/** More answer than any machine writes before a stop arrives. */
const endless = 3900;
const someText: unknown = expect.any(String);
const question = [{ role: 'user', content: 'word300 word301' }] as const;

let api: ApiPage;
let page: Page;

beforeAll(async () => {
  api = await openApiPage();
  ({ page } = api);
  await page.evaluate(
    async ([one, two]) => {
      await hermit.models.install(one ?? '');
      await hermit.models.install(two ?? '');
      await hermit.models.load('one', { contextLength: 4096 });
    },
    [api.server.url('/one.gguf'), api.server.url('/two.gguf')],
  );
});
afterAll(async () => {
  await api.close();
});

describe('hermit.completions', () => {
  it('answers in the shape of the API', async () => {
    const completion = await page.evaluate(() =>
      hermit.completions.create({ prompt: [1, 300, 301], max_tokens: 5, temperature: 0 }),
    );
    expect(completion).toEqual({
      id: expect.stringMatching(/^cmpl-/) as unknown,
      object: 'text_completion',
      created: expect.closeTo(Date.now() / 1000, -2) as unknown,
      model: 'one',
      choices: [
        {
          index: 0,
          text: someText,
          token_ids: expect.any(Array) as unknown,
          logprobs: null,
          finish_reason: 'length',
        },
      ],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 5,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
    expect(completion.choices[0]?.token_ids).toHaveLength(5);
  });

  it('streams parts that make the same text, and tells the usage only when asked', async () => {
    const outcome = await page.evaluate(async () => {
      const request = { prompt: [1, 300, 301], max_tokens: 8, temperature: 0, logprobs: 1 };
      const whole = await hermit.completions.create(request);
      const collect = async (stream_options?: { include_usage: boolean }) => {
        const parts = [];
        const stream = await hermit.completions.create({
          ...request,
          stream: true,
          ...(stream_options === undefined ? {} : { stream_options }),
        });
        for await (const part of stream) parts.push(part);
        return parts;
      };
      return { whole, plain: await collect(), counted: await collect({ include_usage: true }) };
    });
    const { whole, plain, counted } = outcome;
    const text = (parts: typeof plain) =>
      parts.map(({ choices }) => choices[0]?.text ?? '').join('');
    expect(text(plain)).toBe(whole.choices[0]?.text);
    expect(text(counted)).toBe(whole.choices[0]?.text);
    expect(new Set(plain.map(({ id }) => id)).size).toBe(1);
    expect(plain.every((part) => !('usage' in part))).toBe(true);
    const reasons = plain.map(({ choices }) => choices[0]?.finish_reason);
    expect(reasons.slice(0, -1).every((reason) => reason === null)).toBe(true);
    expect(reasons.at(-1)).toBe('length');
    expect(counted.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(counted.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
    const tokens = plain.flatMap(({ choices }) => choices[0]?.logprobs?.tokens ?? []);
    expect(tokens).toEqual(whole.choices[0]?.logprobs?.tokens);
  });

  it('echoes a prompt with its log-probabilities, which agree with those of writing it', async () => {
    const { written, echoed } = await page.evaluate(async () => {
      const request = { prompt: [1, 300, 301], max_tokens: 6, temperature: 0, logprobs: 3 };
      const first = await hermit.completions.create(request);
      const ids = first.choices[0]?.token_ids ?? [];
      const second = await hermit.completions.create({
        prompt: [...request.prompt, ...ids],
        max_tokens: 0,
        echo: true,
        logprobs: 3,
      });
      return { written: first.choices[0], echoed: second };
    });
    const [choice] = echoed.choices;
    expect(choice?.token_ids).toHaveLength(9);
    expect(choice?.text.endsWith(written?.text ?? '?')).toBe(true);
    expect(choice?.text.startsWith('word300 word301')).toBe(true);
    expect(echoed.usage).toMatchObject({
      prompt_tokens: 9,
      completion_tokens: 0,
      prompt_tokens_details: { cached_tokens: 0 },
    });
    const logprobs = choice?.logprobs;
    expect(logprobs?.token_logprobs[0]).toBeNull();
    expect(logprobs?.top_logprobs[0]).toBeNull();
    for (const [step, logprob] of (written?.logprobs?.token_logprobs ?? []).entries()) {
      // Reading and writing use different kernels, which round sums in another order.
      expect(logprobs?.token_logprobs[3 + step]).toBeCloseTo(logprob ?? NaN, 2);
    }
    for (const [step, top] of (logprobs?.top_logprobs ?? []).entries()) {
      if (top === null) continue;
      const token = logprobs?.tokens[step] ?? '';
      // Bytes that are no character share a text.
      if (token.includes('\ufffd')) continue;
      expect(top[token]).toBeCloseTo(logprobs?.token_logprobs[step] ?? 0, 6);
    }
  });

  it('tells where each token begins in the text', async () => {
    const choice = await page.evaluate(async () => {
      const { choices } = await hermit.completions.create({
        prompt: [1, 300, 301],
        max_tokens: 6,
        echo: true,
        logprobs: 0,
        temperature: 0,
      });
      return choices[0];
    });
    const { tokens = [], text_offset = [] } = choice?.logprobs ?? {};
    expect(tokens.slice(0, 3)).toEqual(['<s>', ' word300', ' word301']);
    expect(text_offset.slice(0, 3)).toEqual([0, 0, 7]);
    for (const [index, token] of tokens.entries()) {
      if (!/^ word\d+$/.test(token) || index < 2) continue;
      const start = text_offset[index] ?? -1;
      expect(choice?.text.slice(start, start + token.length)).toBe(token);
    }
  });

  it('takes a text or ids also as the only element of a list', async () => {
    const ids = await page.evaluate(async () => {
      const complete = async (prompt: string | number[] | [string] | [number[]]) => {
        const request = { prompt, max_tokens: 4, temperature: 0 };
        return (await hermit.completions.create(request)).choices[0]?.token_ids;
      };
      return {
        texts: [await complete('word'), await complete(['word'])],
        tokens: [await complete([1, 300]), await complete([[1, 300]])],
      };
    });
    expect(ids.texts[0]).toEqual(ids.texts[1]);
    expect(ids.tokens[0]).toEqual(ids.tokens[1]);
    expect(ids.tokens[0]).not.toEqual(ids.texts[0]);
  });

  it('repeats itself with the same seed and not with another', async () => {
    const texts = await page.evaluate(async () => {
      const all = [];
      for (const seed of [7, 7, 8]) {
        const request = { prompt: [1, 300], max_tokens: 12, temperature: 1, seed };
        all.push((await hermit.completions.create(request)).choices[0]?.text);
      }
      return all;
    });
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
  });

  it('ends at a stop text, which is not part of the answer', async () => {
    const { free, stopped } = await page.evaluate(async () => {
      const request = { prompt: [1, 300, 301], max_tokens: 40, temperature: 0 };
      const free = (await hermit.completions.create(request)).choices[0]?.text ?? '';
      const stop = ['not in there', free.slice(20, 26)];
      return { free, stopped: (await hermit.completions.create({ ...request, stop })).choices[0] };
    });
    expect(stopped?.finish_reason).toBe('stop');
    expect(stopped?.text).toBe(free.slice(0, free.indexOf(free.slice(20, 26))));
  });

  it('forces and forbids tokens by their bias', async () => {
    const ids = await page.evaluate(async () => {
      const request = { prompt: [1, 300], max_tokens: 3, temperature: 0 };
      const forced = await hermit.completions.create({ ...request, logit_bias: { 345: 100 } });
      const free = (await hermit.completions.create(request)).choices[0]?.token_ids ?? [];
      const banned = { [String(free[0])]: -100 };
      const other = await hermit.completions.create({ ...request, logit_bias: banned });
      return { forced: forced.choices[0]?.token_ids, free, other: other.choices[0]?.token_ids };
    });
    expect(ids.forced).toEqual([345, 345, 345]);
    expect(ids.other).not.toContain(ids.free[0]);
  });
});

describe('hermit.chat.completions', () => {
  it('answers in the shape of the API', async () => {
    const completion = await page.evaluate(
      (messages) =>
        hermit.chat.completions.create({ messages, max_completion_tokens: 4, temperature: 0 }),
      question,
    );
    expect(completion).toEqual({
      id: expect.stringMatching(/^chatcmpl-/) as unknown,
      object: 'chat.completion',
      created: expect.any(Number) as unknown,
      model: 'one',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: someText, refusal: null },
          logprobs: null,
          finish_reason: 'length',
        },
      ],
      usage: expect.objectContaining({ completion_tokens: 4 }) as unknown,
    });
    const { usage } = completion;
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  it('streams role, text, reason and usage, in this order', async () => {
    const { chunks, whole } = await page.evaluate(async (messages) => {
      const request = { messages, max_tokens: 6, temperature: 0, logprobs: true, top_logprobs: 2 };
      const stream = await hermit.chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      });
      const all = [];
      for await (const chunk of stream) all.push(chunk);
      return { chunks: all, whole: await hermit.chat.completions.create(request) };
    }, question);
    expect(chunks[0]?.choices).toEqual([
      {
        index: 0,
        delta: { role: 'assistant', content: '', refusal: null },
        logprobs: null,
        finish_reason: null,
      },
    ]);
    expect(chunks.at(-2)?.choices).toEqual([
      { index: 0, delta: {}, logprobs: null, finish_reason: 'length' },
    ]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 6 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(new Set(chunks.map(({ id, object }) => `${id} ${object}`)).size).toBe(1);
    const [choice] = whole.choices;
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(choice.message.content);
    const logprobs = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
    expect(logprobs).toEqual(choice.logprobs?.content);
    expect(choice.logprobs?.refusal).toBeNull();
    expect(logprobs).toHaveLength(6);
    for (const { token, bytes, logprob, top_logprobs } of logprobs) {
      expect(top_logprobs).toHaveLength(2);
      // Greedy: the chosen one is the likeliest.
      expect(top_logprobs[0]).toEqual({ token, bytes, logprob });
    }
  });

  it('leaves the usage out of a stream that did not ask', async () => {
    const keys = await page.evaluate(async (messages) => {
      const all = [];
      const stream = await hermit.chat.completions.create({
        messages,
        max_tokens: 2,
        stream: true,
      });
      for await (const chunk of stream) all.push(Object.keys(chunk).includes('usage'));
      return all;
    }, question);
    expect(keys).not.toContain(true);
  });

  it('reads messages made of parts, and developer messages as those of the system', async () => {
    const counts = await page.evaluate(async () => {
      const ask = async (
        role: 'system' | 'developer',
        content: 'word400' | { type: 'text'; text: string }[],
      ) =>
        (
          await hermit.chat.completions.create({
            messages: [
              { role, content },
              { role: 'user', content: 'word401' },
            ],
            max_tokens: 5,
            temperature: 0,
          })
        ).choices[0].message.content;
      return [
        await ask('system', 'word400'),
        await ask('developer', [
          { type: 'text', text: 'word' },
          { type: 'text', text: '400' },
        ]),
      ];
    });
    expect(counts[0]).toBe(counts[1]);
  });
});

describe('stopping', () => {
  it('by a signal ends a stream with the code aborted, and the next request works', async () => {
    const stopStreaming = async (count: number): Promise<unknown> => {
      const controller = new AbortController();
      const stream = await hermit.completions.create(
        { prompt: [1, 300], max_tokens: count, stream: true, logit_bias: { 2: -100 } },
        { signal: controller.signal },
      );
      let parts = 0;
      for await (const _ of stream) {
        parts += 1;
        if (parts === 3) controller.abort();
      }
      return parts;
    };
    expect(await failureOf(page, stopStreaming, endless)).toMatchObject({
      name: 'AppError',
      code: 'aborted',
    });
    expect(await next()).toBe(2);
  });

  it('by a signal ends a request that does not stream, at once when it has not begun', async () => {
    const stop = (when: 'before' | 'later'): Promise<unknown> => {
      const controller = new AbortController();
      if (when === 'before') controller.abort();
      else setTimeout(() => controller.abort(), 50);
      return hermit.chat.completions.create(
        { messages: [{ role: 'user', content: 'x' }], max_tokens: 3900, logit_bias: { 2: -100 } },
        { signal: controller.signal },
      );
    };
    for (const when of ['before', 'later'] as const) {
      expect(await failureOf(page, stop, when)).toMatchObject({ code: 'aborted' });
    }
    expect(await next()).toBe(2);
  });

  it('by leaving the loop frees the model for the next request', async () => {
    await page.evaluate(async (count) => {
      const stream = await hermit.completions.create({
        prompt: [1, 300],
        max_tokens: count,
        stream: true,
      });
      for await (const _ of stream) break;
    }, endless);
    expect(await next()).toBe(2);
  });

  /** Tokens of a small request. */
  const next = (): Promise<number | undefined> =>
    page.evaluate(async () => {
      const { usage } = await hermit.completions.create({ prompt: [1, 310], max_tokens: 2 });
      return usage?.completion_tokens;
    });
});

describe('requests at the same time', () => {
  it('wait for each other, and one that is stopped while it waits does not wait on', async () => {
    const order = await page.evaluate(async () => {
      const events: string[] = [];
      const request = { prompt: [1, 300], temperature: 0, logit_bias: { 2: -100 } };
      const controller = new AbortController();
      const waiting: Promise<unknown>[] = [];
      const stream = await hermit.completions.create({ ...request, max_tokens: 60, stream: true });
      for await (const { choices } of stream) {
        if (waiting.length === 0) {
          const second = hermit.completions
            .create({ ...request, max_tokens: 5 }, { signal: controller.signal })
            .catch((error: unknown) => events.push(`second ${(error as { code: string }).code}`));
          const third = hermit.completions
            .create({ ...request, max_tokens: 5 })
            .then(() => events.push('third ends'));
          waiting.push(second, third);
          controller.abort();
        }
        if (choices[0]?.finish_reason === 'length') events.push('first ends');
      }
      await Promise.all(waiting);
      return events;
    });
    expect(order).toEqual(['second aborted', 'first ends', 'third ends']);
  });

  it('for two models each get their own', async () => {
    const answers = await page.evaluate(async () => {
      const ask = async (model: string) => {
        const made = await hermit.chat.completions.create({
          model,
          messages: [{ role: 'user', content: 'word300' }],
          max_tokens: 8,
          temperature: 0,
        });
        return `${made.model}: ${made.choices[0].message.content}`;
      };
      const alone = [await ask('one'), await ask('two')];
      return {
        alone,
        together: await Promise.all([ask('one'), ask('two'), ask('one'), ask('two')]),
      };
    });
    expect(answers.together).toEqual([...answers.alone, ...answers.alone]);
  });
});

describe('bad requests', () => {
  const text = (request: object): Promise<unknown> =>
    hermit.completions.create(request as { prompt: string });
  const chat = (request: object): Promise<unknown> =>
    hermit.chat.completions.create(request as { messages: [] });

  it.each([
    ['prompt', {}],
    ['prompt', { prompt: [] }],
    ['prompt', { prompt: [1.5] }],
    ['prompt', { prompt: ['a', 'b'] }],
    ['max_tokens', { prompt: 'a', max_tokens: -1 }],
    ['logprobs', { prompt: 'a', logprobs: true }],
    ['temperature', { prompt: 'a', temperature: -1 }],
    ['temperature', { prompt: 'a', temperature: 'hot' }],
    ['top_p', { prompt: 'a', top_p: 1.5 }],
    ['seed', { prompt: 'a', seed: 0.5 }],
    ['stop', { prompt: 'a', stop: 5 }],
    ['echo', { prompt: 'a', echo: 'yes' }],
    ['stream', { prompt: 'a', stream: 1 }],
    ['logit_bias.x', { prompt: 'a', logit_bias: { x: 1 } }],
    ['frequency_penalty', { prompt: 'a', frequency_penalty: 3 }],
  ])('of completions: %s in %j', async (field, request) => {
    const failure = await failureOf(page, text, request);
    expect(failure).toMatchObject({ code: 'invalid-argument', details: { field } });
    expect(failure.message).toContain(field);
  });

  it.each([
    ['messages', {}],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ role: 'robot', content: 'x' }] }],
    ['messages[1].content', { messages: [{ role: 'user', content: 'x' }, { role: 'user' }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['top_logprobs', { messages: [{ role: 'user', content: 'x' }], top_logprobs: 2 }],
    ['logprobs', { messages: [{ role: 'user', content: 'x' }], logprobs: 2 }],
    ['max_tokens', { messages: [{ role: 'user', content: 'x' }], max_tokens: 0 }],
    ['model', { messages: [{ role: 'user', content: 'x' }], model: 5 }],
    ['stream', { messages: [{ role: 'user', content: 'x' }], stream: 'true' }],
  ])('of chats: %s in %j', async (field, request) => {
    const failure = await failureOf(page, chat, request);
    expect(failure).toMatchObject({ code: 'invalid-argument', details: { field } });
    expect(failure.message).toContain(field);
  });

  it.each([
    ['functions', { messages: [{ role: 'user', content: 'x' }], functions: [{}] }],
    [
      'response_format',
      { messages: [{ role: 'user', content: 'x' }], response_format: { type: 'yaml' } },
    ],
    [
      'messages[0].content[0].type',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
    ],
  ])('that ask for what cannot be done: %s', async (field, request) => {
    expect(await failureOf(page, chat, request)).toMatchObject({
      code: 'not-supported',
      details: { field },
    });
  });
});

describe('precision', () => {
  it('changes the probabilities and leaves the conversation as it is', async () => {
    await page.evaluate(() => hermit.models.load('one', { precision: 8, contextLength: 1024 }));
    await page.getByRole('textbox', { name: 'Message' }).fill('word300');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Answer again' }).waitFor();
    const shown = () => page.locator('hermit-chat-message').allTextContents();
    const before = await shown();
    const logprobs = (precision: 4 | 8) =>
      page.evaluate(async (wanted) => {
        await hermit.models.load('one', { precision: wanted, contextLength: 1024 });
        const { choices } = await hermit.completions.create({
          prompt: [1, 300, 301, 302],
          max_tokens: 0,
          echo: true,
          logprobs: 0,
        });
        return choices[0]?.logprobs?.token_logprobs ?? [];
      }, precision);
    const eight = await logprobs(8);
    const four = await logprobs(4);
    expect(four).not.toEqual(eight);
    expect(await logprobs(8)).toEqual(eight);
    expect(await shown()).toEqual(before);
    await page.getByRole('textbox', { name: 'Message' }).fill('word301');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect.poll(() => page.locator('hermit-chat-message').count()).toBe(4);
    await page.getByRole('button', { name: 'Stop' }).click();
  });

  it('reported nothing', () => {
    expect(api.log.uncaught).toEqual([]);
    expect(api.log.consoleErrors).toEqual([]);
    expect(api.log.policyViolations).toEqual([]);
  });
});
