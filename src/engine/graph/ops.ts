/**
 * The operator catalogue: the hardware abstraction interface of the engine.
 *
 * An architecture describes one forward step as a list of these operators; a backend implements
 * them and passes the conformance suite. The catalogue says *what* is computed, with shapes; how
 * (fusion, quantised activations, tiling, threads) is the backend's own business.
 *
 * Shapes. Activations are row-major float32 matrices with one row per token of the step:
 * `tokens` rows (known when the step runs), or `outputs` rows (the last tokens, whose logits were
 * asked for). Columns are fixed when the graph is built. Heads lie side by side in a row:
 * column = head * headDim + component.
 */

/** How many rows an activation has; both numbers are known when the step runs. */
export type RowExtent = 'tokens' | 'outputs';

/** Index of an activation in `Graph.activations`. */
export type ActivationId = number & { readonly brand?: 'activation' };
/** Index of a weight in `Graph.weights`. */
export type WeightId = number & { readonly brand?: 'weight' };

export interface ActivationSpec {
  readonly rows: RowExtent;
  readonly columns: number;
}

/**
 * Rows of a table, one for every token of the step: out[t] = table[row(t)] * scale. The row is the
 * token's id, its position in the conversation (learned positions; a table with too few rows ends
 * the conversation), or always the first (a segment that all tokens belong to).
 */
export interface EmbedOp {
  readonly op: 'embed';
  readonly by: 'token' | 'position' | 'first';
  /** (vocabulary, columns) */
  readonly table: WeightId;
  readonly scale: number;
  readonly out: ActivationId;
}

/**
 * Normalisation over groups of `groupSize` columns (the whole row, or one head).
 * `rms`: x / sqrt(mean(x^2) + epsilon) * weight (Zhang & Sennrich 2019, arXiv:1910.07467).
 * `layer`: (x - mean) / sqrt(variance + epsilon) * weight + bias (Ba et al. 2016, arXiv:1607.06450).
 * `weight` and `bias` hold `groupSize` values each, or a row of as many for every group of a row.
 */
export interface NormOp {
  readonly op: 'norm';
  readonly kind: 'rms' | 'layer';
  readonly x: ActivationId;
  readonly weight: WeightId | null;
  readonly bias: WeightId | null;
  readonly epsilon: number;
  readonly groupSize: number;
  readonly out: ActivationId;
}

/** out = x * weight^T + bias; weight is (out columns, x columns), row-major in the file. */
export interface MatmulOp {
  readonly op: 'matmul';
  readonly x: ActivationId;
  readonly weight: WeightId;
  readonly bias: WeightId | null;
  readonly out: ActivationId;
}

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864), in place on `x`.
 * For pair i of the first `2 * inverseFrequencies.length` components of each head the angle is
 * position * inverseFrequencies[i]; cosine and sine are multiplied by `magnitude`.
 * `interleaved` pairs are (2i, 2i+1); `split` pairs are (i, i + n/2) where n is the rotated width.
 */
export interface RopeOp {
  readonly op: 'rope';
  readonly x: ActivationId;
  readonly heads: number;
  readonly headDim: number;
  readonly layout: 'interleaved' | 'split';
  readonly inverseFrequencies: Float64Array;
  readonly magnitude: number;
}

/** Appends the step's keys and values to layer `layer` of the KV cache at the step's positions. */
export interface CacheWriteOp {
  readonly op: 'cache-write';
  readonly layer: number;
  /** (tokens, kvHeads * headDim) */
  readonly k: ActivationId;
  /** (tokens, kvHeads * valueDim) */
  readonly v: ActivationId;
}

/**
 * Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) over the KV cache, which already
 * holds this step's keys and values. score = softcap(scale * q.k); `softcap` 0: none, else
 * cap * tanh(score / cap).
 * `causal`, as decoders are: with `window` > 0 position p sees positions p - window + 1 .. p, with 0
 * all up to p. Else, as encoders are: all positions of the cache and the step, or with `window` > 0
 * those at most window / 2 (rounded down) away.
 * `sinks`: a score of every head that takes its share of the softmax and gives nothing (Xiao et al.
 * 2023, arXiv:2309.17453; learned as in gpt-oss, OpenAI 2025, arXiv:2508.10925).
 */
