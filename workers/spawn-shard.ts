import type {
  ShardAnswer,
  ShardReady,
  ShardThread,
} from '../src/engine/backend/wasm/shards/shard-thread.ts';

/**
 * A shard in a worker of its own. Messages between a worker and the one that started it take two thirds
 * of the time that a MessagePort takes.
 */
export function spawnShard(index: number): ShardThread {
  const lock = `shard ${index} ${crypto.randomUUID()}`;
  const worker = new Worker(new URL('./shard.worker.ts', import.meta.url), {
    type: 'module',
    name: lock,
  });
  let heard: (message: ShardReady | ShardAnswer) => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<ShardReady | ShardAnswer>) => {
      // The first answer comes with the lock held: whoever gets it next knows that the thread is gone.
      if (!('id' in data))
        navigator.locks
          .request(lock, () => {
            resolve();
          })
          .catch(() => undefined);
      heard(data);
    };
    worker.onerror = (event) => {
      // Known from here on: else it would be an error of the engine's own thread and end that too.
      event.preventDefault();
      worker.terminate();
      resolve();
    };
  });
  return {
    post: (message, transfer) => {
      worker.postMessage(message, [...transfer]);
    },
    listen: (listener) => {
      heard = listener;
    },
    ended,
    end: () => {
      worker.terminate();
    },
  };
}
