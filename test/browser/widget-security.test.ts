/** What pages around the widget try and cannot do: forged messages, strangers, sandboxes, covers. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startEmbedSites } from '../fixtures/embed-sites.ts';
import type { SharedBrowser, TestBrowser } from './browser-harness.ts';
import {
  allow,
  embedding,
  launchEmbeddingBrowser,
  openChat,
  openOn,
  takeGuide,
  widgetOf,
  type EmbedSites,
} from './widget-harness.ts';

let sites: EmbedSites;
let browsers: SharedBrowser;
let browser: TestBrowser;

beforeAll(async () => {
  [sites, browsers] = await Promise.all([startEmbedSites(), launchEmbeddingBrowser()]);
});
afterAll(() => Promise.all([sites.close(), browsers.close()]));
beforeEach(async () => {
  browser = await browsers.newProfile();
});
afterEach(() => browser.close());

/**
 * Sends everything a forger could think of into a window, each with a port of its own, and gathers what
 * comes back on the ports. Runs in the page.
 */
const forge = `
  globalThis.heard = [];
  globalThis.forge = (target, nonce) => {
    const words = [
      { hermit: 'connect', version: 1, nonce },
      { hermit: 'connect', version: 1, nonce: '' },
      { hermit: 'connect', version: 1 },
      { hermit: 'hello', version: 1, nonce },
      { hermit: 'refused', version: 1, reason: 'origin' },
      { hermit: 'copy-files', files: [new File(['GGUF'], 'evil.gguf')] },
      { jsonrpc: '2.0', method: 'ui.fill', params: { text: 'forged' } },
      JSON.stringify({ jsonrpc: '2.0', method: 'ui.fill', params: { text: 'forged' } }),
    ];
    for (const word of words) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => heard.push(data);
      port1.postMessage(JSON.stringify({ jsonrpc: '2.0', method: 'ui.fill', params: { text: 'forged' } }));
      port1.postMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'models.list', params: [] }));
      target.postMessage(word, '*', [port2]);
    }
  };`;

const frameOnly = (hermit: string, attributes = ''): string =>
  `<!doctype html><title>Forger</title><iframe src="${hermit}/widget" ${attributes}></iframe>
   <script>${forge}
     globalThis.nonces = [];
     addEventListener('message', ({ data }) => { if (data?.hermit === 'hello') nonces.push(data.nonce); });
   </script>`;

/** Whatever was sent has arrived when a message sent after it has. */
const settled = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  });

describe('a page that may embed, with a chat in it', () => {
  it('cannot be spoken for by a sibling frame, which knows everything but is not the parent', async () => {
    sites.stranger.pages.set('/sibling', { html: `<script>${forge}</script>` });
    const sibling = `<iframe name="sibling" src="${sites.stranger.origin}/sibling"></iframe>`;
    // In the shadow tree of <hermit-chat> it could not even be reached.
    const html = `<!doctype html><title>Siblings</title>
      <iframe id="chat" src="${sites.hermit}/widget" width="400" height="600"></iframe>${sibling}
      <script type="module">
        import { connect } from '${sites.hermit}/embed.js';
        globalThis.widget = await connect(document.querySelector('#chat'));
      </script>`;
    const page = await openOn(browser, sites.host, '/siblings', { html });
    const widget = page.frameLocator('#chat');
    await allow(widget, 'Continue');
    await takeGuide(widget);
    const frame = page.frame('sibling');
    const reached = await frame?.evaluate(() => {
      const { forge: send } = globalThis as unknown as {
        forge: (target: Window, nonce: string) => void;
      };
      const others = Array.from({ length: parent.length }, (_, index) => parent[index]);
      for (const other of others) if (other !== undefined) send(other, 'guessed');
      return others.length;
    });
    expect(reached).toBe(2);
    await settled(page);
    expect(await frame?.evaluate(() => (globalThis as unknown as { heard: [] }).heard)).toEqual([]);
    expect(await widget.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('');
  });

  it('has no second connection, not even for itself', async () => {
    const html = embedding(sites.hermit, '', forge);
    const page = await openOn(browser, sites.host, '/second', { html });
    const widget = await openChat(page);
    await takeGuide(widget);
    const heard = await page.evaluate(async () => {
      const scope = globalThis as unknown as {
        forge: (target: Window | null, nonce: string) => void;
        heard: unknown[];
      };
      const iframe = document.querySelector('hermit-chat')?.shadowRoot?.querySelector('iframe');
      scope.forge(iframe?.contentWindow ?? null, 'guessed');
      await new Promise((resolve) => setTimeout(resolve, 300));
      return scope.heard;
    });
    expect(heard).toEqual([]);
    expect(await widget.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('');
  });

  it('gets nothing but what the frame may say before the person has decided', async () => {
    const page = await openOn(browser, sites.host, '/early', { html: frameOnly(sites.hermit) });
    await expect
      .poll(() => page.evaluate(() => (globalThis as unknown as { nonces: [] }).nonces.length))
      .toBeGreaterThan(0);
    await page.evaluate(() => {
      const scope = globalThis as unknown as {
        forge: (target: Window | undefined, nonce: string | undefined) => void;
        nonces: string[];
      };
      scope.forge(window[0], scope.nonces[0]);
    });
    const frame = page.frameLocator('iframe');
    await frame.getByRole('alertdialog').waitFor();
    await settled(page);
    // The right nonce from the right parent connects, once; it is told so, and that the person is asked.
    const heard = await page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard);
    expect(heard.map((text) => (JSON.parse(text) as { method?: string }).method)).toEqual([
      'ui.ready',
      'ui.attention',
    ]);
    await frame.getByRole('button', { name: 'Don’t allow' }).click();
    await frame.getByText(/You did not let 127\.0\.0\.1:\d+ show Hermit/).waitFor();
    await expect
      .poll(() => page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard.at(-1)))
      .toContain('embed/refused');
  });
});

