/** `hermit.chat.completions`: the OpenAI chat completion on the model of this device. */
import { AppError } from '../../common/errors.ts';
import type { TokenReport } from '../../engine/engine.ts';
import type { ModelRuntime } from '../model-runtime.ts';
import type { PromptRenderer } from '../prompt-renderer.ts';
import {
  createdNow,
  finishReasonOf,
  logprobOf,
  requireWhole,
  responseId,
  samplingOf,
  usageOf,
} from './generation-params.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionMessageParam,
  ChatCompletionRequest,
  FinishReason,
  TokenLogprob,
  Usage,
} from './openai-types.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface CompletionDependencies {
  readonly runtime: ModelRuntime;
  readonly prompts: PromptRenderer;
  /** Makes the named model the loaded one; resolves with the id of the model that answers. */
  readonly ensureModel: (id: string | undefined, signal?: AbortSignal) => Promise<string>;
}

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
   * @throws AppError `invalid-argument`, `engine/not-loaded`, `store/not-found`, `template/refused`,
   * `engine/context-overflow`, `aborted` and what loading a model throws
   */
  async create(
    request: ChatCompletionRequest,
    options: CallOptions = {},
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const chunks = this.#chunks(request, options);
    return request.stream === true ? chunks : collect(chunks);
  }

  async *#chunks(
    request: ChatCompletionRequest,
    { signal }: CallOptions,
  ): AsyncGenerator<ChatCompletionChunk> {
    const { runtime, prompts, ensureModel } = this.#dependencies;
    const messages = messagesOf(request.messages);
    const topLogprobs = topLogprobsOf(request);
    const maxTokens =
      requireWhole(request.max_completion_tokens, 'max_completion_tokens', 1, 1e9) ??
      requireWhole(request.max_tokens, 'max_tokens', 1, 1e9);
    const sampling = samplingOf(request);
    const model = await ensureModel(request.model, signal);
    const prompt = await prompts.render(messages);
    const events = runtime.generate(
      {
        prompt: prompt.prompt,
        ...sampling,
        stop: [...sampling.stop, ...prompt.stop],
        maxTokens: maxTokens ?? Number.MAX_SAFE_INTEGER,
        ...(topLogprobs === undefined ? {} : { topLogprobs }),
      },
      signal,
    );
    const shared = {
      id: responseId('chatcmpl'),
      object: 'chat.completion.chunk' as const,
      created: createdNow(),
      model,
    };
    yield { ...shared, choices: [choice({ role: 'assistant', content: '' })] };
    for await (const event of events) {
      if (event.type === 'token') {
        yield { ...shared, choices: [choice({ content: event.text }, logprobsOf(event.report))] };
      } else if (event.type === 'done') {
        if (event.reason === 'aborted') throw stopped();
        if (event.text !== '') yield { ...shared, choices: [choice({ content: event.text })] };
        yield {
          ...shared,
          choices: [{ ...choice({}), finish_reason: finishReasonOf(event.reason) }],
        };
        const wanted = request.stream !== true || request.stream_options?.include_usage === true;
        if (wanted) yield { ...shared, choices: [], usage: usageOf(event.stats) };
      }
    }
  }
}

function choice(
  delta: ChatCompletionChunk['choices'][number]['delta'],
  logprobs: ChatCompletionChunk['choices'][number]['logprobs'] = null,
): ChatCompletionChunk['choices'][number] {
  return { index: 0, delta, logprobs, finish_reason: null };
}

function logprobsOf(
  report: TokenReport | undefined,
): ChatCompletionChunk['choices'][number]['logprobs'] {
  return report === undefined ? null : { content: [logprobOf(report)] };
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
        logprobs: logprobs === null ? null : { content: logprobs },
        finish_reason: finishReason,
      },
    ],
    usage,
  };
}

function messagesOf(
  messages: readonly ChatCompletionMessageParam[],
): { role: string; content: string }[] {
  // Scripts that are not typed call this too.
  const given: unknown = messages;
  if (!Array.isArray(given) || given.length === 0) {
    throw new AppError('invalid-argument', '"messages" must be a list with at least one message.');
  }
  return messages.map(({ role, content }) => ({
    // `developer` is OpenAI's newer name of the system role; templates know the older one.
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
  }));
}

function topLogprobsOf({ logprobs, top_logprobs }: ChatCompletionRequest): number | undefined {
  const top = requireWhole(top_logprobs, 'top_logprobs', 0, 20);
  return logprobs === true ? (top ?? 0) : undefined;
}

function stopped(): AppError {
  return new AppError('aborted', 'The operation was stopped.');
}
