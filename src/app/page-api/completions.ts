/**
 * `hermit.completions`: raw text in, raw text out, with token ids and log-probabilities. For
 * evaluation and tools: no chat template, and special tokens in `prompt` strings are ordinary text.
 */
import { throwIfAborted, untilAborted } from '../../common/abort.ts';
import { AppError } from '../../common/errors.ts';
import type { EnginePrompt, GenerationRequest, TokenReport } from '../../engine/engine.ts';
import type { Urgency } from '../turns.ts';
import type { CallOptions, CompletionDependencies } from './chat-completions.ts';
import {
  createdNow,
  finishReasonOf,
  includesUsage,
  responseId,
  samplingOf,
  usageOf,
} from './generation-params.ts';
import type {
  Completion,
  CompletionLogprobs,
  CompletionRequest,
} from '../../common/openai-types.ts';
import {
  invalidField,
  isTokenList,
  refuseUnsupported,
  requireBoolean,
  requireModel,
  requirePriority,
  requireRequest,
  requireWhole,
} from './request-checks.ts';
import { offsetsOfText, TextOffsets } from './text-offsets.ts';

type Choice = Completion['choices'][number];

/** OpenAI's default for raw completions. */
const DEFAULT_MAX_TOKENS = 16;

/** A request that was found valid. */
interface CompletionPlan {
  readonly model: string | undefined;
  readonly prompt: EnginePrompt;
  readonly echo: boolean;
  readonly topLogprobs: number | undefined;
  readonly generation: Omit<GenerationRequest, 'prompt'>;
  readonly stream: boolean;
  /** Whether chunks tell the usage: null in all but the last. */
  readonly usage: boolean;
}

export class Completions {
  readonly #dependencies: Omit<CompletionDependencies, 'prompts'>;

  constructor(dependencies: Omit<CompletionDependencies, 'prompts'>) {
    this.#dependencies = dependencies;
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
  /**
   * Refuses a bad request at once; a stream begins to work, and tells of other failures, when it is
   * iterated over.
   * @throws AppError `invalid-argument`, `not-supported`, `engine/not-loaded`, `store/not-found`,
   * `engine/context-overflow`, `aborted` and what loading a model throws
   */
  async create(
    request: CompletionRequest,
    { signal, priority }: CallOptions = {},
  ): Promise<Completion | AsyncIterable<Completion>> {
    const plan = planOf(request);
    throwIfAborted(signal);
    const parts = this.#parts(plan, signal, requirePriority(priority));
    return plan.stream ? parts : collect(parts);
  }

  async *#parts(
    plan: CompletionPlan,
    signal: AbortSignal | undefined,
    priority: Urgency,
  ): AsyncGenerator<Completion> {
    const finish = await this.#dependencies.turns.take(signal, priority);
    try {
      yield* this.#complete(plan, signal, finish);
    } finally {
      finish();
    }
  }

