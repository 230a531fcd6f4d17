import { AppError } from '../../../common/errors.ts';
import { probeRelaxedSimd } from './relaxed-probe.ts';
import { WasmBackend } from './wasm-backend.ts';

export type KernelVariant = 'relaxed' | 'plain';

/**
 * The CPU backend with the fastest kernels that are right on this device: relaxed SIMD where a
 * probe of what it does agrees with the scalar twin, plain SIMD otherwise.
 * @throws AppError `engine/backend-unavailable` without SIMD, `engine/asset-mismatch` for foreign kernels
 */
export async function createWasmBackend(
  fetchKernels: (variant: KernelVariant) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<WasmBackend> {
  const relaxed = await fetchKernels('relaxed');
  if (await probeRelaxedSimd(relaxed)) return WasmBackend.create(relaxed, { relaxed: true });
  const plain = await fetchKernels('plain');
  if (!WebAssembly.validate(plain)) {
    throw new AppError(
      'engine/backend-unavailable',
      'This browser has no WebAssembly SIMD, which Hermit needs to run models. Update the browser.',
    );
  }
  return WasmBackend.create(plain, { relaxed: false });
}
