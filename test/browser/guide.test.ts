/** The first minute: one press, and the model that comes with Hermit answers. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';
import { textOf } from './person.ts';

async function ask(page: Page, question: string): Promise<string> {
  const messages = page.locator('hermit-chat-message');
  const before = await messages.count();
  await page.getByRole('textbox', { name: 'Message' }).fill(question);
  await page.getByRole('button', { name: 'Send' }).click();
  const answer = messages.nth(before + 1);
  await answer.getByRole('button', { name: 'Answer again' }).waitFor();
  return textOf(answer);
}

describe('the built-in guide', () => {
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    browser = await launchBrowser();
    ({ page } = await browser.openPage(inject('baseUrl')));
  });

  afterAll(async () => {
    await browser.close();
  });

  it('is there after one press, and proposes questions', async () => {
    await page.getByRole('button', { name: 'Try it now' }).click();
    await page.getByRole('button', { name: 'What can you do?' }).click();
    await expect
      .poll(() => page.getByRole('textbox', { name: 'Message' }).inputValue())
      .toBe('What can you do?');
  });

  it.each([
    ['Is it private?', /your words stay here/i],
    ['how do I add a model', /catalogue/i],
    ['does hermit work offline?', /cut the network/i],
    ['怎么添加模型？', /目录/u],
  ])('answers "%s"', async (question, answer) => {
    expect(await ask(page, question)).toMatch(answer);
  });

  it('says that it does not know what it did not learn', async () => {
    expect(await ask(page, 'What is the capital of Peru?')).toMatch(/do not know/i);
  });
});
