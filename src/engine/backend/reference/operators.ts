/**
 * The operators of the catalogue as plain arithmetic in double precision.
 *
 * This is the text to read when one wants to know what an operator means, and the truth every other
 * backend is compared with. All matrices are row-major; `rows` are the rows of the step.
 */
import type {
  ActivateOp,
  AttentionOp,
  GateOp,
  HeadPart,
  NormOp,
  RopeOp,
  RouteOp,
} from '../../graph/ops.ts';

/** Keys and values of one layer: (kvHead, position, headDim or valueDim), `capacity` positions apart. */
export interface CacheLayer {
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly capacity: number;
}

/** out[t] = table[rows[t]] * scale */
export function embed(
  table: Float32Array,
  rows: Int32Array,
  scale: number,
  columns: number,
  out: Float64Array,
): void {
  for (let t = 0; t < rows.length; t++) {
    const start = at(rows, t) * columns;
    for (let c = 0; c < columns; c++) out[t * columns + c] = at(table, start + c) * scale;
  }
}

/**
 * rms: x / sqrt(mean(x^2) + epsilon) * weight (Zhang & Sennrich 2019, arXiv:1910.07467);
 * layer: (x - mean) / sqrt(variance + epsilon) * weight + bias (Ba et al. 2016, arXiv:1607.06450).
 * `weight` and `bias` hold a row for every group of a row of x, or one row for all.
 */
export function norm(
  op: NormOp,
  x: Float64Array,
  weight: Float32Array | null,
  bias: Float32Array | null,
  out: Float64Array,
  elements: number,
): void {
  const size = op.groupSize;
  for (let start = 0; start < elements; start += size) {
    let mean = 0;
    if (op.kind === 'layer') {
      for (let c = 0; c < size; c++) mean += at(x, start + c);
      mean /= size;
    }
    let squares = 0;
    for (let c = 0; c < size; c++) squares += (at(x, start + c) - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / size + op.epsilon);
    for (let c = 0; c < size; c++) {
      const gain = weight === null ? 1 : at(weight, (start + c) % weight.length);
      const offset = bias === null ? 0 : at(bias, (start + c) % bias.length);
      out[start + c] = (at(x, start + c) - mean) * inverse * gain + offset;
    }
  }
}

/** out[t][n] = sum over c of x[t][c] * weight[n][c], plus bias[n] */
export function matmul(
  x: Float64Array,
  weight: Float32Array,
  bias: Float32Array | null,
  out: Float64Array,
  size: { readonly rows: number; readonly columns: number; readonly outColumns: number },
): void {
  const { rows, columns, outColumns } = size;
  for (let n = 0; n < outColumns; n++) {
    const weightStart = n * columns;
    const offset = bias === null ? 0 : at(bias, n);
    for (let t = 0; t < rows; t++) {
      const xStart = t * columns;
      let sum = 0;
      for (let c = 0; c < columns; c++) {
        // indexed directly: a shared accessor that sees several array types makes this loop slow
        sum += (x[xStart + c] as number) * (weight[weightStart + c] as number);
      }
      out[t * outColumns + n] = sum + offset;
    }
  }
}

/**
 * Rotates pair i of every head by position * inverseFrequencies[i]
 * (Su et al. 2021, arXiv:2104.09864, equation 34), in place.
 */
export function rope(op: RopeOp, x: Float64Array, rows: number, position: number): void {
  const pairs = op.inverseFrequencies.length;
  for (let t = 0; t < rows; t++) {
    for (let i = 0; i < pairs; i++) {
      const angle = (position + t) * at(op.inverseFrequencies, i);
      const cosine = Math.cos(angle) * op.magnitude;
      const sine = Math.sin(angle) * op.magnitude;
      for (let head = 0; head < op.heads; head++) {
        const start = (t * op.heads + head) * op.headDim;
        const first = start + (op.layout === 'interleaved' ? 2 * i : i);
        const second = first + (op.layout === 'interleaved' ? 1 : pairs);
        const [a, b] = [at(x, first), at(x, second)];
        x[first] = a * cosine - b * sine;
        x[second] = a * sine + b * cosine;
      }
    }
  }
}

