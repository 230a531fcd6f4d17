import { AppError } from '../../common/errors.ts';
import type { GenerationRequest, TokenReport } from '../../engine/engine.ts';
import type { FinishReason as EngineFinishReason } from '../../engine/generation/session.ts';
import type { GenerationStats } from '../../engine/generation/stats.ts';
import type { FinishReason, SamplingParams, TokenLogprob, Usage } from './openai-types.ts';

/** Fields of an OpenAI request as the engine takes them; what is absent gets the API's own default. */
export function samplingOf(
  params: SamplingParams,
): Pick<GenerationRequest, 'sampling' | 'penalties' | 'stop'> {
  const stop = params.stop ?? [];
  const logitBias = new Map<number, number>();
  for (const [token, bias] of Object.entries(params.logit_bias ?? {})) {
    logitBias.set(Number(token), bias);
  }
  return {
    sampling: {
      temperature: params.temperature ?? 1,
      topK: params.top_k ?? 0,
      topP: params.top_p ?? 1,
      minP: params.min_p ?? 0,
      seed: params.seed ?? randomSeed(),
    },
    penalties: {
      repetitionPenalty: params.repetition_penalty ?? 1,
      frequencyPenalty: params.frequency_penalty ?? 0,
      presencePenalty: params.presence_penalty ?? 0,
      logitBias,
    },
    stop: typeof stop === 'string' ? [stop] : stop,
  };
}

export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** OpenAI knows no end of context: there the answer was cut by length. */
export function finishReasonOf(reason: EngineFinishReason): FinishReason {
  return reason === 'stop' ? 'stop' : 'length';
}

export function usageOf(stats: GenerationStats): Usage {
  return {
    prompt_tokens: stats.promptTokens,
    completion_tokens: stats.answerTokens,
    total_tokens: stats.promptTokens + stats.answerTokens,
    prompt_tokens_details: { cached_tokens: stats.reusedTokens },
  };
}

export function logprobOf(report: TokenReport): TokenLogprob {
  return {
    token: report.text,
    bytes: report.bytes,
    logprob: report.logprob ?? 0,
    top_logprobs: report.top.map(({ text, bytes, logprob }) => ({ token: text, bytes, logprob })),
  };
}

/** @throws AppError `invalid-argument` naming the field */
export function requireWhole(
  value: number | null | undefined,
  field: string,
  low: number,
  high: number,
): number | undefined {
  if (value === null || value === undefined) return undefined;
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw new AppError(
    'invalid-argument',
    `"${field}" must be a whole number from ${low} to ${high}.`,
    { details: { field, value } },
  );
}

/** Identifier of a response, unique in this page. */
export function responseId(prefix: 'chatcmpl' | 'cmpl'): string {
  return `${prefix}-${crypto.randomUUID()}`;
}

/** OpenAI's clock: whole seconds since the epoch. */
export function createdNow(): number {
  return Math.floor(Date.now() / 1000);
}
