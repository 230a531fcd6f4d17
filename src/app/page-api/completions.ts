/**
 * `hermit.completions`: raw text in, raw text out, with token ids and log-probabilities. For
 * evaluation and tools: no chat template, and special tokens in `prompt` strings are ordinary text.
 */
import { AppError } from '../../common/errors.ts';
import type { EnginePrompt, TokenReport } from '../../engine/engine.ts';
import type { ModelRuntime } from '../model-runtime.ts';
import type { CallOptions, CompletionDependencies } from './chat-completions.ts';
import {
  createdNow,
  finishReasonOf,
  requireWhole,
  responseId,
  samplingOf,
  usageOf,
} from './generation-params.ts';
import type { Completion, CompletionLogprobs, CompletionRequest } from './openai-types.ts';

type Choice = Completion['choices'][number];

/** OpenAI's default for raw completions. */
const DEFAULT_MAX_TOKENS = 16;

export class Completions {
  readonly #runtime: ModelRuntime;
  readonly #ensureModel: CompletionDependencies['ensureModel'];

  constructor({ runtime, ensureModel }: Pick<CompletionDependencies, 'runtime' | 'ensureModel'>) {
    this.#runtime = runtime;
    this.#ensureModel = ensureModel;
  }

  create(
    request: CompletionRequest & { readonly stream: true },
    options?: CallOptions,
  ): Promise<AsyncIterable<Completion>>;
  create(
    request: CompletionRequest & { readonly stream?: false | null },
    options?: CallOptions,
  ): Promise<Completion>;
  create(
    request: CompletionRequest,
    options?: CallOptions,
  ): Promise<Completion | AsyncIterable<Completion>>;
  /** @throws AppError `invalid-argument`, `engine/not-loaded`, `engine/context-overflow`, `aborted` */
  async create(
    request: CompletionRequest,
    options: CallOptions = {},
  ): Promise<Completion | AsyncIterable<Completion>> {
    const parts = this.#parts(request, options);
    return request.stream === true ? parts : collect(parts);
  }

  async *#parts(request: CompletionRequest, { signal }: CallOptions): AsyncGenerator<Completion> {
    const topCount = requireWhole(request.logprobs, 'logprobs', 0, 1000);
    const maxTokens = requireWhole(request.max_tokens, 'max_tokens', 0, 1e9) ?? DEFAULT_MAX_TOKENS;
    const prompt = promptOf(request.prompt);
    const model = await this.#ensureModel(request.model, signal);
    const tokens = await this.#runtime.promptTokens(prompt);
    const shared = {
      id: responseId('cmpl'),
      object: 'text_completion' as const,
      created: createdNow(),
      model,
    };
    let offset = 0;
    const part = (
      text: string,
      ids: readonly number[],
      reports: readonly TokenReport[],
    ): Completion => {
      const logprobs = topCount === undefined ? null : logprobsOf(reports, offset);
      offset += text.length;
      const only: Choice = { index: 0, text, token_ids: ids, logprobs, finish_reason: null };
      return { ...shared, choices: [only] };
    };
    if (request.echo === true) {
      const reports = topCount === undefined ? [] : await this.#runtime.score(tokens, topCount);
      yield part(await this.#runtime.detokenize(tokens, { special: false }), tokens, reports);
    }
    const events = this.#runtime.generate(
      {
        prompt: { kind: 'tokens', tokens },
        ...samplingOf(request),
        maxTokens,
        continuation: true,
        ...(topCount === undefined ? {} : { topLogprobs: topCount }),
      },
      signal,
    );
    for await (const event of events) {
      if (event.type === 'token') {
        yield part(event.text, [event.token], event.report === undefined ? [] : [event.report]);
      } else if (event.type === 'done') {
        if (event.reason === 'aborted') throw new AppError('aborted', 'The operation was stopped.');
        const last = part(event.text, [], []);
        const choices = last.choices.map((choice) => ({
          ...choice,
          finish_reason: finishReasonOf(event.reason),
        }));
        yield { ...last, choices, usage: usageOf(event.stats) };
      }
    }
  }
}

function promptOf(prompt: CompletionRequest['prompt']): EnginePrompt {
  if (typeof prompt === 'string') return { kind: 'text', text: prompt, special: false };
  if (Array.isArray(prompt) && prompt.every((id) => Number.isSafeInteger(id) && id >= 0)) {
    return { kind: 'tokens', tokens: prompt };
  }
  throw new AppError('invalid-argument', '"prompt" must be a text or a list of token ids.');
}

function logprobsOf(reports: readonly TokenReport[], startOffset: number): CompletionLogprobs {
  let offset = startOffset;
  return {
    tokens: reports.map(({ text }) => text),
    token_logprobs: reports.map(({ logprob }) => logprob),
    top_logprobs: reports.map(({ logprob, top }) =>
      logprob === null
        ? null
        : Object.fromEntries(top.map((entry) => [entry.text, entry.logprob] as const)),
    ),
    text_offset: reports.map(({ text }) => {
      const here = offset;
      offset += text.length;
      return here;
    }),
  };
}

/** All parts of a completion as one. */
async function collect(parts: AsyncIterable<Completion>): Promise<Completion> {
  const all: Completion[] = [];
  for await (const part of parts) all.push(part);
  const last = all.at(-1);
  if (last === undefined) throw new AppError('internal', 'The answer ended before it began.');
  const choices = all.flatMap((part) => part.choices);
  const logprobs = choices.flatMap((choice) => (choice.logprobs === null ? [] : [choice.logprobs]));
  const choice: Choice = {
    index: 0,
    text: choices.map(({ text }) => text).join(''),
    token_ids: choices.flatMap(({ token_ids }) => token_ids),
    logprobs:
      logprobs.length === 0
        ? null
        : {
            tokens: logprobs.flatMap(({ tokens }) => tokens),
            token_logprobs: logprobs.flatMap(({ token_logprobs }) => token_logprobs),
            top_logprobs: logprobs.flatMap(({ top_logprobs }) => top_logprobs),
            text_offset: logprobs.flatMap(({ text_offset }) => text_offset),
          },
    finish_reason: choices.at(-1)?.finish_reason ?? null,
  };
  return { ...last, choices: [choice] };
}
