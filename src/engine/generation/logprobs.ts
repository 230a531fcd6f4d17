/** Log-probabilities of tokens, always from the model's own logits, in double precision. */
import { AppError } from '../../common/errors.ts';
import { selectTop } from './top-selection.ts';

export interface TokenLogprob {
  readonly token: number;
  /** Natural logarithm of the probability. */
  readonly logprob: number;
}

/** The error of a model whose logits are no numbers: damaged or unsuitable weights. */
export function invalidNumbersError(): AppError {
  return new AppError(
    'model-file/invalid-numbers',
    'The model produces invalid numbers. Its file may be damaged: verify it, or choose another model.',
  );
}

/** Largest logit. @throws AppError `model-file/invalid-numbers` for NaN, +Infinity, or -Infinity everywhere */
export function checkedMaximum(logits: Float32Array): number {
  let maximum = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i] as number;
    if (value > maximum) maximum = value;
    else if (value !== value) throw invalidNumbersError();
  }
  if (!Number.isFinite(maximum)) throw invalidNumbersError();
  return maximum;
}

/** ln(sum of exp(logit)), shifted by the maximum against overflow. */
export function logSumExp(logits: Float32Array): number {
  const maximum = checkedMaximum(logits);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] as number) - maximum);
  return maximum + Math.log(sum);
}

/** The log-probability of `token` and of the `topCount` likeliest tokens, likeliest first. */
export function tokenLogprobs(
  logits: Float32Array,
  token: number,
  topCount: number,
): { readonly logprob: number; readonly top: readonly TokenLogprob[] } {
  const normalizer = logSumExp(logits);
  const top = Array.from(selectTop(logits, topCount), (id) => ({
    token: id,
    logprob: (logits[id] as number) - normalizer,
  }));
  return { logprob: (logits[token] as number) - normalizer, top };
}
