/** Pages that embed Hermit, and what a person does in the frame. */
import type { FrameLocator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { EmbedSites, HostedPage, Site } from '../fixtures/embed-sites.ts';
import { launchSharedBrowser, type SharedBrowser, type TestBrowser } from './browser-harness.ts';
import { textOf } from './person.ts';

/** A browser that keeps storage apart for each site, as browsers of people do. */
export function launchEmbeddingBrowser(): Promise<SharedBrowser> {
  return launchSharedBrowser({
    // The last one counts: Playwright's own list switches the partitions off.
    args: ['--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable'],
  });
}

export const embedding = (hermit: string, attributes = '', script = ''): string =>
  `<!doctype html><html lang="en"><title>A page</title><h1>A page</h1>
   <script type="module" src="${hermit}/embed.js"></script>
   <hermit-chat ${attributes}></hermit-chat><script>${script}</script></html>`;

export async function openOn(
  browser: TestBrowser,
  site: Site,
  path: string,
  page: HostedPage,
): Promise<Page> {
  site.pages.set(path, page);
  const opened = await browser.openPage(site.origin + path);
  return opened.page;
}

export const widgetOf = (page: Page): FrameLocator => page.frameLocator('hermit-chat iframe');

/** Opens the chat and agrees to the connection, as a person does who never was here. */
export async function openChat(page: Page): Promise<FrameLocator> {
  await page.getByRole('button', { name: 'Open the chat' }).click();
  const widget = widgetOf(page);
  await allow(widget, 'Continue');
  return widget;
}

/**
 * Presses a button that allows something once it can be pressed. Playwright, told to press what is
 * still disabled, scrolls the page up and down, and a button that is not seen at rest stays disabled.
 */
export async function allow(widget: FrameLocator, name: string): Promise<void> {
  const button = widget.getByRole('alertdialog').getByRole('button', { name, exact: true });
  await expect.poll(() => button.isEnabled(), { timeout: 20_000 }).toBe(true);
  await button.click();
}

/** Takes the model that comes with Hermit. */
export async function takeGuide(widget: FrameLocator): Promise<void> {
  await widget.getByRole('button', { name: 'Try it now' }).click();
  await widget.getByRole('textbox', { name: 'Message' }).waitFor();
}

export async function ask(widget: FrameLocator, question: string): Promise<string> {
  const messages = widget.locator('hermit-chat-message');
  const before = await messages.count();
  await widget.getByRole('textbox', { name: 'Message' }).fill(question);
  await widget.getByRole('button', { name: 'Send' }).click();
  await messages.nth(before + 1).waitFor({ state: 'attached' });
  return lastAnswer(widget);
}

export async function lastAnswer(widget: FrameLocator): Promise<string> {
  await widget.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
  const answer = widget.locator('hermit-chat-message').last();
  await answer.getByRole('button', { name: 'Answer again' }).waitFor();
  return textOf(answer);
}

export type { EmbedSites };
