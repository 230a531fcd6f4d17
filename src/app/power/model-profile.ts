/** What the policy must know of a loaded model. */
import type { LoadedModel } from '../../engine/engine.ts';
import type { ExecutionStatus } from '../../engine/execution-plan.ts';
import type { ModelProfile } from '../../policy/policy-types.ts';

/** Bits that both planes of a weight and its scale take, and the high plane with it. */
const BITS = { 8: 8.5, 4: 4.5 } as const;

/**
 * @param fullThreads threads it runs on when nothing holds it back
 * @param reducedTo4 whether it was loaded without its low planes, for want of memory
 * @param measured what the engine counts for a token; estimated from the number of parameters without
 */
export function profileOf(
  model: LoadedModel,
  fullThreads: number,
  measured: ExecutionStatus['weightBytesOfToken'] | null,
  reducedTo4 = false,
): ModelProfile {
  const { activeParameters, parameters } = model.info;
  const { eight, four, mixed } = measured ?? estimate(model);
  return {
    fullThreads,
    reducedTo4,
    tokenBytes: { 8: eight, 4: four, mixed },
    lowPlaneBytes: Math.round(((eight - four) * parameters) / Math.max(1, activeParameters)),
    contextTokens: model.contextLength,
    gpuSpeed: gpuSpeedOf(model),
    bytesPerPosition: model.cacheBytes / Math.max(1, model.contextLength),
  };
}

function gpuSpeedOf({ choice: { measurement } }: LoadedModel): number | null {
  return measurement === null ? null : measurement.webgpu.decode / measurement.wasm.decode;
}

function estimate({ info }: LoadedModel): ExecutionStatus['weightBytesOfToken'] {
  const bytes = (bits: number): number => (info.activeParameters * bits) / 8;
  const eight = bytes(BITS[8]);
  // Where reading fewer bits loses nothing there are no more: one plane, or weights kept as floats.
  const four = info.fourBitLoss === 0 ? eight : bytes(BITS[4]);
  return { eight, four, mixed: four };
}
