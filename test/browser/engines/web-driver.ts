/**
 * Firefox and WebKitGTK under the commands of the W3C WebDriver standard, each by the door that its
 * package has: WebKitGTK's driver speaks HTTP, Firefox itself speaks the same commands over a socket
 * (Marionette, which geckodriver would only translate to, and which Debian's package includes).
 *
 * https://www.w3.org/TR/webdriver2, https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export type EngineName = 'firefox' | 'webkit';

export interface EngineBrowser {
  readonly name: EngineName;
  readonly version: string;
  open(url: string): Promise<void>;
  reload(): Promise<void>;
  /** What follows happens in the first frame of the page, until another page is opened. */
  enterFrame(): Promise<void>;
  /** Runs `work` in the page with this argument; both it and the result travel as JSON. */
  evaluate<A, T>(work: (argument: A) => T | Promise<T>, argument: A): Promise<T>;
  /** PNG of the window. */
  screenshot(): Promise<Buffer>;
  close(): Promise<void>;
}

interface Transport {
  /** @throws Error what the browser answers when a command failed */
  send(command: Command, parameters: Values): Promise<unknown>;
}

type Values = Readonly<Record<string, unknown>>;

/** The commands that are used: their names in Marionette, and their places in HTTP. */
const commands = {
  navigate: ['WebDriver:Navigate', 'POST', '/url'],
  reload: ['WebDriver:Refresh', 'POST', '/refresh'],
  frame: ['WebDriver:SwitchToFrame', 'POST', '/frame'],
  timeouts: ['WebDriver:SetTimeouts', 'POST', '/timeouts'],
  execute: ['WebDriver:ExecuteAsyncScript', 'POST', '/execute/async'],
  screenshot: ['WebDriver:TakeScreenshot', 'GET', '/screenshot'],
} as const;

type Command = keyof typeof commands;

const scriptTimeoutMs = 120_000;

/**
 * Starts a browser on an empty profile.
 * @param executable its path, of WebKit that of MiniBrowser
 */
export async function launchEngine(
  name: EngineName,
  executable: string,
  options: { readonly sharedMemory?: boolean } = {},
): Promise<EngineBrowser> {
  const { sharedMemory = true } = options;
  return name === 'firefox' ? launchFirefox(executable) : launchWebKit(executable, sharedMemory);
}

function browserOf(
  identity: Pick<EngineBrowser, 'name' | 'version' | 'close'>,
  transport: Transport,
): EngineBrowser {
  return {
    ...identity,
    open: async (url) => {
      await transport.send('navigate', { url });
    },
    reload: async () => {
      await transport.send('reload', {});
    },
    enterFrame: async () => {
      await transport.send('frame', { id: 0 });
    },
    evaluate: async <A, T>(work: (argument: A) => T | Promise<T>, argument: A): Promise<T> => {
      const script = `
        const done = arguments[arguments.length - 1];
        Promise.resolve(arguments[0]).then(${work.toString()}).then(
          (value) => done({ value: value === undefined ? null : value }),
          (error) => done({ error: String(error), stack: String(error && error.stack) }),
        );`;
      const answer = (await transport.send('execute', { script, args: [argument] })) as
        { readonly value: T } | { readonly error: string; readonly stack: string };
      if ('error' in answer) throw new Error(`${answer.error}\n${answer.stack}`);
      return answer.value;
    },
    screenshot: async () =>
      Buffer.from((await transport.send('screenshot', {})) as string, 'base64'),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Again and again until the program that was started answers, or has ended. */
async function whenUp<T>(program: ChildProcess, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (program.exitCode !== null) {
        throw new Error(`${program.spawnfile} ended with ${program.exitCode}.`, { cause: error });
      }
      await pause(100);
    }
  }
}

async function end(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const ended = once(program, 'exit');
  program.kill();
  await ended;
}

/** What makes Firefox ask nobody for anything. */
const firefoxPreferences = {
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.aboutwelcome.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
  'dom.storageManager.prompt.testing': true,
  'dom.storageManager.prompt.testing.allow': true,
  'intl.accept_languages': 'en-US',
};