  /** Calls `begun` once the model is at work, which is before the first part. */
  async *#complete(
    plan: CompletionPlan,
    signal: AbortSignal | undefined,
    begun: () => void,
  ): AsyncGenerator<Completion> {
    const { runtime, ensureModel } = this.#dependencies;
    const { topLogprobs } = plan;
    const model = await untilAborted(ensureModel(plan.model), signal);
    const tokens = await runtime.promptTokens(plan.prompt, signal);
    const shared = {
      id: responseId('cmpl'),
      object: 'text_completion' as const,
      created: createdNow(),
      model,
    };
    const part = (choice: Omit<Choice, 'index'>): Completion => ({
      ...shared,
      choices: [{ index: 0, ...choice }],
      ...(plan.usage ? { usage: null } : {}),
    });
    const scored = plan.echo && topLogprobs !== undefined;
    let offsets = new TextOffsets(0);
    const logprobs = (reports: readonly TokenReport[]): CompletionLogprobs | null =>
      topLogprobs === undefined ? null : logprobsOf(reports, offsets);
    let echo: Completion | null = null;
    if (plan.echo) {
      const reports = scored ? await runtime.score(tokens, topLogprobs, signal) : [];
      const text = await runtime.detokenize(tokens, { special: false });
      offsets = offsetsOfText(
        text,
        reports.map(({ bytes }) => bytes),
      );
      const echoed = { text, token_ids: tokens, logprobs: logprobs(reports) };
      echo = part({ ...echoed, finish_reason: null });
    }
    const events = runtime.generate(
      { ...plan.generation, prompt: { kind: 'tokens', tokens } },
      { modelId: model, ...(signal === undefined ? {} : { signal }) },
    );
    for await (const event of events) {
      // From here on the runtime keeps the order; a script need not read its stream to the end.
      begun();
      if (echo !== null) yield echo;
      echo = null;
      if (event.type === 'token') {
        const reports = event.report === undefined ? [] : [event.report];
        const { text, token } = event;
        yield part({ text, token_ids: [token], logprobs: logprobs(reports), finish_reason: null });
      } else if (event.type === 'done') {
        if (event.reason === 'aborted') throw new AppError('aborted', 'The operation was stopped.');
        const finish_reason = finishReasonOf(event.reason);
        yield part({ text: event.text, token_ids: [], logprobs: null, finish_reason });
        // Scoring computed the whole prompt; that it was then at hand is no saving.
        const usage = scored ? usageOf(event.stats, 0) : usageOf(event.stats);
        if (plan.usage) yield { ...shared, choices: [], usage };
      }
    }
  }
}

/** @throws AppError `invalid-argument`, `not-supported` naming the field */
function planOf(request: CompletionRequest): CompletionPlan {
  refuseUnsupported(requireRequest(request), ['n', 'best_of'], ['suffix']);
  const topLogprobs = requireWhole(request.logprobs, 'logprobs', 0, 1000);
  const stream = requireBoolean(request.stream, 'stream');
  return {
    model: requireModel(request.model),
    prompt: promptOf(request.prompt),
    echo: requireBoolean(request.echo, 'echo'),
    topLogprobs,
    generation: {
      ...samplingOf(request),
      maxTokens: requireWhole(request.max_tokens, 'max_tokens', 0, 1e9) ?? DEFAULT_MAX_TOKENS,
      continuation: true,
      ...(topLogprobs === undefined ? {} : { topLogprobs }),
    },
    stream,
    usage: !stream || includesUsage(request.stream_options),
  };
}

/** A text or token ids, also as the only element of a list. */
function promptOf(prompt: unknown): EnginePrompt {
  if (typeof prompt === 'string') return { kind: 'text', text: prompt, special: false };
  if (isTokenList(prompt) && prompt.length > 0) return { kind: 'tokens', tokens: prompt };
  const only: unknown = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : null;
  if (typeof only === 'string' || Array.isArray(only)) return promptOf(only);
  throw invalidField('prompt', 'a text or a list of token ids', prompt);
}

function logprobsOf(reports: readonly TokenReport[], offsets: TextOffsets): CompletionLogprobs {
  return {
    tokens: reports.map(({ text }) => text),
    token_logprobs: reports.map(({ logprob }) => logprob),
    top_logprobs: reports.map(topLogprobsOf),
    text_offset: reports.map(({ bytes }) => offsets.next(bytes)),
  };
}

/** The likeliest tokens by their text, and always the one that was chosen. */
function topLogprobsOf({ text, logprob, top }: TokenReport): Record<string, number> | null {
  if (logprob === null) return null;
  const all = new Map<string, number>();
  // Tokens may share a text: the likeliest, which comes first, counts.
  for (const entry of top) if (!all.has(entry.text)) all.set(entry.text, entry.logprob);
  if (!all.has(text)) all.set(text, logprob);
  return Object.fromEntries(all);
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
