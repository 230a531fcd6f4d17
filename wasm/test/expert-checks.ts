/** Checks of routing, of products with chosen experts and of their weighted sum. */
import { Check, Random, type KernelBed } from './kernel-bed.ts';
import { BYTES, makeMatrix, PAIRS, quantize, SCALED_PAIRS } from './matmul-checks.ts';
import { planeTypes, type PlaneType } from './plane-sources.ts';

const gatings = ['softmax', 'sigmoid', 'softmax-of-chosen'] as const;

interface Routing {
  readonly experts: number;
  readonly used: number;
  readonly groups: number;
  readonly groupsUsed: number;
  readonly groupTop: number;
  readonly normalise: boolean;
  readonly gating: (typeof gatings)[number];
}

const softmax = (values: readonly number[]): number[] => {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
};

const scale = 2.5;

/** The routes of one token in double precision. */
function exactRoute(routing: Routing, scores: readonly number[], bias: readonly number[]) {
  const { experts, used, groups, gating } = routing;
  const size = experts / groups;
  const share = {
    softmax: softmax(scores),
    sigmoid: scores.map((score) => 1 / (1 + Math.exp(-score))),
    'softmax-of-chosen': [...scores],
  }[gating];
  const rank = share.map((value, e) => value + (bias[e] ?? 0));
  const order = (a: number, b: number): number => (rank[b] ?? 0) - (rank[a] ?? 0) || a - b;
  const groupRank = Array.from({ length: groups }, (_, g) =>
    rank
      .slice(g * size, (g + 1) * size)
      .sort((a, b) => b - a)
      .slice(0, routing.groupTop)
      .reduce((sum, value) => sum + value, 0),
  );
  const open = groupRank
    .map((_, g) => g)
    .sort((a, b) => (groupRank[b] ?? 0) - (groupRank[a] ?? 0) || a - b)
    .slice(0, routing.groupsUsed);
  const chosen = rank
    .map((_, e) => e)
    .filter((e) => open.includes(Math.floor(e / size)))
    .sort(order)
    .slice(0, used);
  const raw = chosen.map((e) => share[e] ?? NaN);
  const weights = gating === 'softmax-of-chosen' ? softmax(raw) : raw;
  const sum = routing.normalise ? weights.reduce((total, weight) => total + weight, 0) : 1;
  return { chosen, weights: weights.map((weight) => (weight / sum) * scale) };
}

/** Chosen experts are those of the exact form; equal scores go to the first, and NaN harms nobody. */
export function checkRoute(bed: KernelBed): Check {
  const check = new Check('route_f32');
  const random = new Random(11);
  const sizes = [
    { experts: 1, used: 1, groups: 1, groupsUsed: 1, groupTop: 1 },
    { experts: 8, used: 2, groups: 1, groupsUsed: 1, groupTop: 1 },
    { experts: 60, used: 4, groups: 6, groupsUsed: 3, groupTop: 1 },
    { experts: 128, used: 8, groups: 8, groupsUsed: 4, groupTop: 2 },
  ];
  const tokens = 5;
  for (const size of sizes) {
    for (const gating of gatings) {
      for (const normalise of [false, true]) {
        for (const biased of [false, true]) {
          bed.reset();
          const routing = { ...size, gating, normalise };
          const { experts, used } = size;
          const scores = random.floats(tokens * experts, 3);
          if (experts > 2) scores.fill(0.5, experts, 2 * experts); // all equal
          const bias = biased ? random.floats(experts, 0.3) : null;
          const out = runRoute(bed, routing, scores, bias, tokens);
          for (let t = 0; t < tokens; t++) {
            const own = Array.from(scores.subarray(t * experts, (t + 1) * experts));
            const exact = exactRoute(routing, own, Array.from(bias ?? []));
            const label = `${experts} experts, ${gating}, normalise ${normalise}, token ${t}`;
            const row = out.subarray(t * 2 * used, (t + 1) * 2 * used);
            check.same(`${label} chosen`, row.subarray(0, used), exact.chosen);
            check.near(`${label} weights`, row.subarray(used), exact.weights, (k) => {
              return Math.abs(exact.weights[k] ?? 0) * 2e-6 + 1e-30;
            });
          }
        }
      }
    }
  }
  const routing = {
    ...(sizes[3] as (typeof sizes)[number]),
    gating: 'softmax',
    normalise: true,
  } as const;
  for (const bad of [NaN, Infinity, -Infinity]) {
    bed.reset();
    const scores = random.floats(tokens * 128).fill(bad, 0, 128);
    const chosen = Array.from(runRoute(bed, routing, scores, null, tokens).subarray(0, 8));
    check.that(new Set(chosen).size === 8, () => `${bad}: chosen twice: ${chosen.join()}`);
    check.that(
      chosen.every((e) => e >= 0 && e < 128),
      () => `${bad}: no expert: ${chosen.join()}`,
    );
  }
  return check;
}

function runRoute(
  bed: KernelBed,
  routing: Routing,
  scores: Float32Array,
  bias: Float32Array | null,
  tokens: number,
): Float32Array {
  const { experts, used, groups, groupsUsed, groupTop, normalise, gating } = routing;
  const out = bed.allocate(tokens * 2 * used * 4);
  const address = bed.allocate(44);
  const [from, biasAt] = [bed.putFloats(scores), bias === null ? 0 : bed.putFloats(bias)];
  const kind = gatings.indexOf(gating);
  const counts = [kind, experts, used, groups, groupsUsed, groupTop, normalise ? 1 : 0];
  bed.u32(address, 11).set([from, biasAt, ...counts, 0, out]);
  bed.f32(address, 11)[9] = scale;
  const scratch = bed.allocate(bed.call('scratch_route_bytes', experts, groups));
  bed.call('route_f32', address, scratch, 0, 2);
  bed.call('route_f32', address, scratch, 2, tokens);
  return bed.f32(out, tokens * 2 * used);
}

