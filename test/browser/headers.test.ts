/**
 * The build as it is served: headers of pages, workers and assets, and what the browser makes of
 * them, with and without a network.
 */
import { readdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createStaticServer } from '../../scripts/serve.mjs';
import { bareServer, startServer } from '../fixtures/bare-server.ts';
import {
  isLocalRequest,
  launchBrowser,
  waitForServiceWorker,
  type TestBrowser,
} from './browser-harness.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const assets = readdirSync(`${dist}/assets`)
  .filter((name) => !/\.(br|gz)$/.test(name))
  .map((name) => `/assets/${name}`);
const workers = assets.filter((path) => /\.worker-[\w-]+\.js$/.test(path));
const baseUrl = inject('baseUrl');

/** The sources a policy allows for a directive. */
function sourcesOf(policy: string | null, directive: string): string[] | undefined {
  const found = (policy ?? '').split('; ').find((part) => part.startsWith(`${directive} `));
  return found?.split(' ').slice(1);
}

async function policyOf(path: string): Promise<string | null> {
  const response = await fetch(baseUrl + path);
  await response.arrayBuffer();
  return response.headers.get('content-security-policy');
}

describe('headers', () => {
  it('isolate the page and allow it no other origin, no inline code and no HTML from strings', async () => {
    const { headers } = await fetch(`${baseUrl}/`);
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('permissions-policy')).toContain('camera=()');
    expect(headers.get('cache-control')).toBe('no-cache');
    const policy = headers.get('content-security-policy');
    expect(sourcesOf(policy, 'default-src')).toEqual(["'none'"]);
    expect(sourcesOf(policy, 'connect-src')).toEqual(["'self'"]);
    expect(sourcesOf(policy, 'style-src')).toEqual(["'self'"]);
    expect(sourcesOf(policy, 'script-src')).toEqual(["'self'", "'wasm-unsafe-eval'"]);
    expect(sourcesOf(policy, 'require-trusted-types-for')).toEqual(["'script'"]);
  });

  it('give every worker a policy of its own, and only the store worker other servers', async () => {
    expect(workers.some((path) => path.includes('/store.worker-'))).toBe(true);
    for (const path of workers) {
      const policy = await policyOf(path);
      expect(sourcesOf(policy, 'script-src'), path).toEqual(["'self'", "'wasm-unsafe-eval'"]);
      const connect = sourcesOf(policy, 'connect-src');
      if (path.includes('/store.worker-')) {
        expect(connect, path).toContain('https:');
      } else {
        expect([["'self'"], ["'none'"]], path).toContainEqual(connect);
      }
      if (path.includes('/sandbox.worker-')) expect(connect, path).toEqual(["'none'"]);
    }
  });

  it('serve assets as what they are, for ever, and compressed', async () => {
    const types = { js: 'text/javascript; charset=utf-8', wasm: 'application/wasm' };
    for (const path of assets) {
      const { headers, status } = await fetch(baseUrl + path, { method: 'HEAD' });
      expect(status, path).toBe(200);
      expect(headers.get('cache-control'), path).toContain('immutable');
      const type = types[path.slice(path.lastIndexOf('.') + 1) as keyof typeof types];
      if (type !== undefined) expect(headers.get('content-type'), path).toBe(type);
    }
    const entry = assets.find((path) => path.startsWith('/assets/index-')) ?? '';
    const compressed = await fetch(baseUrl + entry, { headers: { 'accept-encoding': 'br' } });
    expect(compressed.headers.get('content-encoding')).toBe('br');
    const plain = await fetch(baseUrl + entry, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(await compressed.text()).toBe(await plain.text());
  });

  it('answer a matching ETag with 304', async () => {
    const first = await fetch(`${baseUrl}/`);
    const etag = first.headers.get('etag') ?? '';
    const again = await fetch(`${baseUrl}/`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const other = await fetch(`${baseUrl}/`, { headers: { 'if-none-match': '"else"' } });
    expect(other.status).toBe(200);
  });

  it('answer navigations with the page, and what is missing with 404', async () => {
    const accept = { accept: 'text/html' };
    const chat = await fetch(`${baseUrl}/chat/1`, { headers: accept });
    expect(chat.status).toBe(200);
    expect(await chat.text()).toContain('<hermit-app>');
    expect(chat.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const path of ['/assets/gone-12345678.js', '/../package.json', '/%E0%A4%A']) {
      expect((await fetch(baseUrl + path, { headers: accept })).status, path).toBe(404);
    }
    for (const path of ['/chat/1', '/_headers', '/index.html.br']) {
      expect((await fetch(baseUrl + path)).status, path).toBe(404);
    }
    expect((await fetch(`${baseUrl}/`, { method: 'POST' })).status).toBe(405);
  });
});

/** What a worker started from `path` may do, tried inside it. */
async function tryInWorker(page: Page, path: string) {
  const started = page.waitForEvent('worker', (worker) => worker.url().endsWith(path));
  const handle = await page.evaluateHandle(
    (url) => new Worker(url, { type: 'module', name: 'policy-probe' }),
    path,
  );
  const worker = await started;
  const outcome = await worker.evaluate(async () => {
    // The debugger lifts the ban on eval while it calls into the worker: step out of its call.
    await new Promise((resolve) => setTimeout(resolve));
    const allowed = async (attempt: () => unknown): Promise<boolean> => {
      try {
        await attempt();
        return true;
      } catch {
        return false;
      }
    };
    return {
      isolated: crossOriginIsolated,
      // oxlint-disable-next-line no-eval -- whether the policy stops it is the question
      evaluates: await allowed(() => (0, eval)('1')),
      // A refused connection and a refused policy look alike, so the policy's own event decides.
      reachesOthers: await new Promise<boolean>((resolve) => {
        addEventListener('securitypolicyviolation', (event) => {
          if (event.effectiveDirective === 'connect-src') resolve(false);
        });
        fetch('https://elsewhere.invalid/').catch(() => setTimeout(() => resolve(true), 200));
      }),
    };
  });
  await handle.evaluate((probe) => {
    probe.terminate();
  });
  return outcome;
}

describe('in Chromium', () => {
  let browser: TestBrowser;

  beforeAll(async () => {
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser.close();
  });

  it('the page is isolated, violates no policy and asks nobody else', async () => {
    const { page, log } = await browser.openPage(baseUrl);
    await page.locator('hermit-app').waitFor({ state: 'attached' });
    await waitForServiceWorker(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(log.policyViolations).toEqual([]);
    expect(log.uncaught).toEqual([]);
    expect(log.consoleErrors).toEqual([]);
    expect(log.requests.filter((url) => !isLocalRequest(url))).toEqual([]);
    await page.close();
  });

  it('refuses markup from strings and scripts of other origins', async () => {
    const { page } = await browser.openPage(baseUrl);
    const outcome = await page.evaluate(() => {
      const refused = (attempt: () => unknown): boolean => {
        try {
          attempt();
          return false;
        } catch (error) {
          return error instanceof TypeError;
        }
      };
      return {
        markup: refused(() => (document.createElement('div').innerHTML = '<b>x</b>')),
        data: refused(() => new Worker('data:text/javascript,1')),
        elsewhere: refused(() => new Worker('https://elsewhere.invalid/x.js')),
      };
    });
    expect(outcome).toEqual({ markup: true, data: true, elsewhere: true });
    await page.close();
  });

  it('can be installed', async () => {
    const { page } = await browser.openPage(baseUrl);
    await waitForServiceWorker(page);
    const cdp = await browser.context.newCDPSession(page);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    expect(installabilityErrors).toEqual([]);
    const manifest = await cdp.send('Page.getAppManifest');
    expect(manifest.errors).toEqual([]);
    expect(JSON.parse(manifest.data ?? '')).toMatchObject({ name: 'Hermit', id: '/' });
    await page.close();
  });

  it('every worker is held to its policy', async () => {
    const { page } = await browser.openPage(baseUrl);
    for (const path of workers) {
      const outcome = await tryInWorker(page, path);
      const reachesOthers = path.includes('/store.worker-');
      expect(outcome, path).toEqual({ isolated: true, evaluates: false, reachesOthers });
    }
    await page.close();
  });

  it('on a host that sends no headers is isolated after one reload, its workers too', async () => {
    const bare = bareServer(createStaticServer(dist));
    let visits = 0;
    bare.on('request', ({ method, headers }: IncomingMessage) => {
      if (method === 'GET' && headers['sec-fetch-mode'] === 'navigate') visits++;
    });
    const url = `http://localhost:${await startServer(bare)}`;
    const { headers } = await fetch(url);
    expect(headers.get('content-security-policy')).toBeNull();
    const { page, log } = await browser.openPage(url);
    await page.waitForFunction(() => crossOriginIsolated && 'hermit' in globalThis);
    expect(visits).toBe(1); // the reload is the service worker's to answer
    for (const path of workers) {
      const outcome = await tryInWorker(page, path);
      const reachesOthers = path.includes('/store.worker-');
      expect(outcome, path).toEqual({ isolated: true, evaluates: false, reachesOthers });
    }
    expect(log.policyViolations.filter((text) => !text.includes('elsewhere.invalid'))).toEqual([]);
    await page.close();
    bare.closeAllConnections();
    bare.close();
  });

  it('works with the server gone and nothing in the HTTP cache: same page, same isolation, same worker policies', async () => {
    const server = createStaticServer(dist);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const url = `http://localhost:${(server.address() as AddressInfo).port}`;
    const { page, log } = await browser.openPage(url);
    await waitForServiceWorker(page);
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    server.closeAllConnections();
    await closed;
    const cdp = await browser.context.newCDPSession(page);
    await cdp.send('Network.clearBrowserCache');

    await page.reload();
    await page.locator('hermit-app').waitFor({ state: 'attached' });
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
    for (const path of workers) {
      const stored = await page.evaluate(
        async (asked) => (await fetch(asked)).headers.get('content-security-policy'),
        path,
      );
      expect(stored, path).toBe(await policyOf(path));
    }
    const sandbox = workers.find((path) => path.includes('/sandbox.worker-'));
    if (sandbox !== undefined) {
      const outcome = await tryInWorker(page, sandbox);
      expect(outcome).toEqual({ isolated: true, evaluates: false, reachesOthers: false });
    }
    await page.goto(`${url}/chat/of-before`);
    expect(await page.locator('hermit-app').count()).toBe(1);
    expect(log.uncaught).toEqual([]);
    await page.close();
  });
});
