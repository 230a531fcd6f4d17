/** Versions of the app that are put online one after the other, whole or broken, for tests of updates. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { createStaticServer } from '../../scripts/serve.mjs';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** A copy of the build that can be replaced by another version while it is served. */
export class Deployment {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hermit-deployment-'));
  readonly #served = join(this.#folder, 'served');

  readonly #server: Server;
  #count = 0;

  constructor() {
    cpSync(dist, this.#served, { recursive: true });
    this.#server = createStaticServer(this.#served);
  }

  /** What is online now. */
  get folder(): string {
    return this.#served;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /**
   * Puts another version online: its page is titled `title`, and with `without` it neither lists nor
   * has that file. A `damaged` version announces a page other than the one it has, one with a `lost`
   * file lists a file that it does not have, and `edit` changes a file and nothing that is said of it.
   */
  publish(
    title: string,
    options: {
      readonly without?: string;
      readonly damaged?: boolean;
      readonly lost?: string;
      readonly edit?: (folder: string) => void;
    } = {},
  ): void {
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
    if (options.lost !== undefined) rmSync(join(next, options.lost));
    options.edit?.(next);
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
export function checkForUpdate(page: Page): Promise<'waiting' | 'refused'> {
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
export function switchVersion(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const { waiting } = await navigator.serviceWorker.ready;
    const changed = new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true });
    });
    waiting?.postMessage({ type: 'SKIP_WAITING' });
    await changed;
  });
}
