/** More threads than this wait for memory. */
const MOST_THREADS = 8;

/**
 * Whether threads can share memory. An isolated page alone does not say so: WebKit without the
 * switch for it is isolated and has no SharedArrayBuffer.
 */
export function canShareMemory(): boolean {
  return crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined';
}

/** Threads that may compute: one where they cannot share memory. */
export function kernelThreads(): number {
  return canShareMemory() ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
}
