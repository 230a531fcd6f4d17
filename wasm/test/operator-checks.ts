/** Checks of normalisation, rotary embedding and the elementwise operators. */
import { Check, Random, type KernelBed } from './kernel-bed.ts';

/** Normalised groups, with and without weight and bias. */
export function checkNorm(bed: KernelBed): Check {
  const check = new Check('norm_f32_x4');
  const random = new Random(6);
  const epsilon = 1e-5;
  for (const size of [1, 3, 8, 64, 130, 4096]) {
    for (const layer of [0, 1]) {
      for (const [parts, affineRows] of [
        [0, 1],
        [1, 1],
        [3, 1],
        [1, 3],
        [3, 3],
      ] as const) {
        bed.reset();
        const groups = 6;
        const x = Array.from(random.floats(groups * size), (v) => Math.fround(v * 4 + 1));
        const weight = parts & 1 ? random.floats(affineRows * size) : null;
        const bias = parts & 2 ? random.floats(affineRows * size) : null;
        const xAt = bed.putFloats(x);
        const weightAt = weight === null ? 0 : bed.putFloats(weight);
        const biasAt = bias === null ? 0 : bed.putFloats(bias);
        const fast = bed.allocate(groups * size * 4);
        const slow = bed.allocate(groups * size * 4);
        const rest = [weightAt, biasAt, affineRows, epsilon, size];
        bed.call('norm_f32_x4', layer, xAt, ...rest, fast, 0, groups);
        bed.call('norm_f32_scalar', layer, xAt, ...rest, slow, 0, groups);
        const label = `${layer === 1 ? 'layer' : 'rms'} ${size} parts ${parts} of ${affineRows} rows`;
        const actual = bed.f32(fast, groups * size);
        check.same(label, actual, bed.f32(slow, groups * size));
        const exact = x.map((_, i) => {
          const group = x.slice(i - (i % size), i - (i % size) + size);
          const mean = layer === 1 ? group.reduce((a, b) => a + b, 0) / size : 0;
          const variance = group.reduce((a, b) => a + (b - mean) ** 2, 0) / size;
          const value = ((x[i] as number) - mean) / Math.sqrt(variance + epsilon);
          const own = i % (affineRows * size);
          return value * (weight?.[own] ?? 1) + (bias?.[own] ?? 0);
        });
        // One column minus its own mean is pure rounding, magnified by 1 / sqrt(epsilon).
        const tolerance = size === 1 && layer === 1 ? 1e-3 : 1e-5;
        check.near(`exact ${label}`, actual, exact, () => tolerance);
      }
    }
  }
  return check;
}

/** Rotations of both layouts, whole and partial heads. */
export function checkRope(bed: KernelBed): Check {
  const check = new Check('rope_f32_x4');
  const random = new Random(7);
  for (const [heads, headDim, pairs] of [
    [2, 8, 4],
    [3, 64, 32],
    [1, 64, 16],
    [2, 12, 3],
  ] as const) {
    for (const interleaved of [0, 1]) {
      for (const tokens of [1, 5]) {
        bed.reset();
        const x = random.floats(tokens * heads * headDim);
        const angles = Array.from({ length: tokens * pairs }, () => random.next() * 100);
        const table = Array.from({ length: tokens }, (_, t) => {
          const own = angles.slice(t * pairs, (t + 1) * pairs);
          return [...own.map(Math.cos), ...own.map(Math.sin)];
        }).flat();
        const fast = bed.putFloats(x);
        const slow = bed.putFloats(x);
        const tableAt = bed.putFloats(table);
        bed.call('rope_f32_x4', fast, tableAt, heads, headDim, pairs, interleaved, 0, tokens);
        bed.call('rope_f32_scalar', slow, tableAt, heads, headDim, pairs, interleaved, 0, tokens);
        const label = `${heads}x${headDim} pairs ${pairs} interleaved ${interleaved}`;
        const actual = bed.f32(fast, x.length);
        check.same(label, actual, bed.f32(slow, x.length));
        const exact = Float64Array.from(x);
        for (let t = 0; t < tokens; t++) {
          for (let h = 0; h < heads; h++) {
            for (let i = 0; i < pairs; i++) {
              const base = (t * heads + h) * headDim;
              const first = base + (interleaved === 1 ? 2 * i : i);
              const second = base + (interleaved === 1 ? 2 * i + 1 : i + pairs);
              const angle = angles[t * pairs + i] as number;
              const a = x[first] as number;
              const b = x[second] as number;
              exact[first] = a * Math.cos(angle) - b * Math.sin(angle);
              exact[second] = a * Math.sin(angle) + b * Math.cos(angle);
            }
          }
        }
        check.near(`exact ${label}`, actual, exact, () => 1e-6);
      }
    }
  }
  return check;
}

