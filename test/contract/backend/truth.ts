/**
 * What every operator means, in the plainest double arithmetic. Written apart from the reference
 * backend, so that an error in one of them shows as a difference.
 */

/** Row-major values; `rows[t]` is the activation of token t. */
export type Rows = readonly (readonly number[])[];

export function toRows(values: ArrayLike<number>, columns: number): number[][] {
  const all = Array.from(values);
  const rows: number[][] = [];
  for (let start = 0; start < all.length; start += columns) {
    rows.push(all.slice(start, start + columns));
  }
  return rows;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? NaN), 0);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

export function matmul(x: Rows, weight: Rows, bias?: readonly number[]): number[][] {
  return x.map((row) => weight.map((w, n) => dot(row, w) + (bias ? (bias[n] ?? NaN) : 0)));
}

export interface NormTruth {
  readonly kind: 'rms' | 'layer';
  readonly groupSize: number;
  readonly epsilon: number;
  readonly weight?: readonly number[];
  readonly bias?: readonly number[];
}

export function norm(x: Rows, { kind, groupSize, epsilon, weight, bias }: NormTruth): number[][] {
  return x.map((row) =>
    toRows(row, groupSize).flatMap((group, index) => {
      const affine = (values: readonly number[] | undefined, g: number, c: number) =>
        values?.[values.length === groupSize ? c : g * groupSize + c];
      const mean = kind === 'layer' ? sumOf(group) / groupSize : 0;
      const centred = group.map((value) => value - mean);
      const deviation = Math.sqrt(dot(centred, centred) / groupSize + epsilon);
      return centred.map(
        (value, c) =>
          (value / deviation) * (affine(weight, index, c) ?? 1) + (affine(bias, index, c) ?? 0),
      );
    }),
  );
}

export interface RopeTruth {
  readonly heads: number;
  readonly headDim: number;
  readonly layout: 'interleaved' | 'split';
  readonly inverseFrequencies: Float64Array;
  readonly magnitude: number;
}

/** Pairs as complex numbers, multiplied by magnitude * e^(i * angle). */
export function rope(x: Rows, truth: RopeTruth, position: number): number[][] {
  const pairs = truth.inverseFrequencies.length;
  return x.map((row, t) =>
    toRows(row, truth.headDim).flatMap((head) => {
      const rotated = [...head];
      for (let i = 0; i < pairs; i++) {
        const [re, im] = truth.layout === 'interleaved' ? [2 * i, 2 * i + 1] : [i, i + pairs];
        const angle = (position + t) * (truth.inverseFrequencies[i] ?? NaN);
        const [a, b] = [head[re] ?? NaN, head[im] ?? NaN];
        rotated[re] = truth.magnitude * (a * Math.cos(angle) - b * Math.sin(angle));
        rotated[im] = truth.magnitude * (b * Math.cos(angle) + a * Math.sin(angle));
      }
      return rotated;
    }),
  );
}

export interface AttentionTruth {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** `headDim` unless given. */
  readonly valueDim?: number;
  /** A score a head. */
  readonly sinks?: readonly number[];
  readonly scale: number;
  readonly softcap: number;
  readonly window: number;
  readonly causal?: boolean;
}

/** Attention of a whole sequence at once: rows of q, k and v are positions from 0. */
export function attention(q: Rows, k: Rows, v: Rows, truth: AttentionTruth): number[][] {
  const { heads, kvHeads, headDim, scale, softcap, window, causal = true } = truth;
  const { valueDim = headDim, sinks } = truth;
  return q.map((row, position) =>
    toRows(row, headDim).flatMap((query, head) => {
      const kvHead = Math.floor((head * kvHeads) / heads);
      const sees = (other: number): boolean => {
        if (!causal) return window === 0 || Math.abs(position - other) <= Math.floor(window / 2);
        return other <= position && (window === 0 || position - other < window);
      };
      const own = (rows: Rows, size: number): number[][] =>
        rows.filter((_, other) => sees(other)).map((r) => toRows(r, size)[kvHead] ?? []);
      const scores = own(k, headDim).map((key) => cap(scale * dot(query, key), softcap));
      const sink = sinks?.[head] ?? -Infinity;
      const largest = Math.max(...scores, sink);
      const weights = scores.map((score) => Math.exp(score - largest));
      const whole = sumOf(weights) + Math.exp(sink - largest);
      const values = own(v, valueDim);
      return Array.from({ length: valueDim }, (_, d) => {
        return (
          dot(
            weights,
            values.map((value) => value[d] ?? NaN),
          ) / whole
        );
      });
    }),
  );
}

export type Activation = 'silu' | 'gelu' | 'gelu-tanh' | 'identity' | 'clamped-silu';

export function gate(activation: Activation, gates: Rows, up: Rows): number[][] {
  return gates.map((row, t) =>
    row.map((value, c) => {
      const factor = up[t]?.[c] ?? NaN;
      const clamped = 1 + Math.sign(factor) * Math.min(Math.abs(factor), 7);
      return activate(activation, value) * (activation === 'clamped-silu' ? clamped : factor);
    }),
  );
}