/** Scatters rows of (kvHead, headDim) to (kvHead, position, headDim). */
export function cacheWrite(
  x: Float64Array,
  target: Float32Array,
  size: { readonly rows: number; readonly kvHeads: number; readonly headDim: number },
  position: number,
  capacity: number,
): void {
  const { rows, kvHeads, headDim } = size;
  for (let t = 0; t < rows; t++) {
    for (let head = 0; head < kvHeads; head++) {
      const source = (t * kvHeads + head) * headDim;
      target.set(x.subarray(source, source + headDim), (head * capacity + position + t) * headDim);
    }
  }
}

/** First and last position that the query at `position` sees; `filled` positions are in the cache. */
function visible(
  { causal, window }: AttentionOp,
  position: number,
  filled: number,
): readonly [first: number, last: number] {
  const behind = causal ? window - 1 : Math.floor(window / 2);
  const first = window > 0 ? Math.max(0, position - behind) : 0;
  if (causal) return [first, position];
  return [first, window > 0 ? Math.min(filled - 1, position + behind) : filled - 1];
}

/**
 * Grouped-query attention: out = softmax(softcap(scale * q K^T)) V over the positions seen
 * (Vaswani et al. 2017, arXiv:1706.03762, equation 1; Ainslie et al. 2023, arXiv:2305.13245).
 */
export function attention(
  op: AttentionOp,
  q: Float64Array,
  cache: CacheLayer,
  sinks: Float32Array | null,
  out: Float64Array,
  rows: number,
  position: number,
): void {
  const { heads, headDim, valueDim, scale, softcap } = op;
  const headsPerKv = heads / op.kvHeads;
  const weights = new Float64Array(position + rows);
  for (let t = 0; t < rows; t++) {
    const [first, last] = visible(op, position + t, position + rows);
    for (let head = 0; head < heads; head++) {
      const query = (t * heads + head) * headDim;
      const kv = Math.floor(head / headsPerKv) * cache.capacity;
      const sink = sinks === null ? -Infinity : at(sinks, head);
      let largest = sink;
      for (let p = first; p <= last; p++) {
        let dot = 0;
        for (let d = 0; d < headDim; d++) {
          dot += (q[query + d] as number) * (cache.keys[(kv + p) * headDim + d] as number);
        }
        const score = capped(dot * scale, softcap);
        weights[p] = score;
        largest = Math.max(largest, score);
      }
      let total = Math.exp(sink - largest);
      for (let p = first; p <= last; p++) {
        const weight = Math.exp(at(weights, p) - largest);
        weights[p] = weight;
        total += weight;
      }
      for (let d = 0; d < valueDim; d++) {
        let sum = 0;
        for (let p = first; p <= last; p++) {
          sum += (weights[p] as number) * (cache.values[(kv + p) * valueDim + d] as number);
        }
        out[(t * heads + head) * valueDim + d] = sum / total;
      }
    }
  }
}

/** out = activation(gate) * up (Shazeer 2020, arXiv:2002.05202) */
export function gate(
  op: GateOp,
  gates: Float64Array,
  up: Float64Array,
  out: Float64Array,
  elements: number,
): void {
  const activate = activations[op.activation];
  const clamps = op.activation === 'clamped-silu';
  for (let i = 0; i < elements; i++) {
    const factor = clamps ? Math.min(7, Math.max(-7, at(up, i))) + 1 : at(up, i);
    out[i] = activate(at(gates, i)) * factor;
  }
}

/** out = activation(x) */
export function activate(
  op: ActivateOp,
  x: Float64Array,
  out: Float64Array,
  elements: number,
): void {
  const activation = activations[op.activation];
  for (let i = 0; i < elements; i++) out[i] = activation(at(x, i));
}

/**
 * The chosen experts of every row and their weights (Shazeer et al. 2017, arXiv:1701.06538; the rules
 * are those of `RouteOp`).
 */
