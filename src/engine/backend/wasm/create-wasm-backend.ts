import { hasCode } from '../../../common/errors.ts';
import { chooseKernels, type ChoiceStore, type KernelVariant } from './kernel-choice.ts';
import type { ShardOptions } from './shards/shard-team.ts';
import { WasmBackend, type ThreadOptions } from './wasm-backend.ts';

export type { KernelVariant };
/** Whether a build takes a memory that threads share. */
export type MemoryKind = 'private' | 'shared';

export interface WasmHost extends ThreadOptions {
  /** Whether memory can be shared: cross-origin isolation in browsers. */
  readonly isolated: boolean;
  /** Threads that need no shared memory; without them there is one thread where none is shared. */
  readonly shards?: Omit<ShardOptions, 'most'>;
  readonly choices?: ChoiceStore;
}

export type FetchKernels = (
  variant: KernelVariant,
  memory: MemoryKind,
) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * The CPU backend with the fastest kernels that are right on this device, on several threads: with one
 * memory where it can be shared, else, for models that gain, with a memory each.
 * @throws AppError `engine/backend-unavailable` without SIMD, `engine/asset-mismatch` for foreign kernels
 */
export async function createWasmBackend(
  fetchKernels: FetchKernels,
  host?: WasmHost,
): Promise<WasmBackend> {
  const choice = await chooseKernels((variant) => fetchKernels(variant, 'private'), host?.choices);
  const { variant, dotMethods, report } = choice;
  const options = { relaxed: variant === 'relaxed', dotMethods, report };
  if (host?.isolated === true && host.most > 1) {
    try {
      const { spawn, most } = host;
      const bytes = await fetchKernels(variant, 'shared');
      return await WasmBackend.create(bytes, { ...options, threads: { spawn, most } });
    } catch (error) {
      // A shared memory reserves all its addresses at once, which some devices refuse.
      if (!hasCode(error, 'engine/out-of-memory', 'engine/backend-unavailable')) throw error;
    }
  }
  const shards =
    host?.shards === undefined || host.most < 2
      ? {}
      : { shards: { ...host.shards, most: host.most } };
  return WasmBackend.create(await fetchKernels(variant, 'private'), { ...options, ...shards });
}