async function launchFirefox(executable: string): Promise<EngineBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'hermit-firefox-'));
  const port = await freePort();
  const preferences = Object.entries({ ...firefoxPreferences, 'marionette.port': port })
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`)
    .join('\n');
  await writeFile(join(profile, 'user.js'), preferences);
  const program = spawn(
    executable,
    [
      '--headless',
      '--marionette',
      '--no-remote',
      '--profile',
      profile,
      '--width',
      '1280',
      '--height',
      '900',
    ],
    // Without these two it looks for the settings of the person who runs the tests.
    { stdio: 'ignore', env: { ...process.env, HOME: profile, MOZ_HEADLESS: '1' } },
  );
  const socket = await whenUp(program, () => connectTo(port));
  const marionette = new Marionette(socket);
  const { capabilities } = (await marionette.call('WebDriver:NewSession', {
    capabilities: {},
  })) as { readonly capabilities: { readonly browserVersion: string } };
  const transport: Transport = {
    send: async (command, parameters) => {
      const answer = await marionette.call(commands[command][0], parameters);
      return (answer as { readonly value?: unknown }).value;
    },
  };
  await transport.send('timeouts', { script: scriptTimeoutMs });
  const close = async (): Promise<void> => {
    socket.destroy();
    await end(program);
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return browserOf({ name: 'firefox', version: capabilities.browserVersion, close }, transport);
}

function connectTo(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Messages are JSON arrays with their length before them: `12:[0,1,"name",{}]`. */
class Marionette {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (error: unknown, result: unknown) => void>();
  #lastId = 0;
  #unread = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, bytes]);
      while (this.#accept());
    });
    socket.on('close', () => {
      for (const settle of this.#waiting.values()) settle({ message: 'Firefox has ended.' }, null);
    });
  }

  call(name: string, parameters: Values): Promise<unknown> {
    const id = ++this.#lastId;
    const message = JSON.stringify([0, id, name, parameters]);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (error, result) => {
        if (error === null) resolve(result);
        else reject(new Error(`${name}: ${(error as { readonly message: string }).message}`));
      });
      this.#socket.write(`${Buffer.byteLength(message)}:${message}`);
    });
  }

  /** Takes one whole message. @returns whether there was one */
  #accept(): boolean {
    const colon = this.#unread.indexOf(':');
    if (colon < 0) return false;
    const end = colon + 1 + Number(this.#unread.toString('ascii', 0, colon));
    if (this.#unread.length < end) return false;
    const message: unknown = JSON.parse(this.#unread.toString('utf8', colon + 1, end));
    this.#unread = this.#unread.subarray(end);
    // The first message is a greeting, an object.
    if (Array.isArray(message)) {
      const [, id, error, result] = message as [number, number, unknown, unknown];
      this.#waiting.get(id)?.(error, result);
      this.#waiting.delete(id);
    }
    return true;
  }
}

/** Interfaces that Safari has and this build of WebKit keeps behind switches. */
const webKitFeatures = '+FileSystem,+AccessHandle,+StorageAPI,+StorageAPIEstimate';

async function launchWebKit(executable: string, sharedMemory: boolean): Promise<EngineBrowser> {
  const port = await freePort();
  const environment = {
    ...process.env,
    ...(sharedMemory ? { JSC_useSharedArrayBuffer: '1', JSC_useWasmRelaxedSIMD: '1' } : {}),
    // Root in a container has neither.
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    LIBGL_ALWAYS_SOFTWARE: '1',
  };
  const program = spawn(
    'xvfb-run',
    [
      '--auto-servernum',
      '--server-args=-screen 0 1280x900x24',
      'WebKitWebDriver',
      `--port=${port}`,
    ],
    { stdio: 'ignore', env: environment, detached: true },
  );
  const request = async (method: string, path: string, body?: Values): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { value } = (await response.json()) as { readonly value: unknown };
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(value)}`);
    return value;
  };
  await whenUp(program, () => request('GET', '/status'));
  const { sessionId, capabilities } = (await request('POST', '/session', {
    capabilities: {
      alwaysMatch: {
        'webkitgtk:browserOptions': {
          binary: executable,
          args: ['--automation', `--features=${webKitFeatures}`],
        },
      },
    },
  })) as { readonly sessionId: string; readonly capabilities: { readonly browserVersion: string } };
  const transport: Transport = {
    send: (command, parameters) => {
      const [, method, place] = commands[command];
      const path = `/session/${sessionId}${place}`;
      return request(method, path, method === 'GET' ? undefined : parameters);
    },
  };
  await transport.send('timeouts', { script: scriptTimeoutMs });
  const close = async (): Promise<void> => {
    await request('DELETE', `/session/${sessionId}`);
    // xvfb-run leaves its children behind unless the whole group ends.
    if (program.pid !== undefined) process.kill(-program.pid);
    if (program.exitCode === null && program.signalCode === null) await once(program, 'exit');
  };
  return browserOf({ name: 'webkit', version: capabilities.browserVersion, close }, transport);
}
