import type { Tolerances } from './suite.ts';

/** The same rounding as on the CPU: activations in blocks of 32 to 8 bits, caches to their type. */
export const webGpuTolerances: Tolerances = {
  dense: 1e-11,
  planes: 5e-5,
  transcoded: 2e-4,
  highPlane: 2e-2,
  cache: { f32: 1e-11, f16: 1e-6, q8: 1e-4 },
};
