/**
 * A real Chromium for tests: started on a profile of its own, and watched, so that a test can assert
 * that nothing was reported, nothing violated a policy and nothing left the machine unasked.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  chromium,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core';
import type { Hermit } from '../../src/app/page-api/hermit.ts';
import { ensureChromium } from '../../scripts/find-chromium.mjs';

declare global {
  /** The page's own; tests name it only inside functions that run in the page. */
  var hermit: Hermit;
}

export interface LaunchOptions {
  /** A profile folder that outlives the browser, for tests that start it again; else a fresh one. */
  readonly profile?: string;
  /** WebGPU on SwiftShader. Without it there is no adapter: the common "no GPU" case. */
  readonly webgpu?: boolean;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: 'light' | 'dark';
  readonly locale?: string;
  /** Compute Pressure, which a test then sets itself. Without it an app is told how busy this machine is. */
  readonly pressure?: boolean;
  /** Without service workers every file comes from the server, as at a first visit. */
  readonly serviceWorkers?: 'allow' | 'block';
  /** Beside the variables of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Further command line switches. */
  readonly args?: readonly string[];
}

/** What happened in a page and in its workers since it was opened. */
export interface PageLog {
  readonly consoleErrors: string[];
  /** Exceptions nobody caught, unhandled rejections included. */
  readonly uncaught: string[];
  readonly policyViolations: string[];
  /** URLs of all requests, those of workers included. */
  readonly requests: string[];
}

export interface WatchedPage {
  readonly page: Page;
  readonly log: PageLog;
}

export interface TestBrowser {
  readonly context: BrowserContext;
  /** Opens a page and waits until its scripts are loaded. */
  openPage(url: string): Promise<WatchedPage>;
  close(): Promise<void>;
}

const SWITCHES = [
  // Tests run as root in containers, where Chromium's sandbox cannot start.
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const argumentsOf = (options: LaunchOptions): string[] => [
  ...SWITCHES,
  // Without a card, drawing through a program that plays one costs more than drawing itself.
  options.webgpu === true ? '--enable-unsafe-webgpu' : '--disable-gpu',
  // A machine that is busy with other tests would have the app hold back, now and then.
  ...(options.pressure === true ? [] : ['--disable-blink-features=ComputePressure']),
  ...(options.args ?? []),
];

const settingsOf = (options: LaunchOptions): BrowserContextOptions => ({
  viewport: options.viewport ?? { width: 1280, height: 800 },
  colorScheme: options.colorScheme ?? 'light',
  locale: options.locale ?? 'en-US',
  serviceWorkers: options.serviceWorkers ?? 'allow',
});

/** Starts a browser. The caller closes it; a profile that was made for it goes with it. */
export async function launchBrowser(options: LaunchOptions = {}): Promise<TestBrowser> {
  const profile = options.profile ?? (await mkdtemp(join(tmpdir(), 'hermit-profile-')));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: await ensureChromium(),
    args: argumentsOf(options),
    ...settingsOf(options),
    env: { ...process.env, ...options.environment },
  });
  return {
    context,
    openPage: (url) => openPage(context, url),
    close: async () => {
      await context.close();
      // Chromium's last helper process may still write for a moment.
      if (options.profile === undefined) await rm(profile, { recursive: true, maxRetries: 5 });
    },
  };
}

/** One browser for many tests, each of which gets a profile of its own, kept in memory. */
export interface SharedBrowser {
  newProfile(
    options?: Pick<LaunchOptions, 'viewport' | 'colorScheme' | 'locale'>,
  ): Promise<TestBrowser>;
  close(): Promise<void>;
}

/** Starting a browser takes a second and more; another profile takes a tenth of one. */
export async function launchSharedBrowser(options: LaunchOptions = {}): Promise<SharedBrowser> {
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: argumentsOf(options),
  });
  return {
    newProfile: async (more = {}) => {
      const context = await browser.newContext(settingsOf({ ...options, ...more }));
      return {
        context,
        openPage: (url) => openPage(context, url),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function openPage(context: BrowserContext, url: string): Promise<WatchedPage> {
  const page = await context.newPage();
  const log: PageLog = { consoleErrors: [], uncaught: [], policyViolations: [], requests: [] };
  page.on('console', (message) => {
    const text = message.text();
    if (/Content Security Policy|Trusted(HTML|Script|ScriptURL|Type)/i.test(text)) {
      log.policyViolations.push(text);
    } else if (message.type() === 'error') {
      log.consoleErrors.push(`${text} (${message.location().url})`);
    }
  });
  page.on('pageerror', (error) => log.uncaught.push(error.stack ?? error.message));
  context.on('request', (request) => log.requests.push(request.url()));
  await page.goto(url, { waitUntil: 'load' });
  return { page, log };
}

/** Whether a request stayed in the page or on this machine. */
export function isLocalRequest(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return (
    ['blob:', 'data:', 'about:'].includes(protocol) ||
    hostname === 'localhost' ||
    hostname === '127.0.0.1'
  );
}

/** Waits until the service worker is in charge of later visits, with everything stored. */
export async function waitForServiceWorker(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const worker = registration.active;
    if (worker === null || worker.state === 'activated') return;
    await new Promise<void>((resolve) => {
      worker.addEventListener('statechange', () => {
        if (worker.state === 'activated') resolve();
      });
    });
  });
}
