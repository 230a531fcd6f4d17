/** `hermit.chat.completions`: the OpenAI chat completion on the model of this device. */
import { throwIfAborted, untilAborted } from '../../common/abort.ts';
import { AppError } from '../../common/errors.ts';
import type { GenerationRequest, TokenReport } from '../../engine/engine.ts';
import type { ModelRuntime } from '../model-runtime.ts';
import type { PromptRenderer } from '../prompt-renderer.ts';
import type { Turns } from '../turns.ts';
import { messagesOf, type ChatMessage } from './chat-messages.ts';
import {
  createdNow,
  finishReasonOf,
  includesUsage,
  logprobOf,
  responseId,
  samplingOf,
  usageOf,
} from './generation-params.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  FinishReason,
  TokenLogprob,
  Usage,
} from './openai-types.ts';
import {
  invalidField,
  refuseUnsupported,
  requireBoolean,
  requireModel,
  requireRequest,
  requireWhole,
} from './request-checks.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface CompletionDependencies {
  readonly runtime: ModelRuntime;
  readonly prompts: PromptRenderer;
  /** Makes the named model the loaded one; resolves with the id of the model that answers. */
  readonly ensureModel: (id: string | undefined) => Promise<string>;
  /** Requests of scripts, one after the other: each may want another model. */
  readonly turns: Turns;
}

/** A request that was found valid. */
interface ChatPlan {
  readonly model: string | undefined;
  readonly messages: readonly ChatMessage[];
  readonly generation: Omit<GenerationRequest, 'prompt'>;
  readonly stream: boolean;
  /** Whether chunks tell the usage: null in all but the last. */
  readonly usage: boolean;
}

type Choice = ChatCompletionChunk['choices'][number];

export class ChatCompletions {
  readonly #dependencies: CompletionDependencies;

  constructor(dependencies: CompletionDependencies) {
    this.#dependencies = dependencies;
  }

  create(
    request: ChatCompletionRequest & { readonly stream: true },
    options?: CallOptions,
  ): Promise<AsyncIterable<ChatCompletionChunk>>;
  create(
    request: ChatCompletionRequest & { readonly stream?: false | null },
    options?: CallOptions,
  ): Promise<ChatCompletion>;
  create(
    request: ChatCompletionRequest,
    options?: CallOptions,
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
  /**
   * Refuses a bad request at once; a stream begins to work, and tells of other failures, when it is
   * iterated over.
   * @throws AppError `invalid-argument`, `not-supported`, `engine/not-loaded`, `store/not-found`,
   * `template/refused`, `engine/context-overflow`, `aborted` and what loading a model throws
   */
  async create(
    request: ChatCompletionRequest,
    { signal }: CallOptions = {},
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const plan = planOf(request);
    throwIfAborted(signal);
    const chunks = this.#chunks(plan, signal);
    return plan.stream ? chunks : collect(chunks);
  }

  async *#chunks(
    plan: ChatPlan,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ChatCompletionChunk> {
    const finish = await this.#dependencies.turns.take(signal);
    try {
      yield* this.#answer(plan, signal, finish);
    } finally {
      finish();
    }
  }

  /** Calls `begun` once the model is at work, which is before the first chunk. */
  async *#answer(
    plan: ChatPlan,
    signal: AbortSignal | undefined,
    begun: () => void,
  ): AsyncGenerator<ChatCompletionChunk> {
    const { runtime, prompts, ensureModel } = this.#dependencies;
    const model = await untilAborted(ensureModel(plan.model), signal);
    const { prompt, stop } = await untilAborted(prompts.render(plan.messages), signal);
    const { generation } = plan;
    const events = runtime.generate(
      { ...generation, prompt, stop: [...generation.stop, ...stop] },
      { modelId: model, ...(signal === undefined ? {} : { signal }) },
    );
    const shared = {
      id: responseId('chatcmpl'),
      object: 'chat.completion.chunk' as const,
      created: createdNow(),
      model,
    };
    const chunk = (part: Choice): ChatCompletionChunk => ({
      ...shared,
      choices: [part],
      ...(plan.usage ? { usage: null } : {}),
    });
    let first = true;
    for await (const event of events) {
      // From here on the runtime keeps the order; a script need not read its stream to the end.
      begun();
      if (first) yield chunk(choice({ role: 'assistant', content: '', refusal: null }));
      first = false;
      if (event.type === 'token') {
        yield chunk(choice({ content: event.text }, logprobsOf(event.report)));
      } else if (event.type === 'done') {
        if (event.reason === 'aborted') throw new AppError('aborted', 'The operation was stopped.');
        if (event.text !== '') yield chunk(choice({ content: event.text }));
        yield chunk({ ...choice({}), finish_reason: finishReasonOf(event.reason) });
        if (plan.usage) yield { ...shared, choices: [], usage: usageOf(event.stats) };
      }
    }
  }
}

