/**
 * One class that owns a worker's life: lazy start, calls, heartbeat, death, restart on next use.
 *
 * Every call goes through `use`, so that a worker that dies or stops answering rejects all calls
 * under way instead of leaving them pending for ever. It does not queue: order is the caller's.
 */
import { releaseProxy, wrap, type Remote } from 'comlink';
import { untilAborted } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';
import './errors-over-wire.ts';

/** What every worker answers besides its own interface. */
export interface Pingable {
  ping(): void;
}

export interface WorkerOwnerOptions {
  /** For messages, for example "engine". */
  readonly name: string;
  readonly create: () => Worker;
  /** Silence after which a busy worker counts as hung. */
  readonly silenceLimitMs: number;
  /** Told when a worker was lost; the next `use` starts a new one. */
  readonly onDeath?: (error: AppError) => void;
}

/** Time between two pings while calls are under way. */
const HEARTBEAT_MS = 1000;

interface Life<Api> {
  readonly worker: Worker;
  readonly remote: Remote<Api & Pingable>;
  readonly pending: Set<(error: AppError) => void>;
  heartbeat: ReturnType<typeof setInterval> | null;
  /** Heartbeats since the last answer; counted, not timed, because a frozen page's clock runs on. */
  unanswered: number;
}

export class WorkerOwner<Api extends object> {
  readonly #options: WorkerOwnerOptions;
  #life: Life<Api> | null = null;

  constructor(options: WorkerOwnerOptions) {
    this.#options = options;
  }

  /**
   * Calls the worker, starting it when needed.
   * @throws AppError what the call throws; `engine/worker-died`, `engine/worker-silent` when the worker is lost
   */
  use<T>(call: (remote: Remote<Api & Pingable>) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const life = (this.#life ??= this.#start());
      const settle = (): void => {
        life.pending.delete(reject);
        if (life.pending.size === 0) this.#stopHeartbeat(life);
      };
      life.pending.add(reject);
      this.#startHeartbeat(life);
      // A call that throws at once must be settled like one that rejects.
      const begin = async (): Promise<T> => call(life.remote);
      begin().then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }

  /** Starts the worker for a call that is sure to come: its script is read meanwhile. */
  prepare(): void {
    try {
      this.#life ??= this.#start();
    } catch {
      // The call itself says why it cannot be started.
    }
  }

  /** Ends the worker now; calls under way reject with `engine/worker-died`. */
  terminate(): void {
    if (this.#life !== null) this.#end(this.#life, this.#death('was stopped'));
  }

  #start(): Life<Api> {
    let worker: Worker;
    try {
      worker = this.#options.create();
    } catch (cause) {
      throw this.#death('could not be started', cause);
    }
    const life: Life<Api> = {
      worker,
      remote: wrap<Api & Pingable>(worker),
      pending: new Set(),
      heartbeat: null,
      unanswered: 0,
    };
    const die = (reason: string): void => {
      if (this.#life !== life) return;
      const error = this.#death(reason);
      this.#end(life, error);
      this.#options.onDeath?.(error);
    };
    worker.addEventListener('error', (event: Event) => {
      event.preventDefault();
      // A script that cannot be fetched is told by a plain event, without a message.
      const message = 'message' in event ? event.message : '';
      die(
        typeof message === 'string' && message !== ''
          ? `stopped: ${message}`
          : 'could not be started',
      );
    });
    worker.addEventListener('messageerror', () => {
      die('sent something unreadable');
    });
    return life;
  }

  #death(reason: string, cause?: unknown): AppError {
    return new AppError(
      'engine/worker-died',
      `A background part of Hermit (${this.#options.name}) ${reason}. Your chats are safe. Try again.`,
      { details: { worker: this.#options.name, reason }, cause },
    );
  }

  #end(life: Life<Api>, error: AppError): void {
    if (this.#life === life) this.#life = null;
    this.#stopHeartbeat(life);
    life.worker.terminate();
    life.remote[releaseProxy]();
    const rejecters = [...life.pending];
    life.pending.clear();
    for (const reject of rejecters) reject(error);
  }

  #startHeartbeat(life: Life<Api>): void {
    if (life.heartbeat !== null) return;
    life.unanswered = 0;
    life.heartbeat = setInterval(() => {
      this.#beat(life);
    }, HEARTBEAT_MS);
  }

  #beat(life: Life<Api>): void {
    if (life.unanswered * HEARTBEAT_MS >= this.#options.silenceLimitMs) {
      const error = new AppError(
        'engine/worker-silent',
        `A background part of Hermit (${this.#options.name}) stopped answering and was ended. Your chats are safe. Try again.`,
        { details: { worker: this.#options.name } },
      );
      this.#end(life, error);
      this.#options.onDeath?.(error);
      return;
    }
    life.unanswered += 1;
    if (life.unanswered > 1) return;
    const pong = (): void => {
      life.unanswered = 0;
    };
    // A ping that fails still proves that the worker answers.
    life.remote.ping().then(pong, pong);
  }

  #stopHeartbeat(life: Life<Api>): void {
    if (life.heartbeat !== null) clearInterval(life.heartbeat);
    life.heartbeat = null;
  }
}

/** Most time that a disposable worker may take to be fetched, compiled and to answer a ping. */
const START_LIMIT_MS = 30_000;

/**
 * Runs one call in a worker made for it, with a deadline, and ends the worker whatever happens. The
 * deadline begins when the worker answers: how long its start takes says nothing about the call. For
 * untrusted input: a template that never ends costs `deadlineMs` and nothing else. Without a deadline
 * a worker that hangs is ended by its silence.
 *
 * `linger` is what the worker still has to do after its answer: it ends when that settles, at the
 * latest after `START_LIMIT_MS`, in which time whoever waits for it is up.
 */
export async function useOnce<Api extends object, T>(
  options: {
    readonly name: string;
    readonly create: () => Worker;
    readonly deadlineMs: number | null;
    readonly signal?: AbortSignal | undefined;
    readonly linger?: ((remote: Remote<Api & Pingable>) => Promise<unknown>) | undefined;
  },
  late: () => AppError,
  call: (remote: Remote<Api & Pingable>) => Promise<T>,
): Promise<T> {
  const owner = new WorkerOwner<Api>({
    name: options.name,
    create: options.create,
    silenceLimitMs: START_LIMIT_MS,
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lingering: Promise<unknown> | null = null;
  try {
    await owner.use((remote) => remote.ping());
    const deadline = new Promise<never>((_, reject) => {
      if (options.deadlineMs === null) return;
      timer = setTimeout(() => {
        reject(late());
      }, options.deadlineMs);
    });
    const result = owner.use(call);
    // The loser of the race rejects when its worker ends; that was already reported or is not wanted.
    result.catch(() => undefined);
    const value = await untilAborted(Promise.race([result, deadline]), options.signal);
    if (options.linger !== undefined) lingering = owner.use(options.linger);
    return value;
  } finally {
    clearTimeout(timer);
    if (lingering === null) owner.terminate();
    else void endAfter(owner, lingering);
  }
}

async function endAfter(owner: { terminate(): void }, lingering: Promise<unknown>): Promise<void> {
  const limit = setTimeout(() => {
    owner.terminate();
  }, START_LIMIT_MS);
  await lingering.catch(() => undefined);
  clearTimeout(limit);
  owner.terminate();
}
