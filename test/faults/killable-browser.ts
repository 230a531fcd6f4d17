/**
 * A Chromium on a profile that outlives it, started as a process of its own, so that a test can kill
 * it as a power cut would, look into its profile, and start it again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { ensureChromium } from '../../scripts/find-chromium.mjs';

const switches = [
  '--headless=new',
  // Tests run as root in containers, where Chromium's sandbox cannot start.
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Else a browser that was killed asks whether to restore its tabs.
  '--disable-session-crashed-bubble',
  '--password-store=basic',
  '--lang=en-US',
  '--accept-lang=en-US',
  '--window-size=1280,800',
  '--remote-debugging-port=0',
];

export interface RunningBrowser {
  readonly context: BrowserContext;
  open(url: string): Promise<Page>;
  /** SIGKILL to every process of it, in the middle of whatever they do. */
  kill(): Promise<void>;
  /** Ends it in the ordinary way. */
  close(): Promise<void>;
}

/** A folder for a profile; `remove` it at the end. */
export async function newProfile(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'hermit-fault-profile-'));
  return {
    path,
    // Chromium's last helper process may still write for a moment.
    remove: () => rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }),
  };
}

export async function startBrowser(
  profile: string,
  args: readonly string[] = [],
): Promise<RunningBrowser> {
  const child = spawn(
    await ensureChromium(),
    [...switches, ...args, `--user-data-dir=${profile}`, 'about:blank'],
    // A process group of its own, so that one signal ends all its processes.
    { detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const browser = await chromium.connectOverCDP(await debuggingAddress(child));
  const [context] = browser.contexts();
  if (context === undefined) throw new Error('The browser has no context');
  context.setDefaultTimeout(30_000);
  return {
    context,
    open: async (url) => {
      const page = await context.newPage();
      await page.goto(url, { waitUntil: 'load' });
      return page;
    },
    kill: () => end(child, browser, () => process.kill(-(child.pid ?? 0), 'SIGKILL')),
    // Told by a signal it may leave out what of localStorage it has not written yet.
    close: () =>
      end(child, browser, async () => {
        const session = await browser.newBrowserCDPSession();
        // The connection may end before the answer.
        session.send('Browser.close').catch(() => undefined);
      }),
  };
}

function debuggingAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stderr === null) throw new Error('The browser says nothing');
    const lines = createInterface(child.stderr);
    lines.on('line', (line) => {
      const address = /^DevTools listening on (ws:\S+)/u.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`The browser ended with ${code} before it listened`));
    });
  });
}

async function end(child: ChildProcess, browser: Browser, tell: () => unknown): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    await tell();
    await gone;
  }
  await browser.close();
}
