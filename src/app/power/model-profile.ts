/** What the policy must know of a loaded model. */
import type { LoadedModel } from '../../engine/engine.ts';
import type { ModelProfile } from '../../policy/policy-types.ts';

/** Bits that both planes of a weight and its scale take, and the high plane with it. */
const BITS = { 8: 8.5, 4: 4.5 } as const;

/** @param fullThreads threads it runs on when nothing holds it back */
export function profileOf(model: LoadedModel, fullThreads: number): ModelProfile {
  const { activeParameters, parameters, fourBitLoss } = model.info;
  const bytes = (bits: number): number => (activeParameters * bits) / 8;
  // Where reading fewer bits loses nothing there are no more: one plane, or weights kept as floats.
  const four = fourBitLoss === 0 ? bytes(BITS[8]) : bytes(BITS[4]);
  return {
    fullThreads,
    tokenBytes: { 8: bytes(BITS[8]), 4: four, mixed: four },
    lowPlaneBytes: fourBitLoss === 0 ? 0 : (parameters * (BITS[8] - BITS[4])) / 8,
    contextTokens: model.contextLength,
    bytesPerPosition: 0,
  };
}