describe('a page that may not embed', () => {
  it('is refused by the browser, and the element says why', async () => {
    const html = embedding(sites.hermit);
    const page = await openOn(browser, sites.stranger, '/stranger', { html });
    await page.getByRole('button', { name: 'Open the chat' }).click();
    await page.getByText('Hermit cannot be shown here').waitFor();
    expect(await page.getByRole('link', { name: 'Open Hermit in its own window' }).count()).toBe(1);
    const [, frame] = page.frames();
    expect(frame?.url() ?? 'none').not.toContain('/widget');
  });

  it('is refused by the frame where a server sends no headers, and learns nothing', async () => {
    const html = frameOnly(sites.bareHermit);
    const page = await openOn(browser, sites.stranger, '/bare', { html });
    await expect
      .poll(() => page.evaluate(() => (globalThis as unknown as { nonces: [] }).nonces.length))
      .toBeGreaterThan(0);
    await page.evaluate(() => {
      const scope = globalThis as unknown as {
        forge: (target: Window | undefined, nonce: string | undefined) => void;
        nonces: string[];
      };
      scope.forge(window[0], scope.nonces[0]);
    });
    const frame = page.frameLocator('iframe');
    await frame.getByText(/127\.0\.0\.1:\d+ is not among the sites/).waitFor();
    expect(await page.evaluate(() => (globalThis as unknown as { heard: [] }).heard)).toEqual([]);
    expect(await frame.getByRole('textbox').count()).toBe(0);
  });

  it('cannot open the widget in a window and speak to it', async () => {
    const html = `<!doctype html><title>Opener</title><script>${forge}</script>`;
    const page = await openOn(browser, sites.stranger, '/opener', { html });
    const opening = page.waitForEvent('popup');
    await page.evaluate((url) => {
      (globalThis as unknown as { opened: Window | null }).opened = open(`${url}/widget`);
    }, sites.hermit);
    const popup = await opening;
    await popup.getByRole('button', { name: 'Try it now' }).click();
    await popup.getByRole('textbox', { name: 'Message' }).waitFor();
    await page.evaluate(() => {
      const scope = globalThis as unknown as {
        forge: (target: Window, nonce: string) => void;
        opened: Window;
      };
      scope.forge(scope.opened, 'guessed');
    });
    await settled(popup);
    expect(await page.evaluate(() => (globalThis as unknown as { heard: [] }).heard)).toEqual([]);
    expect(await popup.getByRole('textbox', { name: 'Message' }).inputValue()).toBe('');
  });
});

describe('a sandbox', () => {
  it('of the parent has no origin that could be listed', async () => {
    const html = frameOnly(sites.hermit);
    const headers = { 'Content-Security-Policy': 'sandbox allow-scripts' };
    const page = await openOn(browser, sites.host, '/sandboxed', { html, headers });
    await settled(page);
    const frame = page.frames().find((each) => each.url().includes('/widget'));
    expect(frame).toBeUndefined();
    expect(await page.evaluate(() => (globalThis as unknown as { nonces: [] }).nonces)).toEqual([]);
  });

  it('in which nothing can be loaded leaves a sentence', async () => {
    const html = frameOnly(sites.hermit, 'sandbox="allow-scripts"');
    const page = await openOn(browser, sites.host, '/barren', { html });
    const sentence = page.frameLocator('iframe').getByText('Hermit cannot start in this frame.');
    await expect.poll(() => sentence.isVisible(), { timeout: 20_000 }).toBe(true);
  });

  it('without an origin of its own is told to be unfit', async () => {
    const html = frameOnly(sites.bareHermit, 'sandbox="allow-scripts"');
    const page = await openOn(browser, sites.host, '/inner', { html });
    const frame = page.frameLocator('iframe');
    await frame.getByText('The page keeps Hermit in a sandbox').waitFor();
    expect(await frame.getByRole('textbox').count()).toBe(0);
  });
});

describe('consent', () => {
  it('cannot be given through something that lies on top', async () => {
    const cover =
      '<div style="position:fixed;inset:0;z-index:2147483647;pointer-events:none;background:#0f08"></div>';
    const html = embedding(sites.hermit) + cover;
    const page = await openOn(browser, sites.host, '/covered', { html });
    await page.getByRole('button', { name: 'Open the chat' }).click();
    const button = widgetOf(page).getByRole('button', { name: 'Continue' });
    await button.waitFor();
    await settled(page);
    expect(await button.isDisabled()).toBe(true);
    await page.evaluate(() => {
      document.querySelector('div')?.remove();
    });
    await expect.poll(() => button.isEnabled()).toBe(true);
  });
});
