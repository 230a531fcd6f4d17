/**
 * What goes wrong in the hands of a person: files that are no models, downloads that break off and
 * hostile models. Each must say what happened and what to do next, leave a way on, and cost nothing
 * that was stored or said before. What the world does to Hermit is in `test/faults`.
 */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { withArchitecture, withTensorType, withValue } from '../fixtures/hostile-llama.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';
import {
  BLOCK_BYTES,
  MEGABYTE,
  Person,
  problem,
  sentence,
  shape,
  slowShape,
  soundModel as sound,
} from './person.ts';

const slow = syntheticLlama(slowShape);
const baseUrl = inject('baseUrl');
let browser: TestBrowser;
let server: ModelServer;
let page: Page;
let log: PageLog;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
  browser = await launchBrowser();
  ({ page, log } = await browser.openPage(baseUrl));
  person = new Person(page, server, baseUrl);
  await person.settleIn();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

describe('what is no model', () => {
  afterEach(() => person.expectNothingLost());

  it('a file that is not GGUF is not kept', async () => {
    const zip = new Uint8Array(5 * MEGABYTE).fill(7);
    zip.set([0x50, 0x4b, 3, 4]);
    const added = await person.addModel('/archive.gguf', { bytes: zip });
    expect(await sentence(problem(added))).toBe(
      'This is not a GGUF model file, so it was not kept. Look for a file whose name ends in .gguf and add that one.',
    );
    await expect(added.getByRole('button', { name: 'Try again' }).count()).resolves.toBe(0);
    await person.removeModel('archive');
  });

  it('a truncated file says that part of it is missing', async () => {
    const added = await person.addModel('/half.gguf', {
      bytes: sound.slice(0, sound.length >> 1),
    });
    expect(await sentence(problem(added))).toBe(
      'The model file ends too early; part of it is missing. Get the whole file and add it again.',
    );
    await person.removeModel('half');
  });

  it('an unknown architecture is named', async () => {
    const added = await person.addModel('/other.gguf', {
      bytes: withArchitecture(sound, 'zebra'),
    });
    expect(await sentence(problem(added))).toBe(
      'Hermit cannot run models of the kind “zebra” yet. The file is fine; choose another model from the catalogue.',
    );
  });

  it('an unknown tensor type is named', async () => {
    const bytes = withTensorType(sound, 'blk.0.attn_q.weight', 99);
    const added = await person.addModel('/packed.gguf', { bytes });
    expect(await sentence(problem(added))).toMatch(
      /^This file is stored in a way Hermit cannot read yet \(.*99.*\)\. Choose another file of the same model, for example Q4_0 or Q8_0\.$/,
    );
  });
});

describe('downloads that go wrong', () => {
  afterEach(() => person.expectNothingLost());

  it('a cut download continues by itself without fetching again what it had', async () => {
    const cut = {
      kind: 'cut',
      afterBytes: BLOCK_BYTES + 5 * MEGABYTE,
      bytesPerSecond: 20 * MEGABYTE,
    } as const;
    const added = await person.addModel('/cut.gguf', {
      bytes: slow,
      script: ({ count }) => (count === 0 ? cut : { kind: 'normal' }),
    });
    await added.getByText(/Connection lost\. Trying again in/).waitFor();
    // What arrived, and not a byte of it twice.
    await added.getByText('13 MB of 23 MB').waitFor();
    const sent = server.bytesServed('/cut.gguf');
    await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
    const [, again] = server.requests.filter(({ path }) => path === '/cut.gguf');
    expect(again?.start).toBeGreaterThan(BLOCK_BYTES);
    expect(server.bytesServed('/cut.gguf') - sent).toBe(slow.length - (again?.start ?? 0));
    await person.removeModel('cut');
  });
});

describe('a chat that goes wrong', () => {
  afterEach(() => person.expectNothingLost());

  it('a message longer than the context says so, and a shorter one is answered', async () => {
    await person.startChat('word '.repeat(2000));
    expect(await person.failure()).toBe(
      'This chat is longer than the model can hold in mind. Shorten your message, start a new chat, or raise the context length in Settings.',
    );
    const question = page.locator('hermit-chat-message').first();
    await question.getByRole('button', { name: 'Edit', exact: true }).click();
    await question.getByRole('textbox', { name: 'Edit your message' }).fill('Shorter');
    await question.getByRole('button', { name: 'Send' }).click();
    expect((await person.answerDone()).length).toBeGreaterThan(0);
    await expect(person.lastMessage().locator('.failure').count()).resolves.toBe(0);
  });

  it('control tokens typed by a person are ordinary text', async () => {
    const typed = '</s><s><unk></s>[INST]';
    await person.startChat(typed);
    await person.answerDone();
    await page.locator('hermit-chat-message').first().getByText(typed, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Model: story' }).waitFor();
    const promptTokens = (content: string): Promise<number> =>
      page.evaluate(async (text) => {
        const [model] = (await hermit.models.list()).filter(({ name }) => name === 'story');
        const { usage } = await hermit.chat.completions.create({
          model: model?.id ?? '',
          messages: [{ role: 'user', content: text }],
          max_tokens: 1,
        });
        return usage.prompt_tokens;
      }, content);
    // The vocabulary spells letters byte by byte, so ordinary text of the same length costs the same.
    expect(await promptTokens(typed)).toBe(await promptTokens('x'.repeat(typed.length)));
  });
});

describe('a hostile model', () => {
  afterEach(() => person.expectNothingLost());

  it.each([
    ['a range that fills the memory', '{{ range(300000000)|length }}'],
    [
      'loops without an end',
      '{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}',
    ],
  ])('a chat template of %s is replaced by a general one', async (_, chatTemplate) => {
    await person.inUse('/template.gguf', { bytes: syntheticLlama({ ...shape, chatTemplate }) });
    await person.startChat('What does the template say?');
    expect((await person.answerDone()).length).toBeGreaterThan(0);
    await person
      .lastMessage()
      .getByText('The model file has no usable chat format, so a general one is used.')
      .waitFor();
    await person.removeModel('template');
  });

  const notNumbers =
    'The model gives values that are not numbers, so it was stopped. Verify it on the Models page; if its file is sound, choose another one.';

  it('weights that are no numbers keep the model from being loaded', async () => {
    const bytes = await withValue(sound, 'output_norm.weight', Number.NaN);
    const added = await person.addAndUse('/nan.gguf', { bytes });
    expect(await sentence(problem(added))).toBe(notNumbers);
  });

  it('weights that lead to no numbers stop the answer', async () => {
    await person.inUse('/huge.gguf', { bytes: await withValue(sound, 'output_norm.weight', 3e38) });
    await person.startChat('Count to ten');
    expect(await person.failure()).toBe(notNumbers);
  });
});

it('never reported more than was shown, and broke no policy', () => {
  expect(log.uncaught).toEqual([]);
  expect(log.policyViolations).toEqual([]);
});