export function route(
  op: RouteOp,
  scores: Float64Array,
  bias: Float32Array | null,
  out: Float64Array,
  experts: number,
): void {
  const { used, gating } = op;
  for (let t = 0; t * experts < scores.length; t++) {
    const own = scores.subarray(t * experts, (t + 1) * experts);
    const weights = gating === 'softmax-of-chosen' ? own : gated(own, gating);
    const rank = weights.map((weight, e) => weight + (bias === null ? 0 : at(bias, e)));
    const chosen = best(openExperts(op, rank), rank, used);
    const raw = Float64Array.from(chosen, (e) => at(weights, e));
    const kept = gating === 'softmax-of-chosen' ? gated(raw, 'softmax') : raw;
    const sum = op.normalise ? kept.reduce((total, weight) => total + weight, 0) : 1;
    for (let k = 0; k < used; k++) {
      out[t * 2 * used + k] = chosen[k] as number;
      out[t * 2 * used + used + k] = (at(kept, k) / sum) * op.scale;
    }
  }
}

/** Experts of the groups that may be used. */
function openExperts({ groups, groupsUsed, groupTop }: RouteOp, rank: Float64Array): number[] {
  const size = rank.length / groups;
  const members = (group: number): number[] =>
    Array.from({ length: size }, (_, e) => group * size + e);
  const groupRank = Float64Array.from({ length: groups }, (_, group) =>
    best(members(group), rank, groupTop).reduce((sum, e) => sum + at(rank, e), 0),
  );
  const all = Array.from({ length: groups }, (_, group) => group);
  return best(all, groupRank, groupsUsed)
    .sort((a, b) => a - b)
    .flatMap(members);
}

/** The `count` candidates of the highest rank, the highest first, among equals the first. */
function best(candidates: readonly number[], rank: Float64Array, count: number): number[] {
  return [...candidates].sort((a, b) => at(rank, b) - at(rank, a) || a - b).slice(0, count);
}

function gated(scores: Float64Array, gating: 'softmax' | 'sigmoid'): Float64Array {
  if (gating === 'sigmoid') return scores.map((score) => 1 / (1 + Math.exp(-score)));
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

export interface ExpertShape {
  readonly rows: number;
  readonly used: number;
  /** Of an expert's input and output. */
  readonly columns: number;
  readonly outColumns: number;
  /** Whether every expert of a row has an input of its own. */
  readonly ownInputs: boolean;
}

/** out[t][k] = weight(expert k of t) * x[t] (or x[t][k]) + bias(expert k of t) */
export function expertMatmul(
  x: Float64Array,
  routes: Float64Array,
  weight: Float32Array,
  bias: Float32Array | null,
  out: Float64Array,
  { rows, used, columns, outColumns, ownInputs }: ExpertShape,
): void {
  for (let t = 0; t < rows; t++) {
    for (let k = 0; k < used; k++) {
      const expert = at(routes, t * 2 * used + k);
      const input = (ownInputs ? t * used + k : t) * columns;
      matmul(
        x.subarray(input, input + columns),
        weight.subarray(expert * outColumns * columns, (expert + 1) * outColumns * columns),
        bias === null ? null : bias.subarray(expert * outColumns, (expert + 1) * outColumns),
        out.subarray((t * used + k) * outColumns, (t * used + k + 1) * outColumns),
        { rows: 1, columns, outColumns },
      );
    }
  }
}

/** out[t] = sum over k of weight(expert k of t) * x[t][k] */
export function expertSum(
  x: Float64Array,
  routes: Float64Array,
  out: Float64Array,
  { rows, used, columns }: Pick<ExpertShape, 'rows' | 'used' | 'columns'>,
): void {
  for (let t = 0; t < rows; t++) {
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let k = 0; k < used; k++) {
        sum += at(routes, t * 2 * used + used + k) * at(x, (t * used + k) * columns + c);
      }
      out[t * columns + c] = sum;
    }
  }
}

export interface ConvolutionShape {
  readonly rows: number;
  readonly columns: number;
  readonly taps: number;
}

/** out[t][c] = bias[c] + sum over tap of weight[c][tap] * x[t - taps + 1 + tap][c], over the state before. */
export function causalConvolution(
  x: Float64Array,
  weight: Float32Array,
  bias: Float32Array | null,
  state: Float64Array,
  out: Float64Array,
  { rows, columns, taps }: ConvolutionShape,
): void {
  const before = taps - 1;
  const all = new Float64Array((before + rows) * columns);
  all.set(state);
  all.set(x.subarray(0, rows * columns), before * columns);
  for (let t = 0; t < rows; t++) {
    for (let c = 0; c < columns; c++) {
      let sum = bias === null ? 0 : at(bias, c);
      for (let tap = 0; tap < taps; tap++) {
        sum += at(weight, c * taps + tap) * at(all, (t + tap) * columns + c);
      }
      out[t * columns + c] = sum;
    }
  }
  state.set(all.subarray(rows * columns));
}

