/**
 * What answers hold besides text, in the built page: reasoning, calls of tools, and what happens when
 * a template refuses or breaks. The model's weights make it say what the test wrote.
 */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { chainLlama } from '../fixtures/chain-llama.ts';
import { followsSchema } from '../fixtures/schema-oracle.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { failureOf, modelShape } from './page-api-harness.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';

const call = '{"name": "get_weather", "arguments": {"city": "Paris"}}';
const model = chainLlama({
  chatTemplate: `{% set asked = messages[-1].content %}
{%- if 'refuse' in asked %}{{ raise_exception('I only speak of the sea.') }}{% endif %}
{%- if 'break' in asked %}{{ 1 + 'x' }}{% endif %}
{%- if tools %}{{ tools|tojson }}{% endif %}
{%- for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}
{%- if messages[-1].role == 'tool' %}<|told|>
{%- elif 'weather' in asked %}<|calls|>
{%- elif 'echo' in asked %}<|echoes|>
{%- elif enable_thinking is defined and not enable_thinking %}<|answers|>
{%- else %}<|thinks|>{% endif %}`,
  answers: {
    '<|thinks|>': ['<think>', '\n', 'Let me', ' see.', '\n', '</think>', '\n\n', 'Forty', '-two.'],
    '<|answers|>': ['Just', ' forty', '-two.'],
    '<|calls|>': [
      'I look.',
      '<tool_call>',
      '\n',
      call.slice(0, 20),
      call.slice(20),
      '</tool_call>',
    ],
    '<|echoes|>': ['You wrote ', '<tool', '_call>', call, '</', 'tool', '_call>', '.'],
    '<|told|>': ['It is', ' 18', ' degrees.'],
  },
  special: ['<think>', '</think>', '<tool_call>', '</tool_call>'],
  afterCharacter: { ':': ['A plain', ' answer.'] },
});

let server: ModelServer;
let browser: TestBrowser;
let page: Page;
let log: PageLog;

const last = (): Locator => page.locator('hermit-chat-message').last();

async function ask(text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
  await last().getByRole('button', { name: 'Answer again' }).waitFor();
}

beforeAll(async () => {
  server = await startModelServer();
  server.serve('/chain.gguf', { bytes: model });
  server.serve('/random.gguf', { bytes: syntheticLlama({ ...modelShape, layers: 1 }) });
  browser = await launchBrowser();
  await browser.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  ({ page, log } = await browser.openPage(inject('baseUrl')));
  await page.waitForFunction(() => 'hermit' in globalThis);
  await page.evaluate(async (url) => {
    await hermit.models.load(await hermit.models.install(url));
  }, server.url('/chain.gguf'));
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

describe('reasoning', () => {
  it('is folded, opened by the keyboard, and not copied', async () => {
    await page.goto(`${inject('baseUrl')}/#/`);
    await ask('What is it?');
    const summary = last().getByText(/^Thought for/);
    await summary.waitFor();
    const thought = last().getByText('Let me see.');
    expect(await thought.isVisible()).toBe(false);
    expect(await last().getByText('Forty-two.').isVisible()).toBe(true);
    await last().locator('summary').focus();
    await page.keyboard.press('Enter');
    await thought.waitFor({ state: 'visible' });
    await last().getByRole('button', { name: 'Copy', exact: true }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('Forty-two.');
  });

  it('is still there after a reload', async () => {
    await page.reload();
    await page.getByRole('link', { name: 'What is it?' }).click();
    await last()
      .getByText(/^Thought for/)
      .waitFor();
    expect(await last().getByText('Forty-two.').isVisible()).toBe(true);
  });

  it('can be switched off where the template lets one', async () => {
    await page
      .getByRole('button', { name: /Use chain|Model: chain/ })
      .first()
      .click();
    const think = page.getByRole('button', { name: 'Think before answering' });
    await think.waitFor();
    expect(await think.getAttribute('aria-pressed')).toBe('true');
    await think.click();
    expect(await think.getAttribute('aria-pressed')).toBe('false');
    await ask('And quickly?');
    await last().getByText('Just forty-two.').waitFor();
    expect(
      await last()
        .getByText(/^Thought for/)
        .count(),
    ).toBe(0);
    await think.click();
  });
});

describe('a call of a tool', () => {
  it('is shown as a folded card', async () => {
    await ask('How is the weather?');
    await last().getByText('I look.').waitFor();
    const card = last().getByText('Called the tool get_weather');
    await card.click();
    await last().getByText('"city": "Paris"').waitFor({ state: 'visible' });
    expect(await last().getByText('tool_call').count()).toBe(0);
  });

  it('is text when the model only repeats its letters', async () => {
    await ask('Please echo.');
    await last().getByText(`You wrote <tool_call>${call}</tool_call>.`).waitFor();
    expect(await last().getByText('Called the tool').count()).toBe(0);
  });

  it('goes to a script, which gives the result back', async () => {
    const seen = await page.evaluate(async () => {
      const { chat } = hermit;
      const tools = [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            parameters: { type: 'object', properties: { city: { type: 'string' } } },
          },
        },
      ] as const;
      const messages = [{ role: 'user', content: 'The weather?' }] as const;
      const [first] = (await chat.completions.create({ messages, tools, temperature: 0 })).choices;
      const [made] = first.message.tool_calls ?? [];
      const second = await chat.completions.create({
        messages: [
          ...messages,
          first.message,
          { role: 'tool', tool_call_id: made?.id ?? '', content: '18' },
        ],
        tools,
      });
      const deltas: unknown[] = [];
      const stream = await chat.completions.create({ messages, tools, stream: true });
      for await (const { choices } of stream) deltas.push(choices[0]);
      return { first, second: second.choices[0], deltas };
    });
    const called = { name: 'get_weather', arguments: '{"city":"Paris"}' };
    expect(seen.first).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: 'I look.', tool_calls: [{ function: called }] },
    });
    expect(seen.second).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'It is 18 degrees.' },
    });
    expect(JSON.stringify(seen.deltas)).toContain('"tool_calls":[{"index":0,"id":"call_');
    expect(seen.deltas.at(-1)).toMatchObject({ finish_reason: 'tool_calls' });
  });

  it('has its reasoning apart in answers to scripts, and off by a variable', async () => {
    const [thinks, answers] = await page.evaluate(async () => {
      const messages = [{ role: 'user', content: 'Well?' }] as const;
      const one = await hermit.chat.completions.create({ messages });
      const chat_template_kwargs = { enable_thinking: false };
      const two = await hermit.chat.completions.create({ messages, chat_template_kwargs });
      return [one.choices[0].message, two.choices[0].message];
    });
    expect(thinks).toMatchObject({ content: 'Forty-two.', reasoning_content: 'Let me see.' });
    expect(answers).toEqual({ role: 'assistant', content: 'Just forty-two.', refusal: null });
  });
});

