import { AppError } from './errors.ts';

/** Throws `AppError('aborted')` when the signal has fired: call it at every yield point of slow work. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new AppError('aborted', 'The operation was stopped.', { cause: signal.reason });
  }
}

/** Resolves after `milliseconds`; rejects with `AppError('aborted')` as soon as the signal fires. */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new AppError('aborted', 'The operation was stopped.', { cause: signal.reason }));
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new AppError('aborted', 'The operation was stopped.', { cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Settles as `promise` does, or rejects with `AppError('aborted')` as soon as the signal fires. The
 * work behind the promise goes on; what becomes of it then is nobody's concern.
 */
export async function untilAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(new AppError('aborted', 'The operation was stopped.', { cause: signal.reason }));
    };
  });
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    // The loser of the race may reject later; that was not waited for.
    promise.catch(() => undefined);
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
