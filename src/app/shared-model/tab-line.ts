/**
 * The tabs of this site in line for the model: the first one holds it, the others reach it through
 * ports, and the next one takes over when the first is gone.
 *
 * The place is a Web Lock, which ends with its tab, however it ends. A channel that all tabs hear says
 * who joins and that somebody new leads; it carries names of meetings only, and the port of a meeting
 * comes from the shared worker (`rpc/port-broker.ts`).
 */
import { meet } from '../../rpc/port-broker.ts';

/** What is used of the browser's `LockManager`. */
export interface LineLocks {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly steal?: boolean },
    callback: (lock: unknown) => Promise<unknown>,
  ): Promise<unknown>;
}

/** What is used of `BroadcastChannel`. */
export interface LineChannel {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
}

export interface TabLineOptions {
  /** Tabs with the same name share a model: those of one build of the app. */
  readonly name: string;
  readonly locks: LineLocks;
  readonly channel: LineChannel;
  readonly connectBroker: () => MessagePort;
}

/** What a tab does where it stands. */
export interface TabInLine {
  /** It leads from now on. */
  lead(): void;
  /** Another one took its place, because this one was silent. */
  deposed(): void;
  /** Another tab leads now: reach it. */
  follow(): void;
  /** As the leader: another tab has come. `gone` fires when it is gone again. */
  serve(port: MessagePort, gone: AbortSignal): void;
}

type Message =
  { readonly kind: 'leading' } | { readonly kind: 'joining'; readonly meeting: string };

/** Time in which a tab that lives answers: a shared worker has to start, on a busy device. */
const MEETING_LIMIT_MS = 10_000;

export class TabLine {
  readonly #options: TabLineOptions;
  readonly #tab: TabInLine;
  #leads = false;

  constructor(options: TabLineOptions, tab: TabInLine) {
    this.#options = options;
    this.#tab = tab;
    // Any script of this origin can send: what arrives is checked.
    options.channel.onmessage = ({ data }) => {
      if (!isMessage(data)) return;
      if (data.kind === 'leading' && !this.#leads) tab.follow();
      if (data.kind === 'joining' && this.#leads) void this.#welcome(data.meeting);
    };
    void this.#stand();
  }

  /** A port to the leader; null when it does not answer. */
  async join(): Promise<MessagePort | null> {
    const meeting = crypto.randomUUID();
    const { locks, connectBroker, channel } = this.#options;
    // Ends with this tab, which tells the leader that nobody waits any more.
    locks
      .request(this.#presence(meeting), {}, () => new Promise(() => undefined))
      .catch(() => undefined);
    const met = meet(connectBroker(), meeting);
    channel.postMessage({ kind: 'joining', meeting } satisfies Message);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => {
        resolve(null);
      }, MEETING_LIMIT_MS);
    });
    return Promise.race([met, late]).finally(() => {
      clearTimeout(timer);
    });
  }

  /** Takes the place of a leader that does not answer: the browser may have frozen its tab. */
  takeOver(): void {
    if (!this.#leads) void this.#hold({ steal: true });
  }

  /** Leads at once where nobody does; else follows, and waits for its turn. */
  async #stand(): Promise<void> {
    let free = true;
    await this.#hold({ ifAvailable: true }, () => {
      free = false;
    });
    if (free) return;
    this.#tab.follow();
    await this.#hold({});
  }

  /** Resolves when the place is lost or cannot be had. */
  async #hold(
    how: { readonly ifAvailable?: boolean; readonly steal?: boolean },
    taken: () => void = () => undefined,
  ): Promise<void> {
    const { locks, name, channel } = this.#options;
    try {
      await locks.request(name, how, async (lock) => {
        if (lock === null) {
          taken();
          return;
        }
        // A tab that stole the place is still in line for it.
        if (this.#leads) return;
        this.#leads = true;
        this.#tab.lead();
        channel.postMessage({ kind: 'leading' } satisfies Message);
        await new Promise(() => undefined);
      });
    } catch {
      // Stolen: another tab leads. This one goes to the end of the line.
      if (!this.#leads) return;
      this.#leads = false;
      this.#tab.deposed();
      await this.#hold({});
    }
  }

  async #welcome(meeting: string): Promise<void> {
    const { locks, connectBroker } = this.#options;
    const gone = new AbortController();
    const port = await meet(connectBroker(), meeting);
    locks
      .request(this.#presence(meeting), {}, () => {
        gone.abort();
        return Promise.resolve();
      })
      .catch(() => undefined);
    if (this.#leads) this.#tab.serve(port, gone.signal);
    else port.close();
  }

  #presence(meeting: string): string {
    return `${this.#options.name}:${meeting}`;
  }
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, meeting } = value as Readonly<Record<string, unknown>>;
  return kind === 'leading' || (kind === 'joining' && typeof meeting === 'string');
}
