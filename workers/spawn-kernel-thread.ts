import type {
  KernelThread,
  KernelThreadStart,
} from '../src/engine/backend/wasm/threads/kernel-thread.ts';
import type { KernelThreadMessage } from './kernel-thread.worker.ts';

/**
 * A kernel thread in a worker of its own. `Worker.terminate` returns before the thread has stopped,
 * and nothing tells when it has; the browser gives the thread's lock on just then.
 */
export function spawnKernelThread(start: KernelThreadStart): KernelThread {
  const worker = new Worker(new URL('./kernel-thread.worker.ts', import.meta.url), {
    type: 'module',
    name: `kernel thread ${start.index}`,
  });
  const lock = `kernel thread ${crypto.randomUUID()}`;
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => {
      resolve();
    };
    worker.onerror = (event) => {
      // Known from here on: else it would be an error of the engine's own thread and end that too.
      event.preventDefault();
      worker.terminate();
      reject(new Error(event.message));
    };
  });
  worker.postMessage({ start, lock } satisfies KernelThreadMessage);
  const gone = async (): Promise<void> => {
    await navigator.locks.request(lock, () => undefined).catch(() => undefined);
  };
  return { ready, ended: ready.then(gone, gone), end: () => worker.terminate() };
}
