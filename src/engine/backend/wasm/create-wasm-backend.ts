import { AppError, hasCode } from '../../../common/errors.ts';
import { probeRelaxedSimd } from './relaxed-probe.ts';
import type { ThreadOptions } from './wasm-backend.ts';
import { WasmBackend } from './wasm-backend.ts';

export type KernelVariant = 'relaxed' | 'plain';
/** Whether a build takes a memory that threads share. */
export type MemoryKind = 'private' | 'shared';

export interface ThreadHost extends ThreadOptions {
  /** Whether memory can be shared: cross-origin isolation in browsers. */
  readonly isolated: boolean;
}

export type FetchKernels = (
  variant: KernelVariant,
  memory: MemoryKind,
) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * The CPU backend with the fastest kernels that are right on this device: relaxed SIMD where a
 * probe of what it does agrees with the scalar twin, plain SIMD otherwise; on several threads where
 * memory can be shared.
 * @throws AppError `engine/backend-unavailable` without SIMD, `engine/asset-mismatch` for foreign kernels
 */
export async function createWasmBackend(
  fetchKernels: FetchKernels,
  host?: ThreadHost,
): Promise<WasmBackend> {
  const relaxed = await probeRelaxedSimd(await fetchKernels('relaxed', 'private'));
  const variant = relaxed ? 'relaxed' : 'plain';
  if (host?.isolated === true && host.most > 1) {
    try {
      const { spawn, most } = host;
      const bytes = await fetchKernels(variant, 'shared');
      return await WasmBackend.create(bytes, { relaxed, threads: { spawn, most } });
    } catch (error) {
      // A shared memory reserves all its addresses at once, which some devices refuse.
      if (!hasCode(error, 'engine/out-of-memory', 'engine/backend-unavailable')) throw error;
    }
  }
  const bytes = await fetchKernels(variant, 'private');
  if (!WebAssembly.validate(bytes)) {
    throw new AppError(
      'engine/backend-unavailable',
      'This browser has no WebAssembly SIMD, which Hermit needs to run models. Update the browser.',
    );
  }
  return WasmBackend.create(bytes, { relaxed });
}
