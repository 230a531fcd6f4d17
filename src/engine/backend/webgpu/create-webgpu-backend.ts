import { compileKernels, instantiateKernels } from '../wasm/kernel-module.ts';
import { openGpu, type GpuOptions } from './gpu-device.ts';
import { WebGpuBackend } from './webgpu-backend.ts';

/**
 * The GPU backend on the adapter that the browser prefers.
 * @param gpu `navigator.gpu`, absent where there is none
 * @param fetchKernels the plain WASM kernels, whose transcoders prepare the weights
 * @throws AppError `engine/backend-unavailable` without adapter, `engine/asset-mismatch` for foreign kernels
 */
export async function createWebGpuBackend(
  gpu: GPU | undefined,
  fetchKernels: () => Promise<Uint8Array<ArrayBuffer>>,
  options: GpuOptions = {},
): Promise<WebGpuBackend> {
  const device = await openGpu(gpu, options);
  const kernels = instantiateKernels(await compileKernels(await fetchKernels()));
  return new WebGpuBackend(device, kernels);
}
