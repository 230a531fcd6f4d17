/**
 * A thread that computes, as the engine sees it. Who makes threads (a nested worker in browsers,
 * `worker_threads` in Node) is handed in, because the engine knows neither.
 */

/** What a thread needs to take part; it crosses to it as a message. */
export interface KernelThreadStart {
  readonly module: WebAssembly.Module;
  /** Shared by all threads. */
  readonly memory: WebAssembly.Memory;
  /** Top of this thread's own stack. */
  readonly stackTop: number;
  /** Address of the `Team` of wasm/include/team.h. */
  readonly team: number;
  /** From 1; thread 0 is the caller's own. */
  readonly index: number;
}

export interface KernelThread {
  /** Resolves once the thread waits for work; rejects where none can be started. */
  readonly ready: Promise<void>;
  /** Resolves when the thread has ended, however: it can touch the memory no longer. */
  readonly ended: Promise<void>;
  /** Ends it in the middle of whatever it does; await `ended`. */
  end(): void;
}

export type SpawnKernelThread = (start: KernelThreadStart) => KernelThread;

/** What the thread says once, just before it begins to wait for work. */
export const THREAD_READY = 'ready';

/**
 * The whole life of a thread, to be called inside it. Returns never.
 * @param announce called before the thread begins to wait for work
 */
export function serveKernelThread(start: KernelThreadStart, announce: () => void): void {
  const { module, memory, stackTop, team, index } = start;
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  (exports['__stack_pointer'] as { value: number }).value = stackTop;
  announce();
  (exports['hermit_serve'] as (team: number, index: number) => void)(team, index);
}
