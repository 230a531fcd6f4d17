/** More threads than this wait for memory. */
const MOST_THREADS = 8;

/** Threads that may compute: one where the page is not isolated, because they share one memory. */
export function kernelThreads(): number {
  return crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
}
