import { AppError } from '../../../common/errors.ts';
import { compileKernels, instantiateKernels } from '../wasm/kernel-module.ts';
import { openGpu, type GpuFeatures, type GpuOptions } from './gpu-device.ts';
import { measurePace } from './pace-probe.ts';
import { passesSelfTest } from './self-test.ts';
import { SubmitPacer } from './submit-pacer.ts';
import { WebGpuBackend } from './webgpu-backend.ts';

/** What to do without, one after the other, when an adapter computes wrong results. */
const retreats: readonly (readonly (keyof GpuFeatures)[])[] = [
  [],
  ['subgroups'],
  ['subgroups', 'packedDot'],
  ['subgroups', 'packedDot', 'f16'],
];

/**
 * The GPU backend on the adapter that the browser prefers, with the features with which it passes the
 * self-test, and whose speed it has measured.
 * @param gpu `navigator.gpu`, absent where there is none
 * @param fetchKernels the plain WASM kernels, whose transcoders prepare the weights
 * @throws AppError `engine/backend-unavailable` without adapter or with one that computes wrong results,
 * `engine/asset-mismatch` for foreign kernels
 */
export async function createWebGpuBackend(
  gpu: GPU | undefined,
  fetchKernels: () => Promise<Uint8Array<ArrayBuffer>>,
  options: GpuOptions = {},
): Promise<WebGpuBackend> {
  const kernels = instantiateKernels(await compileKernels(await fetchKernels()));
  for (const retreat of retreats) {
    const without = [...(options.without ?? []), ...retreat];
    const pacer = options.pacer ?? new SubmitPacer();
    const backend = new WebGpuBackend(await openGpu(gpu, { ...options, without }), kernels, pacer);
    if (await works(backend)) {
      if (options.pacer === undefined) await measurePace(backend, pacer);
      return backend;
    }
    backend.dispose();
  }
  throw new AppError(
    'engine/backend-unavailable',
    'The graphics card computes wrong results. The processor can be used instead.',
  );
}

async function works(backend: WebGpuBackend): Promise<boolean> {
  try {
    return await passesSelfTest(backend);
  } catch {
    // A kernel that does not compile with some feature counts as one that computes wrongly.
    return false;
  }
}
