/** The demo pages, as a visitor uses them. */
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { HermitWidget } from '../../src/embed/host/connect.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { toolLlama } from '../fixtures/tool-llama.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';
import { allow, lastAnswer, takeGuide, widgetOf } from './widget-harness.ts';

const baseUrl = inject('baseUrl');
let server: ModelServer;
let browser: TestBrowser;
let page: Page;
let log: PageLog;

async function open(name: string): Promise<FrameLocator> {
  const before = browser.context.pages();
  ({ page, log } = await browser.openPage(`${baseUrl}/examples/${name}.html`));
  // Each would keep an engine with a model.
  await Promise.all(before.map((old) => old.close()));
  return widgetOf(page);
}

const expectQuiet = (): void => {
  expect(log.uncaught).toEqual([]);
  expect(log.policyViolations).toEqual([]);
};

beforeAll(async () => {
  server = await startModelServer();
  const call = '{"name": "set_lamp", "arguments": {"colour": "blue", "brightness": 90}}';
  server.serve('/lamp.gguf', { bytes: toolLlama(call) });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

describe('the examples', () => {
  it('lead to each other', async () => {
    await open('index');
    await page.getByRole('link', { name: 'The OpenAI-shaped API' }).click();
    await page.getByRole('heading', { name: 'Your code, their model' }).waitFor();
    expectQuiet();
  });

  it('a page puts a question into the field, and the person sends it', async () => {
    const widget = await open('widget');
    await page.getByRole('button', { name: 'Is it private?' }).click();
    await takeGuide(widget);
    const field = widget.getByRole('textbox', { name: 'Message' });
    await expect.poll(() => field.inputValue()).toBe('Is it private?');
    expect(await widget.locator('hermit-chat-message').count()).toBe(0);
    await widget.getByRole('button', { name: 'Send' }).click();
    expect(await lastAnswer(widget)).toMatch(/your words stay here/i);
    expectQuiet();
  });

  it('a page asks through the API once the person allows it, and shows its own script', async () => {
    const widget = await open('api');
    await widget.getByRole('textbox', { name: 'Message' }).waitFor();
    await page.getByRole('button', { name: 'Ask' }).click();
    await widget.getByRole('heading', { name: /^Let localhost:\d+ use your models/ }).waitFor();
    await allow(widget, 'Allow');
    const answer = page.locator('#answer');
    await page.getByText(/\d+ tokens, computed on this device/).waitFor();
    expect(await answer.innerText()).toMatch(/\w+/);

    await page.getByRole('button', { name: 'Answer as JSON' }).click();
    await page.locator('#status').getByText('An answer in the shape').waitFor();
    const value = JSON.parse(await answer.innerText()) as { mood: string; private: boolean };
    expect(['calm', 'curious', 'stormy']).toContain(value.mood);
    expect(typeof value.private).toBe('boolean');
    expect(await page.locator('pre').innerText()).toContain("from '/embed.js'".slice(5));
    expectQuiet();
  });

  it('a page lends its lamp to the model, call by call', async () => {
    const widget = await open('tools');
    const installed = page.evaluate(async (url) => {
      const chat = document.querySelector('hermit-chat') as unknown as {
        connect(): Promise<HermitWidget>;
      };
      const { models } = await chat.connect();
      await models.load(await models.install(url));
    }, server.url('/lamp.gguf'));
    await widget.getByRole('heading', { name: 'Add the model lamp.gguf?' }).waitFor();
    await widget.getByText(/^[\d.]+ [kM]B are downloaded from 127\.0\.0\.1:\d+\.$/).waitFor();
    await allow(widget, 'Download');
    await installed;

    await page.getByRole('button', { name: 'Blue and bright, please' }).click();
    await widget.getByRole('button', { name: 'Send' }).click();
    await widget.getByRole('heading', { name: 'Let the model use “Set the lamp”?' }).waitFor();
    const shown = JSON.parse(
      await widget.getByRole('alertdialog').locator('pre').innerText(),
    ) as unknown;
    expect(shown).toEqual({ colour: 'blue', brightness: 90 });
    expect(await page.locator('#log').innerText()).toBe('');
    await allow(widget, 'Allow once');
    expect(await lastAnswer(widget)).toBe('It is blue now.');
    await page.getByRole('img', { name: 'A lamp, blue, brightness 90' }).waitFor();
    expect(await page.locator('#log').innerText()).toBe('set_lamp(blue, 90)\n');

    await page.getByRole('button', { name: 'Is the lamp on?' }).click();
    await widget.getByRole('button', { name: 'Send' }).click();
    await widget.getByRole('button', { name: 'Don’t allow' }).click();
    expect(await lastAnswer(widget)).toBe('It was not allowed.');
    expect(await page.locator('#log').innerText()).toBe('set_lamp(blue, 90)\n');
    expectQuiet();
  });
});
