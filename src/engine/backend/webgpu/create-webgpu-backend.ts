import { AppError, toAppError } from '../../../common/errors.ts';
import { compileKernels, instantiateKernels } from '../wasm/kernel-module.ts';
import { openGpu, type GpuFeatures, type GpuOptions } from './gpu-device.ts';
import { measurePace } from './pace-probe.ts';
import { largestError, selfTestError } from './self-test.ts';
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
  const transcoders = instantiateKernels(await compileKernels(await fetchKernels()));
  const startedAt = performance.now();
  const failures: string[] = [];
  for (const retreat of retreats) {
    const without = [...(options.without ?? []), ...retreat];
    const pacer = options.pacer ?? new SubmitPacer();
    const backend = new WebGpuBackend(
      await openGpu(gpu, { ...options, without }),
      transcoders,
      pacer,
    );
    const failure = await failureOf(backend);
    if (failure === null) {
      const tried = backend.compiledKernels;
      if (options.pacer === undefined) await measurePace(backend, pacer);
      const milliseconds = performance.now() - startedAt;
      const [variant, method] = [featureText(backend.features), methodText(backend.features)];
      backend.kernels = {
        variant,
        method,
        kernels: tried,
        failures,
        milliseconds,
        remembered: false,
      };
      return backend;
    }
    failures.push(`${featureText(backend.features)}: ${failure}`);
    backend.dispose();
  }
  throw new AppError(
    'engine/backend-unavailable',
    'The graphics card computes wrong results. The processor can be used instead.',
    { details: { failures: failures.join('; ') } },
  );
}

/** The features in use, for a report. */
function featureText(features: GpuFeatures): string {
  const used = Object.entries(features).filter(([, isUsed]) => isUsed === true);
  return `with ${used.map(([name]) => name).join(', ') || 'no features'}`;
}

function methodText({ packedDot, f16 }: GpuFeatures): string {
  if (packedDot) return 'packed int8 dot products';
  return f16 ? 'float16 tiles' : 'float32 tiles';
}

/** Why a backend must not be used, or null. A kernel that does not compile counts as one that is wrong. */
async function failureOf(backend: WebGpuBackend): Promise<string | null> {
  try {
    const error = await selfTestError(backend);
    return error < largestError ? null : `error ${error.toExponential(1)} of the self-test`;
  } catch (thrown) {
    return toAppError(thrown).message;
  }
}
