import type { GenerationRequest, TokenReport } from '../../engine/engine.ts';
import type { FinishReason as EngineFinishReason } from '../../engine/generation/session.ts';
import type { GenerationStats } from '../../engine/generation/stats.ts';
import type {
  FinishReason,
  SamplingParams,
  TokenLogprob,
  Usage,
} from '../../common/openai-types.ts';
import {
  invalidField,
  requireBoolean,
  requireNumber,
  requireRequest,
  requireWhole,
} from './request-checks.ts';

/** A nucleus of nothing still holds the likeliest token: OpenAI takes 0, the sampler does not. */
const smallestTopP = 1e-9;

/**
 * Fields of an OpenAI request as the engine takes them; what is absent gets the API's own default.
 * @throws AppError `invalid-argument` naming the field
 */
export function samplingOf(
  params: SamplingParams,
): Pick<GenerationRequest, 'sampling' | 'penalties' | 'stop'> {
  return {
    sampling: {
      temperature: requireNumber(params.temperature, 'temperature', 0, 5) ?? 1,
      topK: requireWhole(params.top_k, 'top_k', 0, 1e9) ?? 0,
      topP: Math.max(requireNumber(params.top_p, 'top_p', 0, 1) ?? 1, smallestTopP),
      minP: requireNumber(params.min_p, 'min_p', 0, 1) ?? 0,
      seed:
        requireWhole(params.seed, 'seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) ??
        randomSeed(),
    },
    penalties: {
      repetitionPenalty:
        requireNumber(params.repetition_penalty, 'repetition_penalty', 0.01, 100) ?? 1,
      frequencyPenalty: requireNumber(params.frequency_penalty, 'frequency_penalty', -2, 2) ?? 0,
      presencePenalty: requireNumber(params.presence_penalty, 'presence_penalty', -2, 2) ?? 0,
      logitBias: logitBiasOf(params.logit_bias),
    },
    stop: stopOf(params.stop),
  };
}

export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

function stopOf(stop: unknown): readonly string[] {
  if (stop === null || stop === undefined) return [];
  if (typeof stop === 'string') return [stop];
  if (Array.isArray(stop) && stop.every((text) => typeof text === 'string')) return stop;
  throw invalidField('stop', 'a text or a list of texts', stop);
}

function logitBiasOf(given: unknown): ReadonlyMap<number, number> {
  const biases = new Map<number, number>();
  if (given === null || given === undefined) return biases;
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw invalidField('logit_bias', 'an object of token ids and numbers', given);
  }
  for (const [token, bias] of Object.entries(given)) {
    const field = `logit_bias.${token}`;
    if (!/^\d+$/u.test(token)) throw invalidField(field, 'keyed by a token id', bias);
    const value = requireNumber(bias, field, -100, 100);
    if (value !== undefined) biases.set(Number(token), value);
  }
  return biases;
}

/** Whether a stream ends with a chunk that tells the usage. */
export function includesUsage(options: unknown): boolean {
  if (options === null || options === undefined) return false;
  const { include_usage } = requireRequest(options);
  return requireBoolean(include_usage, 'stream_options.include_usage');
}

/** OpenAI knows no end of context: there the answer was cut by length. */
export function finishReasonOf(reason: EngineFinishReason): FinishReason {
  return reason === 'stop' ? 'stop' : 'length';
}

export function usageOf(stats: GenerationStats, cachedTokens = stats.reusedTokens): Usage {
  return {
    prompt_tokens: stats.promptTokens,
    completion_tokens: stats.answerTokens,
    total_tokens: stats.promptTokens + stats.answerTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
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

/** Identifier of a response, unique in this page. */
export function responseId(prefix: 'chatcmpl' | 'cmpl'): string {
  return `${prefix}-${crypto.randomUUID()}`;
}

/** OpenAI's clock: whole seconds since the epoch. */
export function createdNow(): number {
  return Math.floor(Date.now() / 1000);
}
