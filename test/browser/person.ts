/** What a person does in the built page, for tests of what goes wrong on the way. */
import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import type { ModelServer, ServedFile } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';

export const shape = {
  width: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  feedForward: 128,
  vocabularySize: 512,
  contextLength: 512,
  type: 'Q8_0',
} as const;
/** Some 23 MB, three blocks; a long answer takes it seconds. */
export const slowShape = {
  ...shape,
  width: 1024,
  heads: 16,
  kvHeads: 16,
  feedForward: 2048,
  contextLength: 2048,
} as const;
/** The same, with a context that no test fills: what it writes goes on until it is stopped. */
export const endlessShape = { ...slowShape, kvHeads: 2, contextLength: 32_768 } as const;
export const soundModel = syntheticLlama(shape);
export const BLOCK_BYTES = 8 * 1024 * 1024;
export const MEGABYTE = 1e6;
export const firstQuestion = 'Before anything went wrong';

/** What stands in a model's row about what went wrong. */
export const problem = (model: Locator): Locator => model.locator('.problem');

export const sentence = async (place: Locator): Promise<string> =>
  (await place.innerText()).replaceAll(/\s+/g, ' ').trim();

/** The inner text of an element with a shadow tree is empty. */
export async function textOf(message: Locator): Promise<string> {
  const blocks = message.locator('hermit-markdown').locator('p, li, pre, h1, h2, h3');
  return (await blocks.allInnerTexts()).join('\n');
}

/** `settleIn` first; then things go wrong; `expectNothingLost` after each. */
export class Person {
  readonly page: Page;
  readonly #server: ModelServer;
  readonly #baseUrl: string;
  #firstAnswer = '';
  /** How many messages the chat has once the one sent last and its answer have appeared. */
  #expectedMessages = 0;

  constructor(page: Page, server: ModelServer, baseUrl: string) {
    this.page = page;
    this.#server = server;
    this.#baseUrl = baseUrl;
    page.setDefaultTimeout(20_000);
  }

  /** The same person at another page, after the one before is gone. */
  in(page: Page): Person {
    const there = new Person(page, this.#server, this.#baseUrl);
    there.#firstAnswer = this.#firstAnswer;
    return there;
  }

  row(name: string): Locator {
    return this.page
      .locator('hermit-model-row')
      .filter({ has: this.page.getByRole('heading', { name, exact: true }) });
  }

  async dismissMessages(): Promise<void> {
    const dismiss = this.page.getByRole('button', { name: 'Dismiss' });
    while ((await dismiss.count()) > 0) await dismiss.first().click();
  }

  async addModel(path: string, file: ServedFile): Promise<Locator> {
    this.#server.serve(path, file);
    await this.page.goto(`${this.#baseUrl}/#/models`);
    await this.dismissMessages();
    await this.page.getByRole('button', { name: 'From an address' }).click();
    await this.page.getByLabel('Address (URL)').fill(this.#server.url(path));
    await this.page.getByRole('dialog').getByRole('button', { name: 'Download' }).click();
    return this.row(path.slice(1).replace('.gguf', ''));
  }

  async addAndUse(path: string, file: ServedFile): Promise<Locator> {
    const added = await this.addModel(path, file);
    await added.getByRole('button', { name: 'Use', exact: true }).click();
    return added;
  }

  async inUse(path: string, file: ServedFile): Promise<void> {
    const added = await this.addModel(path, file);
    const used = added.getByText('In use', { exact: true });
    const use = added.getByRole('button', { name: 'Use', exact: true });
    await use.or(used).first().waitFor();
    // The first model of a visit is taken by itself, maybe just now.
    if (!(await used.isVisible())) await use.click({ timeout: 2000 }).catch(() => undefined);
    await used.waitFor();
  }

  /** Opens a repository of the hub by its name and adds the one file it has. */
  async addFromHub(repository: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'Search Hugging Face' }).fill(repository);
    await this.page.getByRole('button', { name: 'Search', exact: true }).click();
    const hub = this.page.locator('hermit-hub-search');
    await hub.getByRole('button', { name: repository }).click();
    await hub.getByRole('button', { name: /^Download / }).click();
  }

