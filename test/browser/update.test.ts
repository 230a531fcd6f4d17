/**
 * New versions of the app in a real browser: they wait to be wanted, come whole or not at all, and
 * leave a tab of the version before in working order.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStaticServer } from '../../scripts/serve.mjs';
import { launchBrowser, waitForServiceWorker, type TestBrowser } from './browser-harness.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** A copy of the build that can be replaced by another version while it is served. */
class Deployment {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hermit-deployment-'));
  readonly #served = join(this.#folder, 'served');
  readonly #server: Server;
  #count = 0;

  constructor() {
    cpSync(dist, this.#served, { recursive: true });
    this.#server = createStaticServer(this.#served);
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /**
   * Puts another version online: its page is titled `title`, and with `without` it neither lists nor
   * has that file. A `damaged` version announces a page other than the one it has.
   */
  publish(title: string, options: { without?: string; damaged?: boolean } = {}): void {
    const next = join(this.#folder, `version-${++this.#count}`);
    cpSync(dist, next, { recursive: true });
    const page = readFileSync(join(dist, 'index.html'), 'utf8');
    const changed = page.replace('<title>Hermit</title>', `<title>${title}</title>`);
    let worker = readFileSync(join(dist, 'service-worker.js'), 'utf8');
    worker = worker
      .replace(integrityOf(page), integrityOf(changed))
      .replace(/"revision":"\w+","url":"index.html"/, `"revision":"${title}","url":"index.html"`);
    if (options.without !== undefined) {
      const entry = new RegExp(`\\{[^{}]*"url":"${options.without}"[^{}]*\\},?`);
      worker = worker.replace(entry, '');
      rmSync(join(next, options.without));
    }
    writeFileSync(join(next, 'index.html'), options.damaged === true ? `${changed} ` : changed);
    writeFileSync(join(next, 'service-worker.js'), worker);
    for (const file of ['index.html', 'service-worker.js']) {
      for (const suffix of ['.br', '.gz']) rmSync(join(next, file + suffix), { force: true });
    }
    renameSync(this.#served, join(this.#folder, `old-${this.#count}`));
    renameSync(next, this.#served);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    rmSync(this.#folder, { recursive: true });
  }
}

function integrityOf(text: string): string {
  return `sha384-${createHash('sha384').update(text).digest('base64')}`;
}

/** Looks for a new version and resolves with what became of it. */
function checkForUpdate(page: Page): Promise<'waiting' | 'refused'> {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const found = new Promise<ServiceWorker>((resolve, reject) => {
      registration.addEventListener('updatefound', () => {
        if (registration.installing === null) reject(new Error('installed already'));
        else resolve(registration.installing);
      });
    });
    await registration.update();
    const worker = await found;
    return new Promise<'waiting' | 'refused'>((resolve) => {
      const look = (): void => {
        if (worker.state === 'installed') resolve('waiting');
        if (worker.state === 'redundant') resolve('refused');
      };
      worker.addEventListener('statechange', look);
      look();
    });
  });
}

/** Does what the update prompt does, and waits until the new version is in charge. */
function switchVersion(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const { waiting } = await navigator.serviceWorker.ready;
    const changed = new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true });
    });
    waiting?.postMessage({ type: 'SKIP_WAITING' });
    await changed;
  });
}

describe('updates', () => {
  let browser: TestBrowser;
  let deployment: Deployment;
  let url: string;

  beforeEach(async () => {
    deployment = new Deployment();
    url = await deployment.start();
    browser = await launchBrowser();
  });

  afterEach(async () => {
    await browser.close();
    await deployment.stop();
  });

  async function openControlledPage(): Promise<Page> {
    const { page } = await browser.openPage(url);
    await waitForServiceWorker(page);
    await page.reload();
    return page;
  }

  it('a new version waits until it is wanted', async () => {
    const page = await openControlledPage();
    deployment.publish('Second');
    expect(await checkForUpdate(page)).toBe('waiting');
    await page.reload();
    expect(await page.title()).toBe('Hermit');
    await switchVersion(page);
    await page.reload();
    expect(await page.title()).toBe('Second');
  });

  it('a version with a damaged file is not taken', async () => {
    const page = await openControlledPage();
    deployment.publish('Damaged', { damaged: true });
    expect(await checkForUpdate(page)).toBe('refused');
    await page.reload();
    expect(await page.title()).toBe('Hermit');
  });

  it('a tab of the version before finds its files when another tab has switched', async () => {
    const tab = await openControlledPage();
    const other = await openControlledPage();
    const asset = await tab.evaluate(async () => {
      const entry = document.querySelector('script[src]')?.getAttribute('src') ?? '';
      return (await fetch(entry)).ok ? entry.slice(1) : '';
    });
    expect(asset).toMatch(/^assets\//);
    deployment.publish('Second', { without: asset });
    expect(await checkForUpdate(other)).toBe('waiting');
    await switchVersion(other);
    // Past the HTTP cache, which keeps what is immutable but promises nothing.
    const status = (path: string): Promise<number> =>
      tab.evaluate(async (asked) => (await fetch(asked, { cache: 'reload' })).status, `/${path}`);
    expect((await fetch(`${url}/${asset}`)).status).toBe(404);
    expect(await status(asset)).toBe(200);
    expect(await status('assets/never-12345678.js')).toBe(404);
  });
});