/** Products with the chosen experts equal the twin to the bit, for one and for many tokens. */
export function checkExpertMatmul(bed: KernelBed): Check {
  const check = new Check('expert_matmul_8x4');
  const random = new Random(12);
  for (const kernel of ['q8_0', 'q4_1', 'dense']) {
    const type = planeTypes.find((candidate) => candidate.kernel === kernel) ?? null;
    for (const [experts, used, rows, columns] of [
      [1, 1, 8, 32],
      [4, 2, 16, 64],
      [16, 3, 40, 96],
    ] as const) {
      for (const ownInputs of [0, 1]) {
        for (const precision of [8, 4]) {
          const shape = { experts, used, rows, columns, ownInputs, precision };
          checkExperts(bed, check, type, shape, random);
        }
      }
    }
  }
  return check;
}

interface ExpertShape {
  readonly experts: number;
  readonly used: number;
  readonly rows: number;
  readonly columns: number;
  readonly ownInputs: number;
  readonly precision: number;
}

const MATRIX_BYTES = 48;

function checkExperts(
  bed: KernelBed,
  check: Check,
  type: PlaneType | null,
  { experts, used, rows, columns, ownInputs, precision }: ExpertShape,
  random: Random,
): void {
  bed.reset();
  const most = 19;
  const inputs = ownInputs === 1 ? used : 1;
  const x = bed.putFloats(random.floats(most * inputs * columns));
  const bias = bed.putFloats(random.floats(experts * rows));
  const matrices = bed.allocate(experts * MATRIX_BYTES);
  for (let e = 0; e < experts; e++) {
    const at = matrices + e * MATRIX_BYTES;
    if (type === null) {
      const dense = bed.putFloats(random.floats(rows * columns));
      bed.u32(at, 12).set([rows, columns, 0, 0, dense, 0, 0, 0, 0, 0, 0, 0]);
    } else {
      const one = makeMatrix(bed, type, rows, columns, random);
      bed.u32(at, 12).set(bed.u32(one.address, 12));
    }
  }
  // tokens flock to a few experts and leave some alone
  const routes = Array.from({ length: most }, () => {
    const first = Math.floor(random.next() ** 2 * experts);
    const chosen = Array.from({ length: used }, (_, k) => (first + k) % experts);
    return [...chosen, ...chosen.map(() => random.next())];
  }).flat();
  const routesAt = bed.putFloats(routes);
  const out = bed.allocate(most * used * rows * 4);
  const scratch = bed.allocate(bed.call('scratch_experts_bytes', most, used, experts, columns));
  const relaxed = bed.call('hermit_activation_bytes') === 1;
  const argumentsFor = (layout: number): number => {
    const { digits, scales, sums } = quantize(bed, x, most * inputs, columns, layout);
    const address = bed.allocate(44);
    bed
      .u32(address, 11)
      .set([matrices, x, digits, scales, sums, bias, routesAt, experts, used, ownInputs, out]);
    return address;
  };
  const label = `${type?.kernel ?? 'dense'} ${precision}-bit ${experts}x${rows}x${columns} inputs ${inputs}`;
  bed.call('expert_matmul_scalar', argumentsFor(BYTES), most, precision);
  const twin = bed.f32(out, most * used * rows).slice();
  const groups = rows / 8;
  const single = argumentsFor(relaxed ? BYTES : SCALED_PAIRS);
  const several = argumentsFor(relaxed ? BYTES : PAIRS);
  for (const tokens of [1, 2, 7, most]) {
    bed.f32(out, tokens * used * rows).fill(NaN);
    for (const [begin, end] of [
      [0, groups >> 1],
      [groups >> 1, groups],
    ] as const) {
      const address = tokens === 1 ? single : several;
      bed.call('expert_matmul_8x4', address, tokens, precision, scratch, begin, end);
    }
    const size = tokens * used * rows;
    check.same(`${label} x${tokens}`, bed.f32(out, size), twin.subarray(0, size));
  }
}

/** The weighted sum equals its twin to the bit and is near the exact one. */
export function checkExpertSum(bed: KernelBed): Check {
  const check = new Check('expert_sum_f32_x4');
  const random = new Random(13);
  const tokens = 3;
  for (const used of [1, 2, 8]) {
    for (const columns of [1, 4, 35, 256]) {
      bed.reset();
      const x = random.floats(tokens * used * columns);
      const routes = random.floats(tokens * 2 * used);
      const [xAt, routesAt] = [bed.putFloats(x), bed.putFloats(routes)];
      const fast = bed.allocate(tokens * columns * 4);
      const slow = bed.allocate(tokens * columns * 4);
      bed.call('expert_sum_f32_x4', xAt, routesAt, used, columns, fast, 0, tokens);
      bed.call('expert_sum_f32_scalar', xAt, routesAt, used, columns, slow, 0, tokens);
      const actual = bed.f32(fast, tokens * columns);
      const label = `${used} x ${columns}`;
      check.same(label, actual, bed.f32(slow, tokens * columns));
      const exact = Array.from({ length: tokens * columns }, (_, i) => {
        const [t, c] = [Math.floor(i / columns), i % columns];
        let sum = 0;
        for (let k = 0; k < used; k++) {
          sum +=
            (routes[t * 2 * used + used + k] ?? NaN) * (x[(t * used + k) * columns + c] ?? NaN);
        }
        return sum;
      });
      check.near(`exact ${label}`, actual, exact, () => 1e-5);
    }
  }
  return check;
}