/** @throws AppError `invalid-argument`, `not-supported` naming the field */
function planOf(request: ChatCompletionRequest): ChatPlan {
  const fields = requireRequest(request);
  refuseUnsupported(
    fields,
    ['n'],
    ['tools', 'functions', 'tool_choice', 'function_call', 'audio', 'prediction'],
  );
  checkResponseFormat(fields['response_format']);
  const maxTokens =
    requireWhole(request.max_completion_tokens, 'max_completion_tokens', 1, 1e9) ??
    requireWhole(request.max_tokens, 'max_tokens', 1, 1e9);
  const topLogprobs = topLogprobsOf(request);
  const stream = requireBoolean(request.stream, 'stream');
  return {
    model: requireModel(request.model),
    messages: messagesOf(request.messages),
    generation: {
      ...samplingOf(request),
      maxTokens: maxTokens ?? Number.MAX_SAFE_INTEGER,
      ...(topLogprobs === undefined ? {} : { topLogprobs }),
    },
    stream,
    usage: !stream || includesUsage(request.stream_options),
  };
}

function checkResponseFormat(format: unknown): void {
  if (format === null || format === undefined) return;
  if (requireRequest(format)['type'] === 'text') return;
  throw new AppError(
    'not-supported',
    'Hermit answers in plain text: leave "response_format" out.',
    {
      details: { field: 'response_format' },
    },
  );
}

function topLogprobsOf(request: ChatCompletionRequest): number | undefined {
  const top = requireWhole(request.top_logprobs, 'top_logprobs', 0, 20);
  const wanted = requireBoolean(request.logprobs, 'logprobs');
  if (top !== undefined && !wanted) {
    throw invalidField('top_logprobs', 'left out unless "logprobs" is true', top);
  }
  return wanted ? (top ?? 0) : undefined;
}

function choice(delta: Choice['delta'], logprobs: Choice['logprobs'] = null): Choice {
  return { index: 0, delta, logprobs, finish_reason: null };
}

function logprobsOf(report: TokenReport | undefined): Choice['logprobs'] {
  return report === undefined ? null : { content: [logprobOf(report)], refusal: null };
}

async function collect(chunks: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletion> {
  let content = '';
  let finishReason: FinishReason = 'stop';
  let usage: Usage | null = null;
  let first: ChatCompletionChunk | null = null;
  let logprobs: TokenLogprob[] | null = null;
  for await (const chunk of chunks) {
    first ??= chunk;
    usage = chunk.usage ?? usage;
    for (const part of chunk.choices) {
      content += part.delta.content ?? '';
      finishReason = part.finish_reason ?? finishReason;
      if (part.logprobs !== null) (logprobs ??= []).push(...part.logprobs.content);
    }
  }
  if (first === null || usage === null) {
    throw new AppError('internal', 'The answer ended before it began.');
  }
  const { id, created, model } = first;
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: logprobs === null ? null : { content: logprobs, refusal: null },
        finish_reason: finishReason,
      },
    ],
    usage,
  };
}
