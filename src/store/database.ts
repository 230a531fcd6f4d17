/**
 * One IndexedDB database and its connection, through `idb`.
 *
 * A browser may close a connection at any time: another tab wants a newer version, the user clears
 * the site's data, Safari loses its storage process. This class opens lazily, opens anew up to three
 * times when the connection was lost, and gets out of the way at once when another tab asks.
 */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { delay } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';
import { type Observable, ObservableValue } from '../common/observable.ts';
import { errorName, isConnectionLost, toStoreError } from './store-errors.ts';

/**
 * `blocked`: another tab holds an older version open; `superseded`: another tab needs this
 * connection gone (a newer version, or a deletion), reload to go on.
 */
export type DatabaseStatus = 'idle' | 'open' | 'blocked' | 'superseded' | 'closed';

export interface DatabaseOptions<Schema extends DBSchema> {
  readonly name: string;
  readonly version: number;
  readonly upgrade: (database: IDBPDatabase<Schema>, oldVersion: number) => void;
  /**
   * Whether a deletion in another tab ends this object too (the manifest), or the next use may
   * simply open what is there then (bytes of one model).
   */
  readonly reopenAfterDelete?: boolean;
  /** Waits between attempts; tests hand in one that does not. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/** Waits before each new attempt, in milliseconds. */
const reopenDelaysMs = [100, 400, 1600] as const;

export class Database<Schema extends DBSchema> {
  readonly #options: DatabaseOptions<Schema>;
  readonly #sleep: (milliseconds: number) => Promise<void>;
  readonly #status = new ObservableValue<DatabaseStatus>('idle');
  #connection: Promise<IDBPDatabase<Schema>> | null = null;
  /** Counts lost connections, to tell an abort that came from one from an abort of our own. */
  #losses = 0;

  constructor(options: DatabaseOptions<Schema>) {
    this.#options = options;
    this.#sleep = options.sleep ?? delay;
  }

  get status(): Observable<DatabaseStatus> {
    return this.#status;
  }

  /**
   * Runs `work` on an open connection; runs it again on a new one when the connection was lost
   * meanwhile, so `work` must be one transaction that may be repeated.
   * @throws AppError `store/unavailable`, `store/quota`, `store/closed`, or what `work` threw as one
   */
  async run<T>(work: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const lossesBefore = this.#losses;
      try {
        const database = await this.#connect();
        return await work(database);
      } catch (error) {
        const lost =
          isConnectionLost(error) ||
          (errorName(error) === 'AbortError' && this.#losses !== lossesBefore);
        const wait = reopenDelaysMs[attempt];
        if (!lost || wait === undefined || this.#isOver()) throw this.#explain(error);
        this.#drop();
        await this.#sleep(wait);
      }
    }
  }

  close(): void {
    this.#drop();
    this.#status.set('closed');
  }

  #isOver(): boolean {
    return this.#status.value === 'closed' || this.#status.value === 'superseded';
  }

  /** The connection ended under our feet: say why rather than repeating the browser's words. */
  #explain(error: unknown): AppError | Error {
    if (this.#isOver() && !(error instanceof AppError)) return closedError(error);
    if (error instanceof AppError) return error;
    // Errors that describe a record, not the database, are named by the caller.
    return isConnectionLost(error) || errorName(error) === 'QuotaExceededError'
      ? toStoreError(error)
      : (error as Error);
  }

  async #connect(): Promise<IDBPDatabase<Schema>> {
    if (this.#isOver()) throw closedError();
    this.#connection ??= this.#open();
    try {
      return await this.#connection;
    } catch (error) {
      this.#connection = null;
      throw isConnectionLost(error) ? error : toStoreError(error);
    }
  }

  async #open(): Promise<IDBPDatabase<Schema>> {
    const { name, version, upgrade, reopenAfterDelete } = this.#options;
    const connection = await openDB<Schema>(name, version, {
      upgrade: (database, oldVersion) => {
        upgrade(database, oldVersion);
      },
      blocked: () => {
        this.#status.set('blocked');
      },
      blocking: (_currentVersion, blockedVersion) => {
        // Close at once: the other tab waits. It may be deleting (null) or upgrading.
        this.#drop();
        if (blockedVersion !== null || reopenAfterDelete !== true) this.#status.set('superseded');
        else this.#status.set('idle');
      },
      terminated: () => {
        this.#connection = null;
        this.#losses++;
        if (this.#status.value === 'open') this.#status.set('idle');
      },
    });
    if (this.#isOver()) {
      connection.close();
      throw closedError();
    }
    this.#status.set('open');
    return connection;
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#losses++;
    if (this.#status.value === 'open') this.#status.set('idle');
    void connection?.then(
      (open) => {
        open.close();
      },
      () => {
        // It never opened; who asked for it was told.
      },
    );
  }
}

function closedError(cause?: unknown): AppError {
  return new AppError(
    'store/closed',
    'The stored models were closed, because another tab updated Hermit or cleared its data. Reload this page to go on.',
    { cause },
  );
}