export interface AttentionOp {
  readonly op: 'attention';
  readonly layer: number;
  /** (tokens, heads * headDim) */
  readonly q: ActivationId;
  readonly heads: number;
  readonly kvHeads: number;
  /** Components of a query and of a key. */
  readonly headDim: number;
  /** Components of a value. */
  readonly valueDim: number;
  readonly scale: number;
  readonly softcap: number;
  readonly window: number;
  readonly causal: boolean;
  /** One number a head. */
  readonly sinks: WeightId | null;
  /** (tokens, heads * valueDim) */
  readonly out: ActivationId;
}

/**
 * out = activation(gate) * up; `silu` gives SwiGLU (Shazeer 2020, arXiv:2002.05202), `identity` the
 * plain product of two activations. `clamped-silu`, of gpt-oss (OpenAI 2025, arXiv:2508.10925), is
 * g * sigmoid(1.702 g) * (u + 1) with g = min(gate, 7) and u = up within -7 and 7.
 */
export interface GateOp {
  readonly op: 'gate';
  readonly activation: 'silu' | 'gelu' | 'gelu-tanh' | 'identity' | 'clamped-silu';
  readonly gate: ActivationId;
  readonly up: ActivationId;
  readonly out: ActivationId;
}

/** out = activation(x): the feed-forward blocks without a gate; of `clamped-silu` its first factor. */
export interface ActivateOp {
  readonly op: 'activate';
  readonly activation: GateOp['activation'];
  readonly x: ActivationId;
  readonly out: ActivationId;
}

/**
 * Chooses the experts of every token (mixture of experts; Shazeer et al. 2017, arXiv:1701.06538).
 *
 * A score becomes a weight by `gating`: `softmax` over all experts, `sigmoid` of each, or
 * `softmax-of-chosen`, over those chosen alone. The `used` experts with the highest weights are
 * chosen (for the last: with the highest scores), among equals the first; `bias` counts in the
 * choice and not in the weight. With several `groups`, experts lie in groups of one size, and only those of
 * the `groupsUsed` groups with the highest sum of their `groupTop` best may be chosen (DeepSeek-V2,
 * arXiv:2405.04434: 1; DeepSeek-V3, arXiv:2412.19437: 2). `normalise` divides the chosen weights by
 * their sum; all are multiplied by `scale`.
 */
export interface RouteOp {
  readonly op: 'route';
  /** (rows, experts) */
  readonly scores: ActivationId;
  readonly gating: 'softmax' | 'sigmoid' | 'softmax-of-chosen';
  /** One number an expert. */
  readonly bias: WeightId | null;
  readonly groups: number;
  readonly groupsUsed: number;
  readonly groupTop: number;
  readonly used: number;
  readonly normalise: boolean;
  readonly scale: number;
  /** (rows, 2 * used): the numbers of the chosen experts, then their weights in the same order. */
  readonly out: ActivationId;
}

/**
 * A product with the matrices of each token's chosen experts alone: part k of a row of `out` is
 * x * weight(expert k)^T + bias(expert k). `x` is one row for all experts of a token, or has a part
 * for each of them.
 */
export interface ExpertMatmulOp {
  readonly op: 'expert-matmul';
  /** (rows, columns) or (rows, used * columns) */
  readonly x: ActivationId;
  /** From `route`: (rows, 2 * used) */
  readonly routes: ActivationId;
  /** (experts * part columns, columns): the experts' matrices one below the other. */
  readonly weight: WeightId;
  /** (experts, part columns) */
  readonly bias: WeightId | null;
  readonly experts: number;
  readonly used: number;
  /** (rows, used * part columns) */
  readonly out: ActivationId;
}

/** out = sum over k of (weight of expert k) * (part k of x), with the weights of `route`. */
export interface ExpertSumOp {
  readonly op: 'expert-sum';
  /** (rows, used * columns) */
  readonly x: ActivationId;
  /** (rows, 2 * used) */
  readonly routes: ActivationId;
  readonly used: number;
  /** (rows, columns) */
  readonly out: ActivationId;
}