  async startChat(text: string): Promise<void> {
    await this.page.getByRole('link', { name: 'New chat' }).click();
    await this.#messages().first().waitFor({ state: 'detached' });
    await this.send(text);
  }

  async send(text: string): Promise<void> {
    this.#expectedMessages = (await this.#messages().count()) + 2;
    await this.page.getByRole('textbox', { name: 'Message' }).fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  #messages(): Locator {
    return this.page.locator('hermit-chat-message');
  }

  lastMessage(): Locator {
    return this.#messages().last();
  }

  /** Waits for the answer to what was sent last, not for one that stood there before. */
  async answerDone(): Promise<string> {
    await this.#messages()
      .nth(Math.max(0, this.#expectedMessages - 1))
      .waitFor({ state: 'attached' });
    await this.page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
    await this.lastMessage().getByRole('button', { name: 'Answer again' }).waitFor();
    return textOf(this.lastMessage());
  }

  /** The sentence in an answer that failed. */
  async failure(): Promise<string> {
    const place = this.lastMessage().locator('.failure p');
    await place.waitFor();
    return sentence(place);
  }

  /** The chat from before is as it was, and the model from before answers in it. @throws AssertionError */
  async expectNothingLost(): Promise<void> {
    await this.dismissMessages();
    await this.page.getByRole('link', { name: firstQuestion }).click();
    const messages = this.#messages();
    await messages.first().getByText(firstQuestion).waitFor();
    assert.equal(await textOf(messages.nth(1)), this.#firstAnswer);
    await this.page
      .getByRole('button', { name: /^Model: |could not be loaded|Choose a model/ })
      .click();
    await this.page.getByRole('button', { name: /^story [\d.]+ kB/ }).click();
    await this.page.getByRole('button', { name: 'Model: story' }).waitFor();
    await this.send('Are you still there?');
    await this.answerDone();
    assert.equal(await this.lastMessage().locator('.failure').count(), 0);
  }

  async removeModel(name: string): Promise<void> {
    await this.askToRemove(name);
    await this.row(name).waitFor({ state: 'detached' });
  }

  /** Presses what deletes a model, whatever comes of it. */
  async askToRemove(name: string): Promise<void> {
    await this.page.goto(`${this.#baseUrl}/#/models`);
    await this.row(name)
      .getByRole('button', { name: `Options for “${name}”` })
      .click();
    await this.row(name).getByRole('button', { name: 'Delete' }).click();
    await this.page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  }

  /** Gives up a model that is not complete. */
  async cancelDownload(name: string): Promise<void> {
    await this.row(name).getByRole('button', { name: 'Cancel' }).click();
    await this.page
      .getByRole('alertdialog')
      .getByRole('button', { name: 'Cancel the download' })
      .click();
    await this.row(name).waitFor({ state: 'detached' });
  }

  /** A model of random weights does not end by itself. */
  async limitAnswers(maxAnswerTokens: number): Promise<void> {
    const room = maxAnswerTokens > 1000 ? { contextLength: 32_768 } : {};
    await this.page.evaluate(
      (settings) => {
        localStorage.setItem('hermit.settings', JSON.stringify(settings));
      },
      { maxAnswerTokens, ...room },
    );
    await this.page.reload();
  }

  /** A model and a chat that nothing of what follows may harm. */
  async settleIn(): Promise<void> {
    await this.limitAnswers(24);
    await this.addModel('/story.gguf', { bytes: soundModel });
    await this.row('story').getByText('In use', { exact: true }).waitFor();
    await this.startChat(firstQuestion);
    this.#firstAnswer = await this.answerDone();
  }
}
