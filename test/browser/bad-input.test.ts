/**
 * What goes wrong in the hands of a person: files that are no models, servers that misbehave, hostile
 * models and a model that dies. Each must say what happened and what to do next, leave a way on, and
 * cost nothing that was stored or said before.
 */
import type { Page, Worker } from 'playwright-core';
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
  textOf,
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

function engineWorker(): Worker {
  const worker = page.workers().findLast((candidate) => candidate.url().includes('engine'));
  if (worker === undefined) throw new Error('no engine worker');
  return worker;
}

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

  it('a web page is told from a model before it is fetched as one', async () => {
    const added = await person.addModel('/page.gguf', {
      bytes: sound,
      script: () => ({ kind: 'html' }),
    });
    expect(await sentence(problem(added))).toBe(
      'The address leads to a web page or another kind of file, not to a model. Copy the address of the download button itself; it ends in .gguf.',
    );
    await person.removeModel('page');
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

  it('a wrong checksum keeps the file from being used until the right one comes', async () => {
    const right = syntheticLlama({ ...shape, vocabularySize: 600 });
    const digest = await crypto.subtle.digest('SHA-256', right);
    const sha256 = Buffer.from(digest).toString('hex');
    server.serve('/signed.gguf', {
      bytes: right,
      script: ({ count }) =>
        count === 0 ? { kind: 'flip-bit', offset: right.length - 5 } : { kind: 'normal' },
    });
    await page.goto(`${baseUrl}/#/models`);
    const code = await page.evaluate(
      (source) =>
        hermit.models.install(source).then(
          () => 'installed',
          (error: unknown) => (error as { code: string }).code,
        ),
      { url: server.url('/signed.gguf'), sha256 },
    );
    expect(code).toBe('download/hash-mismatch');
    expect(await sentence(problem(person.row('signed')))).toBe(
      'The file differs from what its publisher signed off (the checksum does not match), so it is not used. Download it again.',
    );
    await person.row('signed').getByRole('button', { name: 'Try again' }).click();
    await person.row('signed').getByText('Verified: equals the publisher’s checksum').waitFor();
  });

  it('a server without ranges warns before a pause, and gives the file in one go', async () => {
    const bytes = syntheticLlama({ ...shape, vocabularySize: 30_000 });
    const added = await person.addModel('/whole.gguf', {
      bytes,
      script: () => ({ kind: 'no-ranges', bytesPerSecond: 2 * MEGABYTE }),
    });
    await added.getByText(/left$/).waitFor();
    await added.getByRole('button', { name: 'Pause' }).click();
    const question = page.getByRole('alertdialog', { name: 'Pause this download?' });
    await question
      .getByText(
        'This server cannot continue a download from the middle. After a pause it will start from the beginning.',
      )
      .waitFor();
    await question.getByRole('button', { name: 'Cancel' }).click();
    await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
    expect(server.bytesServed('/whole.gguf')).toBe(bytes.length);
    await person.removeModel('whole');
  });

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

describe('a model that dies in the middle of an answer', () => {
  beforeAll(async () => {
    const added = await person.addModel('/slow.gguf', { bytes: slow });
    await added.getByRole('button', { name: 'Use', exact: true }).waitFor();
  });
  afterEach(() => person.expectNothingLost());

  const stopped =
    'The model stopped unexpectedly, probably for lack of memory. What was written is kept. Try again; if it happens again, choose a smaller model.';
  const didNotRespond =
    'The model did not respond and was restarted. What was written is kept. Try again.';

  const fail = (): unknown =>
    setTimeout(() => {
      throw new Error('out of luck');
    });
  const close = (): void => {
    self.close();
  };
  const hang = (): void => {
    for (;;);
  };
  const deaths: readonly [how: string, harm: () => unknown, silent: boolean][] = [
    ['fails', fail, false],
    ['closes itself', close, true],
    ['hangs', hang, true],
  ];

  it.each(deaths)('an engine that %s', async (_, harm, silent) => {
    await page.goto(`${baseUrl}/#/models`);
    await person.limitAnswers(1800);
    await person.row('slow').getByRole('button', { name: 'Use', exact: true }).click();
    await person.row('slow').getByText('In use', { exact: true }).waitFor();
    // A model that is silent is given a while, which nobody needs to sit through here.
    if (silent) await page.clock.install();
    await person.startChat('Once upon a time');
    await person
      .lastMessage()
      .getByText(/word\d+/)
      .first()
      .waitFor();
    engineWorker()
      .evaluate(harm)
      .catch(() => undefined);
    const failed = person.lastMessage().locator('.failure');
    if (silent) {
      while ((await failed.count()) === 0) await page.clock.runFor(5000);
    }
    expect(await person.failure()).toBe(silent ? didNotRespond : stopped);
    const written = await textOf(person.lastMessage());
    expect(written.length).toBeGreaterThan(0);
    await person.limitAnswers(24);
    await person.lastMessage().locator('.failure').waitFor();
    expect(await textOf(person.lastMessage())).toBe(written);
    await person.lastMessage().getByRole('button', { name: 'Try again' }).click();
    await page.getByText('2/2').waitFor();
    expect((await person.answerDone()).length).toBeGreaterThan(0);
    await expect(person.lastMessage().locator('.failure').count()).resolves.toBe(0);
  });
});

it('never reported more than was shown, and broke no policy', () => {
  expect(log.uncaught).toEqual([]);
  expect(log.policyViolations).toEqual([]);
});
