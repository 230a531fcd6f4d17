import { throwIfAborted } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';
import type { DownloadEvent, Network } from './downloader.ts';
import { type Clock, RetryPolicy } from './retry.ts';

export interface PersistOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly signal: AbortSignal;
  readonly report: (event: DownloadEvent) => void;
}

/**
 * Does small work on the network, again after failures that pass, as patiently as a download.
 * @throws AppError what does not pass, or passed too often; `aborted`
 */
export async function persist<T>(work: () => Promise<T>, options: PersistOptions): Promise<T> {
  const { clock, network, signal, report } = options;
  const retry = new RetryPolicy(clock);
  for (;;) {
    try {
      throwIfAborted(signal);
      return await work();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'download/offline') {
        report({ kind: 'offline', error });
        await network.whenOnline(signal);
        continue;
      }
      const wait = retry.waitAfter(error);
      if (wait === null) throw error;
      report({ kind: 'waiting', retryAt: clock.now() + wait, error });
      await clock.sleep(wait, signal);
    }
  }
}
