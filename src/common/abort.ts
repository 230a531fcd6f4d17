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
