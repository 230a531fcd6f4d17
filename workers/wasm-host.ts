import type { WasmHost } from '../src/engine/backend/wasm/create-wasm-backend.ts';
import { canShareMemory, kernelThreads } from '../src/platform/kernel-threads.ts';
import { kernelChoices } from './kernel-choice-store.ts';
import { spawnKernelThread } from './spawn-kernel-thread.ts';
import { spawnShard } from './spawn-shard.ts';

/** What the engine's thread can give the CPU backend in this browser. */
export function wasmHost(): WasmHost {
  return {
    isolated: canShareMemory(),
    most: kernelThreads(),
    spawn: spawnKernelThread,
    shards: { spawn: spawnShard },
    choices: kernelChoices,
  };
}
