/**
 * Which weights `mixed` precision keeps at 8 bits: those whose low digits matter most for the bytes
 * that a token costs more with them.
 *
 * What a weight's low digits are worth is its measured error (`WeightHandle.lowError`, squared, since
 * small errors of matrices add up as squares) times how much answers depend on such a matrix. That was
 * measured on trained models (TinyStories-656K, stories260K, the guide; `test/precision.md`): the
 * divergence of the next token's probabilities with one matrix at 4 bits and all others at 8.
 */
import { bitsRead, type WeightHandle } from '../backend/backend.ts';
import type { WeightTraffic } from '../backend/weight-traffic.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import { tensorPlace, type TensorPlace, type TensorRole } from '../quantise/tensor-class.ts';

/** Divergence a squared relative error, geometric mean over the three models. */
const dependence: Readonly<Record<TensorRole, number>> = {
  output: 3.5,
  embedding: 0.35,
  'attention-value': 0.4,
  'fused-attention': 0.3,
  'feed-forward-down': 0.25,
  matrix: 0.17,
};

/** All later layers see the first one's errors, and nothing evens out the last one's. */
const firstLayer = 3;
const lastLayer = 1.7;

/**
 * Bytes of a token that `mixed` may add to those of 4 bits: 65 % of what 8 bits read instead of 53 %
 * where everything has two planes.
 */
export const largestExtra = 0.22;

function worthOf({ role, layer, layers }: TensorPlace, { lowError }: WeightHandle): number {
  const inLayer = role !== 'output' && role !== 'embedding';
  const first = inLayer && layer === 0 ? firstLayer : 1;
  const last = inLayer && layer === layers - 1 && layers > 1 ? lastLayer : 1;
  return dependence[role] * first * last * lowError ** 2;
}

/** Sets `WeightHandle.sensitive` of all weights. */
export function markSensitive(
  file: GgufFile,
  weights: ReadonlyMap<string, WeightHandle>,
  traffic: WeightTraffic,
): void {
  for (const weight of weights.values()) weight.sensitive = false;
  const candidates = [...weights].flatMap(([name, weight]) => {
    const tensor = file.tensors.get(name);
    const place = tensor && tensorPlace(file, tensor);
    if (!place || bitsRead(weight, 8) === 4) return [];
    const cost = traffic.lowBytesOfToken(weight);
    return [{ weight, cost, gain: worthOf(place, weight) / Math.max(cost, 1) }];
  });
  candidates.sort((a, b) => b.gain - a.gain);
  let left = largestExtra * traffic.bytes({ tokens: 1, outputs: 1 }, 4);
  for (const { weight, cost, gain } of candidates) {
    if (cost > left || gain === 0) continue;
    weight.sensitive = true;
    left -= cost;
  }
}