/**
 * Depthwise convolution over the tokens before: out[t][c] = bias[c] + sum over tap of
 * weight[c][tap] * x[t - taps + 1 + tap][c]. What lies before the step is the state `slot`
 * (taps - 1, columns), zeros at the start of a text; afterwards it holds the last inputs.
 */
export interface CausalConvolutionOp {
  readonly op: 'causal-convolution';
  /** Index of its block in `KvCacheSpec.recurrent`; no other operator of the graph has it. */
  readonly slot: number;
  /** (tokens, columns) */
  readonly x: ActivationId;
  /** (columns, taps) */
  readonly weight: WeightId;
  readonly bias: WeightId | null;
  /** (tokens, columns) */
  readonly out: ActivationId;
}

/**
 * The selective scan of Mamba (Gu & Dao 2023, arXiv:2312.00752, equations 2 and 3 and algorithm 2).
 * For every channel c and state s, from token to token:
 * h[c][s] = exp(step * rates[c][s]) * h[c][s] + step * x[t][c] * inputs[t][s] with
 * step = softplus(steps[t][c]), and out[t][c] = sum over s of h[c][s] * reads[t][s] + skip[c] * x[t][c].
 * h is the state `slot` (columns, states), zeros at the start of a text.
 */
export interface SelectiveScanOp {
  readonly op: 'selective-scan';
  /** As in `CausalConvolutionOp`. */
  readonly slot: number;
  /** (tokens, columns) */
  readonly x: ActivationId;
  /** (tokens, columns) */
  readonly steps: ActivationId;
  /** (tokens, states) */
  readonly inputs: ActivationId;
  /** (tokens, states) */
  readonly reads: ActivationId;
  /** (columns, states), negative */
  readonly rates: WeightId;
  /** One number a column. */
  readonly skip: WeightId;
  /** (tokens, columns) */
  readonly out: ActivationId;
}

/** out = a + b; `out` may be `a`. */
export interface AddOp {
  readonly op: 'add';
  readonly a: ActivationId;
  readonly b: ActivationId;
  readonly out: ActivationId;
}

/** out = x * factor, then cap * tanh(out / cap) when `softcap` > 0; in place allowed. */
export interface ScaleOp {
  readonly op: 'scale';
  readonly x: ActivationId;
  readonly factor: number;
  readonly softcap: number;
  readonly out: ActivationId;
}

/** Some columns of every head of an activation. */
export interface HeadPart {
  /** Heads the activation has: as many as the result, or one for all of them. */
  readonly heads: number;
  /** First column inside a head. */
  readonly from: number;
  readonly count: number;
}

/** Heads put together from parts of others: head h of `out` is the part of head h of `a`, then that of `b`. */
export interface JoinHeadsOp {
  readonly op: 'join-heads';
  readonly heads: number;
  readonly a: ActivationId;
  readonly aPart: HeadPart;
  readonly b: ActivationId;
  /** Its count may be 0. */
  readonly bPart: HeadPart;
  /** (rows, heads * (columns of both parts)) */
  readonly out: ActivationId;
}

/** Keeps the last `outputs` rows of a `tokens` activation. */
export interface TakeOutputsOp {
  readonly op: 'take-outputs';
  readonly x: ActivationId;
  readonly out: ActivationId;
}

export type Op =
  | EmbedOp
  | NormOp
  | MatmulOp
  | RopeOp
  | CacheWriteOp
  | AttentionOp
  | GateOp
  | ActivateOp
  | RouteOp
  | ExpertMatmulOp
  | ExpertSumOp
  | CausalConvolutionOp
  | SelectiveScanOp
  | AddOp
  | ScaleOp
  | JoinHeadsOp
  | TakeOutputsOp;

export type OpName = Op['op'];

/** One forward step. `result` has `outputs` rows: the logits (or the hidden states of an encoder). */
export interface Graph {
  readonly activations: readonly ActivationSpec[];
  /** Names of the weights, in the order of `WeightId`. */
  readonly weights: readonly string[];
  readonly ops: readonly Op[];
  readonly result: ActivationId;
}