function activate(activation: Activation, x: number): number {
  if (activation === 'identity') return x;
  if (activation === 'clamped-silu') {
    return x > 7 ? activate(activation, 7) : x / (1 + Math.exp(-1.702 * x));
  }
  if (activation === 'silu') return x / (1 + Math.exp(-x));
  if (activation === 'gelu') return x * normalDistribution(x);
  return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

/** Integral of the bell curve up to x, by Simpson's rule from 0 in steps of at most 1/512. */
function normalDistribution(x: number): number {
  const steps = 2 * Math.ceil(Math.abs(x) * 256 + 1);
  const width = x / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp(-((i * width) ** 2) / 2);
  }
  return 0.5 + (sum * width) / 3 / Math.sqrt(2 * Math.PI);
}

export function activation(kind: Activation, x: Rows): number[][] {
  return x.map((row) => row.map((value) => activate(kind, value)));
}

/** Rows are tokens from the start of a text; `weight[c]` has the taps of column c, the present last. */
export function causalConvolution(x: Rows, weight: Rows, bias?: readonly number[]): number[][] {
  return x.map((row, t) =>
    row.map((_, c) => {
      const taps = weight[c] ?? [];
      const seen = taps.map((tap, i) => tap * (x[t - taps.length + 1 + i]?.[c] ?? 0));
      return sumOf(seen) + (bias?.[c] ?? 0);
    }),
  );
}

export interface ScanTruth {
  readonly steps: Rows;
  readonly inputs: Rows;
  readonly reads: Rows;
  readonly rates: Rows;
  readonly skip: readonly number[];
}

/** The recurrence of a selective scan written as its sum over all tokens before. */
export function selectiveScan(x: Rows, truth: ScanTruth): number[][] {
  const { steps, inputs, reads, rates, skip } = truth;
  const step = (t: number, c: number): number => Math.log(1 + Math.exp(steps[t]?.[c] ?? NaN));
  return x.map((row, t) =>
    row.map((now, c) => {
      let sum = (skip[c] ?? NaN) * now;
      for (let from = 0; from <= t; from++) {
        let passed = 0;
        for (let between = from + 1; between <= t; between++) passed += step(between, c);
        const entered = step(from, c) * (x[from]?.[c] ?? NaN);
        (rates[c] ?? []).forEach((rate, s) => {
          const kept = Math.exp(passed * rate) * entered * (inputs[from]?.[s] ?? NaN);
          sum += kept * (reads[t]?.[s] ?? NaN);
        });
      }
      return sum;
    }),
  );
}

export interface RouteTruth {
  readonly gating: 'softmax' | 'sigmoid' | 'softmax-of-chosen';
  readonly used: number;
  readonly normalise: boolean;
  readonly scale?: number;
  readonly bias?: readonly number[];
  readonly groups?: number;
  readonly groupsUsed?: number;
  readonly groupTop?: number;
}

export interface Choice {
  readonly expert: number;
  readonly weight: number;
}

/** The experts of every row, those of the highest rank first. */
export function route(scores: Rows, truth: RouteTruth): Choice[][] {
  const { gating, used, normalise, scale: factor = 1, bias = [], groups = 1 } = truth;
  return scores.map((row) => {
    const powers = row.map((score) => Math.exp(score));
    const share = {
      softmax: powers.map((power) => power / sumOf(powers)),
      sigmoid: row.map((score) => 1 / (1 + Math.exp(-score))),
      'softmax-of-chosen': [...row],
    }[gating];
    const ranked = share
      .map((weight, expert) => ({ expert, weight, rank: weight + (bias[expert] ?? 0) }))
      .sort((a, b) => b.rank - a.rank);
    const groupOf = (expert: number): number => Math.floor((expert * groups) / row.length);
    const groupRank = (group: number): number =>
      sumOf(
        ranked
          .filter(({ expert }) => groupOf(expert) === group)
          .slice(0, truth.groupTop ?? 1)
          .map(({ rank }) => rank),
      );
    const open = Array.from({ length: groups }, (_, group) => group)
      .sort((a, b) => groupRank(b) - groupRank(a))
      .slice(0, truth.groupsUsed ?? 1);
    const chosen = ranked.filter(({ expert }) => open.includes(groupOf(expert))).slice(0, used);
    const weights = chosen.map(({ expert, weight }) =>
      gating === 'softmax-of-chosen' ? (powers[expert] ?? NaN) : weight,
    );
    const whole = normalise || gating === 'softmax-of-chosen' ? sumOf(weights) : 1;
    return chosen.map(({ expert }, k) => ({
      expert,
      weight: ((weights[k] ?? NaN) / whole) * factor,
    }));
  });
}

/** What the chosen experts say, weighted and added up; `said(t, expert)` is the row of one. */
export function mixture(
  routes: readonly (readonly Choice[])[],
  said: (t: number, expert: number) => readonly number[],
): number[][] {
  return routes.map((choices, t) => {
    const parts = choices.map(({ expert, weight }) => said(t, expert).map((v) => v * weight));
    return (parts[0] ?? []).map((_, c) => sumOf(parts.map((part) => part[c] ?? NaN)));
  });
}

export function add(a: Rows, b: Rows): number[][] {
  return a.map((row, t) => row.map((value, c) => value + (b[t]?.[c] ?? NaN)));
}

export function scale(x: Rows, factor: number, softcap: number): number[][] {
  return x.map((row) => row.map((value) => cap(value * factor, softcap)));
}

function cap(x: number, limit: number): number {
  return limit > 0 ? limit * Math.tanh(x / limit) : x;
}
