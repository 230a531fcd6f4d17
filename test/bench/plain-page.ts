/**
 * A page of headless Chromium that nobody watches: driven through DevTools' pipe with nothing enabled
 * but the evaluation of expressions.
 *
 * Automation tools record the network of every page and worker, bodies included, in the renderer
 * itself (up to 100 MB for each), so memory is measured without them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { ensureChromium } from '../../scripts/find-chromium.mjs';

export interface PlainPage {
  /** Runs `work` in the page with this argument, and resolves to what it resolves to (JSON). */
  evaluate<A, T>(work: (argument: A) => Promise<T>, argument: A): Promise<T>;
}

export interface PlainBrowser {
  /** Opens an address and waits until its document is complete. */
  openPage(url: string): Promise<PlainPage>;
  close(): Promise<void>;
}

/** Starts Chromium on this profile. */
export async function launchPlainBrowser(profile: string): Promise<PlainBrowser> {
  const browser = spawn(
    await ensureChromium(),
    [
      '--headless=new',
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`,
      // Containers run this as root, where Chromium's sandbox cannot start.
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--window-size=1280,800',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const ended = once(browser, 'exit');
  const devTools = new DevToolsPipe(browser.stdio[3] as Writable, browser.stdio[4] as Readable);
  // Answered as soon as the browser itself runs, which a script of the distribution may start.
  await devTools.send('Browser.getVersion', {});
  return {
    openPage: async (url) => {
      const { targetId } = await devTools.send('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await devTools.send('Target.attachToTarget', {
        targetId,
        flatten: true,
      });
      const page = pageOf(devTools, sessionId as string);
      // Answered when the document has changed: the empty one before it counts as complete, too.
      await devTools.send('Page.navigate', { url }, sessionId as string);
      while (
        !(await page.evaluate(() => Promise.resolve(document.readyState === 'complete'), null))
      )
        await pause(50);
      return page;
    },
    close: async () => {
      await devTools.send('Browser.close', {});
      await ended;
    },
  };
}

function pageOf(devTools: DevToolsPipe, sessionId: string): PlainPage {
  return {
    evaluate: async <A, T>(work: (argument: A) => Promise<T>, argument: A): Promise<T> => {
      const expression = `(${work.toString()})(${JSON.stringify(argument)})`;
      const parameters = { expression, awaitPromise: true, returnByValue: true };
      const answer = await devTools.send('Runtime.evaluate', parameters, sessionId);
      const failure = answer['exceptionDetails'] as
        | { readonly exception?: { readonly description?: string }; readonly text: string }
        | undefined;
      if (failure !== undefined) throw new Error(failure.exception?.description ?? failure.text);
      return (answer['result'] as { readonly value: T }).value;
    },
  };
}

type Values = Readonly<Record<string, unknown>>;

interface Reply {
  readonly id?: number;
  readonly result?: Values;
  readonly error?: { readonly message: string };
}

/**
 * The Chrome DevTools Protocol over a pair of pipes: JSON messages, each ended by a zero byte
 * (https://chromedevtools.github.io/devtools-protocol, `--remote-debugging-pipe`).
 */
class DevToolsPipe {
  readonly #to: Writable;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;
  #unread = '';

  constructor(to: Writable, from: Readable) {
    this.#to = to;
    from.setEncoding('utf8').on('data', (text: string) => {
      const messages = (this.#unread + text).split('\0');
      this.#unread = messages.pop() ?? '';
      for (const message of messages) this.#accept(JSON.parse(message) as Reply);
    });
  }

  async send(method: string, parameters: Values, sessionId?: string): Promise<Values> {
    const id = ++this.#lastId;
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    this.#to.write(`${JSON.stringify({ id, method, params: parameters, sessionId })}\0`);
    const { result, error } = await reply;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  #accept(reply: Reply): void {
    if (reply.id === undefined) return;
    this.#waiting.get(reply.id)?.(reply);
    this.#waiting.delete(reply.id);
  }
}
