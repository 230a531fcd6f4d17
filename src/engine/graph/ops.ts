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

/** Token ids of the step select rows of the table: out[t] = table[token[t]] * scale. */
export interface EmbedOp {
  readonly op: 'embed';
  /** (vocabulary, columns) */
  readonly table: WeightId;
  readonly scale: number;
  readonly out: ActivationId;
}

/**
 * Normalisation over groups of `groupSize` columns (the whole row, or one head).
 * `rms`: x / sqrt(mean(x^2) + epsilon) * weight (Zhang & Sennrich 2019, arXiv:1910.07467).
 * `layer`: (x - mean) / sqrt(variance + epsilon) * weight + bias (Ba et al. 2016, arXiv:1607.06450).
 * `weight` and `bias` hold `groupSize` values each.
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
  /** (tokens, kvHeads * headDim) */
  readonly v: ActivationId;
}

/**
 * Causal grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) over the KV cache, which
 * already holds this step's keys and values.
 * score = softcap(scale * q.k); `window` > 0: position p sees positions p - window + 1 .. p;
 * 0: all up to p. `softcap` 0: none, else cap * tanh(score / cap).
 */
export interface AttentionOp {
  readonly op: 'attention';
  readonly layer: number;
  /** (tokens, heads * headDim) */
  readonly q: ActivationId;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly softcap: number;
  readonly window: number;
  /** (tokens, heads * headDim) */
  readonly out: ActivationId;
}

/** out = activation(gate) * up; `silu` gives SwiGLU (Shazeer 2020, arXiv:2002.05202). */
export interface GateOp {
  readonly op: 'gate';
  readonly activation: 'silu' | 'gelu' | 'gelu-tanh';
  readonly gate: ActivationId;
  readonly up: ActivationId;
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
  | AddOp
  | ScaleOp
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
