/**
 * A thread that computes beside the engine's own, on the same memory. It hears one message, then
 * works until it is ended: it never comes back to an event loop.
 */
import {
  THREAD_READY,
  serveKernelThread,
  type KernelThreadStart,
} from '../src/engine/backend/wasm/threads/kernel-thread.ts';

export interface KernelThreadMessage {
  readonly start: KernelThreadStart;
  /** Name of a lock that the thread holds as long as it lives. */
  readonly lock: string;
}

self.onmessage = ({ data: { start, lock } }: MessageEvent<KernelThreadMessage>) => {
  const announce = (): void => {
    self.postMessage(THREAD_READY);
  };
  // Held for life, so that the engine learns when this thread is really gone. Where the browser gives no
  // locks (a frame whose storage is blocked) there is no such thread.
  navigator.locks
    .request(lock, () => {
      serveKernelThread(start, announce);
    })
    .catch(reportError);
};
