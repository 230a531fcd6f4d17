/**
 * Locks by name across tabs and workers (Web Locks), or inside this thread where the browser has
 * none. A lock ends when its holder's thread dies, which is how another tab takes over a download.
 */
import { AppError } from '../common/errors.ts';
import { wholeModelId } from './model-parts.ts';

export type LockMode = 'exclusive' | 'shared';

export interface Locks {
  /**
   * Waits for the lock, runs `work` under it, and lets it go when `work` settles.
   * @throws AppError `aborted` when `signal` fires while waiting
   */
  hold<T>(name: string, mode: LockMode, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Like `hold` but does not wait: `{ held: false }` when somebody else has the lock. */
  tryHold<T>(
    name: string,
    mode: LockMode,
    work: () => Promise<T>,
  ): Promise<{ readonly held: true; readonly value: T } | { readonly held: false }>;
}

/** The lock around everything that changes or uses the bytes of one model, all its files together. */
export function modelLockName(modelId: string): string {
  return `hermit-model:${wholeModelId(modelId)}`;
}

/** Held shared by every tab that has the model in memory, so that none deletes it under another. */
export function modelUseLockName(modelId: string): string {
  return `hermit-model-use:${wholeModelId(modelId)}`;
}

/** The part of the browser's `LockManager` that is used. */
export interface LockManagerLike {
  request<T>(
    name: string,
    options: { mode?: LockMode; ifAvailable?: boolean; signal?: AbortSignal },
    callback: (lock: unknown) => Promise<T>,
  ): Promise<T>;
}

export class WebLocks implements Locks {
  readonly #manager: LockManagerLike;

  constructor(manager: LockManagerLike) {
    this.#manager = manager;
  }

  async hold<T>(
    name: string,
    mode: LockMode,
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    let granted = false;
    try {
      return await this.#manager.request(
        name,
        signal === undefined ? { mode } : { mode, signal },
        () => {
          granted = true;
          return work();
        },
      );
    } catch (error) {
      if (!granted && signal?.aborted === true) {
        throw new AppError('aborted', 'The operation was stopped.', { cause: error });
      }
      throw error;
    }
  }

  tryHold<T>(
    name: string,
    mode: LockMode,
    work: () => Promise<T>,
  ): Promise<{ readonly held: true; readonly value: T } | { readonly held: false }> {
    return this.#manager.request<
      { readonly held: true; readonly value: T } | { readonly held: false }
    >(name, { mode, ifAvailable: true }, async (lock) =>
      lock === null ? { held: false } : { held: true, value: await work() },
    );
  }
}

interface Waiter {
  readonly mode: LockMode;
  readonly grant: () => void;
}

/** First come, first served; readers together. */
export class LocalLocks implements Locks {
  readonly #held = new Map<string, { mode: LockMode; count: number }>();
  readonly #waiting = new Map<string, Waiter[]>();

  async hold<T>(
    name: string,
    mode: LockMode,
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    if (!this.#take(name, mode)) await this.#wait(name, mode, signal);
    try {
      return await work();
    } finally {
      this.#release(name);
    }
  }

  async tryHold<T>(
    name: string,
    mode: LockMode,
    work: () => Promise<T>,
  ): Promise<{ readonly held: true; readonly value: T } | { readonly held: false }> {
    if (!this.#take(name, mode)) return { held: false };
    try {
      return { held: true, value: await work() };
    } finally {
      this.#release(name);
    }
  }

  #take(name: string, mode: LockMode): boolean {
    if ((this.#waiting.get(name)?.length ?? 0) > 0) return false;
    return this.#admit(name, mode);
  }

  #admit(name: string, mode: LockMode): boolean {
    const held = this.#held.get(name);
    if (held === undefined) {
      this.#held.set(name, { mode, count: 1 });
      return true;
    }
    if (held.mode !== 'shared' || mode !== 'shared') return false;
    held.count++;
    return true;
  }

  #wait(name: string, mode: LockMode, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, queue);
      const onAbort = (): void => {
        const place = queue.indexOf(waiter);
        if (place >= 0) queue.splice(place, 1);
        this.#grantNext(name);
        reject(new AppError('aborted', 'The operation was stopped.', { cause: signal?.reason }));
      };
      const waiter: Waiter = {
        mode,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      if (signal?.aborted === true) {
        onAbort();
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(waiter);
    });
  }

  #release(name: string): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    held.count--;
    if (held.count === 0) this.#held.delete(name);
    this.#grantNext(name);
  }

  #grantNext(name: string): void {
    const queue = this.#waiting.get(name) ?? [];
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      if (!this.#admit(name, next.mode)) break;
      queue.shift();
      next.grant();
    }
  }
}
