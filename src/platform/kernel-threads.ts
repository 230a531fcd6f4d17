/** More threads than this wait for memory. */
const MOST_THREADS = 8;

/**
 * Whether threads can share memory. An isolated page alone does not say so: WebKit without the
 * switch for it is isolated and has no SharedArrayBuffer.
 */
export function canShareMemory(): boolean {
  return crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined';
}

/** Every thread with a memory of its own has a copy of its share of the weights. */
const MOST_SHARDS = 4;

/** Threads that may compute. */
export function kernelThreads(): number {
  const most = canShareMemory() ? MOST_THREADS : MOST_SHARDS;
  return Math.min(navigator.hardwareConcurrency, most);
}