/** erf by its Maclaurin series, good to 1e-13 for |x| < 5. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const activations: readonly ((x: number) => number)[] = [
  (x) => x / (1 + Math.exp(-x)),
  (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  (x) => x,
  (x) => Math.min(x, 7) / (1 + Math.exp(-1.702 * Math.min(x, 7))),
];

/** What the activation of a kind is multiplied with. */
function factorOf(kind: number, up: number): number {
  return kind === 4 ? 1 + Math.max(-7, Math.min(7, up)) : up;
}

/** Gates, addition, scale and soft cap, from tiny to huge arguments. */
export function checkElementwise(bed: KernelBed): Check {
  const check = new Check('gate_f32_x4, activate_f32_x4, add_f32_x4, scale_f32_x4');
  const random = new Random(8);
  for (const length of [1, 4, 7, 1000]) {
    bed.reset();
    const a = random.floats(length, 5);
    const b = random.floats(length);
    if (length === 1000)
      a.set([0, -0, 1e-20, -1e-20, 88, -88, 100, -100, 1e4, -1e4, 3e38, -3e38, 0.625, -0.625]);
    const aAt = bed.putFloats(a);
    const bAt = bed.putFloats(b);
    const fast = bed.allocate(length * 4);
    const slow = bed.allocate(length * 4);
    const actual = (): Float32Array => bed.f32(fast, length);
    const size = (kind: number, i: number): number =>
      Math.abs(a[i] as number) * Math.abs(factorOf(kind, b[i] as number));
    activations.forEach((activation, kind) => {
      bed.call('gate_f32_x4', kind, aAt, bAt, fast, 0, length);
      bed.call('gate_f32_scalar', kind, aAt, bAt, slow, 0, length);
      check.same(`gate ${kind} x${length}`, actual(), bed.f32(slow, length));
      const exact = Float32Array.from(a, (x, i) => activation(x) * factorOf(kind, b[i] as number));
      check.near(
        `exact gate ${kind} x${length}`,
        actual(),
        exact,
        (i) => size(kind, i) * 6e-7 + 1e-30,
      );
      bed.call('activate_f32_x4', kind, aAt, fast, 0, length);
      bed.call('activate_f32_scalar', kind, aAt, slow, 0, length);
      check.same(`activate ${kind} x${length}`, actual(), bed.f32(slow, length));
      const plain = Float32Array.from(a, (x) => activation(x));
      const near = (i: number): number => Math.abs(a[i] as number) * 6e-7 + 1e-30;
      check.near(`exact activate ${kind} x${length}`, actual(), plain, near);
    });
    bed.call('add_f32_x4', aAt, bAt, fast, 0, length);
    check.same(
      `add x${length}`,
      actual(),
      Float32Array.from(a, (x, i) => x + (b[i] as number)),
    );
    for (const cap of [0, 30]) {
      bed.call('scale_f32_x4', aAt, 0.5, cap, fast, 0, length);
      bed.call('scale_f32_scalar', aAt, 0.5, cap, slow, 0, length);
      check.same(`scale cap ${cap} x${length}`, actual(), bed.f32(slow, length));
      const exact = Float64Array.from(a, (x) =>
        cap > 0 ? cap * Math.tanh((x * 0.5) / cap) : x * 0.5,
      );
      check.near(
        `exact scale cap ${cap} x${length}`,
        actual(),
        exact,
        (i) => Math.abs(exact[i] as number) * 5e-7,
      );
    }
  }
  return check;
}
