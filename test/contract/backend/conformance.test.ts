import { ReferenceBackend } from '../../../src/engine/backend/reference/reference-backend.ts';
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
