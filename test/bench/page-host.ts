/** What the engine is given in a worker of the pages that `isolated-server.mjs` serves. */
import type { WasmHost, FetchKernels } from '../../src/engine/backend/wasm/create-wasm-backend.ts';
import type {
  ShardAnswer,
  ShardReady,
  ShardThread,
  SpawnShardThread,
} from '../../src/engine/backend/wasm/shards/shard-thread.ts';
import type { KernelThread } from '../../src/engine/backend/wasm/threads/kernel-thread.ts';

export async function fetchBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

export const fetchKernels: FetchKernels = (variant, memory) => {
  const build = variant === 'plain' ? 'simd' : variant;
  return fetchBytes(`/hermit-${build}${memory === 'shared' ? '-shared' : ''}.wasm`);
};

/** As `workers/spawn-kernel-thread.ts` does, by the path of the script; `started` gets every worker. */
export function spawnByPath(started: Worker[] = []): WasmHost['spawn'] {
  return (start): KernelThread => {
    const worker = new Worker('/kernel-thread.worker.js');
    started.push(worker);
    const lock = crypto.randomUUID();
    const ready = new Promise<void>((resolve, reject) => {
      worker.onmessage = () => {
        resolve();
      };
      worker.onerror = (event) => {
        // Else it would be an error of the thread that started this one, too.
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    worker.postMessage({ start, lock });
    const gone = (): Promise<void> => navigator.locks.request(lock, () => undefined);
    return {
      ready,
      ended: ready.then(gone, gone),
      end: () => {
        worker.terminate();
      },
    };
  };
}

/** As `workers/spawn-shard.ts` does, by the path of the script; `started` gets every worker. */
export function spawnShardByPath(started: Worker[] = []): SpawnShardThread {
  return (): ShardThread => {
    const lock = crypto.randomUUID();
    const worker = new Worker('/shard.worker.js', { name: lock });
    started.push(worker);
    let heard: (message: ShardReady | ShardAnswer) => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<ShardReady | ShardAnswer>) => {
        if (!('id' in data))
          void navigator.locks.request(lock, () => {
            resolve();
          });
        heard(data);
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
  };
}