export interface ScanInputs {
  readonly x: Float64Array;
  readonly steps: Float64Array;
  readonly inputs: Float64Array;
  readonly reads: Float64Array;
  readonly rates: Float32Array;
  readonly skip: Float32Array;
}

/** The selective scan (Gu & Dao 2023, arXiv:2312.00752, algorithm 2), token by token. */
export function selectiveScan(
  { x, steps, inputs, reads, rates, skip }: ScanInputs,
  state: Float64Array,
  out: Float64Array,
  { rows, columns, states }: { rows: number; columns: number; states: number },
): void {
  for (let t = 0; t < rows; t++) {
    for (let c = 0; c < columns; c++) {
      const now = t * columns + c;
      const step = Math.log1p(Math.exp(-Math.abs(at(steps, now)))) + Math.max(at(steps, now), 0);
      let sum = at(skip, c) * at(x, now);
      for (let s = 0; s < states; s++) {
        const h = c * states + s;
        const kept = Math.exp(step * at(rates, h)) * at(state, h);
        state[h] = kept + step * at(x, now) * at(inputs, t * states + s);
        sum += at(state, h) * at(reads, t * states + s);
      }
      out[now] = sum;
    }
  }
}

/** out = a + b */
export function add(a: Float64Array, b: Float64Array, out: Float64Array, elements: number): void {
  for (let i = 0; i < elements; i++) out[i] = at(a, i) + at(b, i);
}

export interface HeadSource extends HeadPart {
  readonly values: Float64Array;
  /** Of a row of `values`. */
  readonly columns: number;
}

/** Head h of every row: the columns of the first source's head h, then those of the second's. */
export function joinHeads(
  sources: readonly HeadSource[],
  heads: number,
  rows: number,
  out: Float64Array,
): void {
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      for (const { values, columns, heads: own, from, count } of sources) {
        const start = row * columns + (own === 1 ? 0 : head * (columns / own)) + from;
        out.set(values.subarray(start, start + count), to);
        to += count;
      }
    }
  }
}

/** x * factor, then the soft cap */
export function scale(
  x: Float64Array,
  factor: number,
  softcap: number,
  out: Float64Array,
  elements: number,
): void {
  for (let i = 0; i < elements; i++) out[i] = capped(at(x, i) * factor, softcap);
}

/** cap * tanh(x / cap) (Gemma 2, arXiv:2408.00118, section 2); x itself where cap is 0. */
function capped(x: number, cap: number): number {
  return cap > 0 ? cap * Math.tanh(x / cap) : x;
}

const activations: Readonly<Record<GateOp['activation'], (x: number) => number>> = {
  identity: (x) => x,
  // Elfwing et al. 2017, arXiv:1702.03118
  silu: (x) => x / (1 + Math.exp(-x)),
  // OpenAI 2025, arXiv:2508.10925, and its published code
  'clamped-silu': (x) => Math.min(x, 7) / (1 + Math.exp(-1.702 * Math.min(x, 7))),
  // Hendrycks & Gimpel 2016, arXiv:1606.08415: x * normal distribution function(x)
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  // the tanh approximation of the same paper
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/**
 * The error function to about 1e-15: its Maclaurin series below 3 (Abramowitz & Stegun 7.1.6, whose
 * terms are all positive), the continued fraction of its complement above (7.1.14).
 */
export function erf(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude > 6) return Math.sign(x);
  const bell = Math.exp(-magnitude * magnitude);
  if (magnitude < 3) {
    let term = magnitude;
    let sum = term;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * magnitude * magnitude) / (2 * n + 1);
      sum += term;
    }
    return (Math.sign(x) * 2 * bell * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (magnitude + fraction);
  return Math.sign(x) * (1 - bell / (Math.sqrt(Math.PI) * (magnitude + fraction)));
}

/** An element that the shape rules guarantee to exist. */
function at(array: Float64Array | Float32Array | Int32Array, index: number): number {
  return array[index] as number;
}
