import { AppError } from '../common/errors.ts';
import type { Network } from './downloader.ts';

/** The parts of a window or worker that tell of the connection. */
export interface OnlineScope {
  readonly navigator: { readonly onLine: boolean };
  addEventListener(type: 'online', listener: () => void, options: { signal: AbortSignal }): void;
}

/** A thread that was frozen or busy may have missed the event. */
const lookEveryMs = 5000;

/** The connection as the browser sees it: "offline" is certain, "online" only means that it may work. */
export function browserNetwork(scope: OnlineScope): Network {
  return {
    online: () => scope.navigator.onLine,
    whenOnline: (signal) =>
      new Promise((resolve, reject) => {
        const settled = new AbortController();
        const go = (): void => {
          settled.abort();
          resolve();
        };
        const looking = setInterval(() => {
          if (scope.navigator.onLine) go();
        }, lookEveryMs);
        settled.signal.addEventListener('abort', () => {
          clearInterval(looking);
        });
        const stop = (): void => {
          settled.abort();
          reject(new AppError('aborted', 'The download was stopped.', { cause: signal.reason }));
        };
        if (signal.aborted) {
          stop();
          return;
        }
        signal.addEventListener('abort', stop, { once: true, signal: settled.signal });
        scope.addEventListener('online', go, { signal: settled.signal });
        // It may have come back between the failure and this call.
        if (scope.navigator.onLine) go();
      }),
  };
}