describe('an answer of a form', () => {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 5 },
      age: { type: 'integer' },
      kind: { enum: ['one', 'two'] },
    },
    required: ['name', 'age', 'kind'],
    additionalProperties: false,
  } as const;

  it('follows its schema, written by a model of random weights', async () => {
    const answers = await page.evaluate(
      async ({ url, asked }) => {
        await hermit.models.load(await hermit.models.install(url));
        const made: unknown[] = [];
        for (let seed = 0; seed < 3; seed++) {
          const { choices } = await hermit.chat.completions.create({
            messages: [{ role: 'user', content: 'Who are you?' }],
            response_format: { type: 'json_schema', json_schema: { name: 'x', schema: asked } },
            max_tokens: 300,
            temperature: 2,
            seed,
          });
          made.push(choices[0]);
        }
        return made as { finish_reason: string; message: { content: string } }[];
      },
      { url: server.url('/random.gguf'), asked: schema },
    );
    for (const { finish_reason, message } of answers) {
      expect(finish_reason).toBe('stop');
      expect(followsSchema(JSON.parse(message.content), schema, schema)).toBe(true);
    }
  });

  it('is a call where one is required', async () => {
    const [choice] = await page.evaluate(async (parameters) => {
      const { choices } = await hermit.chat.completions.create({
        messages: [{ role: 'user', content: 'Who are you?' }],
        tools: [{ type: 'function', function: { name: 'introduce', parameters } }],
        tool_choice: 'required',
        max_tokens: 300,
        seed: 1,
      });
      return choices;
    }, schema);
    expect(choice.finish_reason).toBe('tool_calls');
    const [made] = choice.message.tool_calls ?? [];
    expect(made?.function.name).toBe('introduce');
    expect(followsSchema(JSON.parse(made?.function.arguments ?? ''), schema, schema)).toBe(true);
  });

  it('that no grammar can promise is refused by the place in the schema', async () => {
    const ask = (bad: object): Promise<unknown> =>
      hermit.chat.completions.create({
        messages: [{ role: 'user', content: 'x' }],
        response_format: { type: 'json_schema', json_schema: { schema: { ...bad } } },
      });
    const bad = { type: 'string', pattern: 'a+' };
    expect(await failureOf(page, ask, bad)).toMatchObject({
      code: 'not-supported',
      details: { field: '#/pattern' },
    });
  });
});

describe('a template', () => {
  it('that refuses says so in its own words, with what to do', async () => {
    await page.evaluate(() => hermit.models.load('chain'));
    await ask('I refuse');
    const failure = last().locator('.failure p');
    await failure.waitFor();
    const text = await failure.innerText();
    expect(text).toContain('I only speak of the sea.');
    expect(text).toMatch(/new chat|system prompt/i);
    await last().getByRole('button', { name: 'Try again' }).waitFor();
  });

  it('that breaks is replaced by a general one, with a notice', async () => {
    await page.getByRole('link', { name: 'New chat' }).click();
    await ask('I break');
    await last().getByText('A plain answer.').waitFor();
    await last().getByText('The model file has no usable chat format').waitFor();
    expect(await last().locator('.failure').count()).toBe(0);
  });

  it('and nothing else reported a thing', () => {
    expect(log.uncaught).toEqual([]);
    expect(log.consoleErrors).toEqual([]);
    expect(log.policyViolations).toEqual([]);
  });
});
