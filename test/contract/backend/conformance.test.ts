import { ReferenceBackend } from '../../../src/engine/backend/reference/reference-backend.ts';
import { createWasmBackend } from '../../fixtures/wasm-backend.ts';
import { describeBackend } from './conformance.ts';

/** Results are float32: 2^-24 of relative rounding, squared. */
const rounding = 1e-14;

describeBackend('reference', () => Promise.resolve(new ReferenceBackend()), {
  dense: rounding,
  planes: rounding,
  transcoded: rounding,
  highPlane: rounding,
  cache: { f32: rounding, f16: rounding, q8: rounding },
});

/**
 * Activations in blocks of 32 are rounded to 8 bits: half a step of 1/127 of the largest, about 0.5 %
 * of the whole, squared. Weights of float types likewise. The high plane leaves steps of 16/255.
 */
describeBackend('WASM', createWasmBackend, {
  dense: 1e-11,
  planes: 5e-5,
  transcoded: 2e-4,
  highPlane: 2e-2,
  cache: { f32: 1e-11, f16: 1e-6, q8: 1e-4 },
});
