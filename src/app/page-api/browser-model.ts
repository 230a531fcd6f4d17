/**
 * The browser's own model (https://webmachinelearning.github.io/prompt-api), where there is one that is
 * downloaded already: `model: 'browser'` in a chat completion. It takes no download and no memory of
 * Hermit's; what it computes with, and whether on the device, is the browser's affair.
 *
 * It knows texts, JSON schemas and little else: requests that need more are refused by the field.
 */
import { AppError } from '../../common/errors.ts';
import type { ChatCompletionChunk, ChatCompletionRequest } from '../../common/openai-types.ts';
import type { ChatMessage } from './chat-messages.ts';
import type { ChatPlan } from './chat-plan.ts';
import { createdNow, responseId } from './generation-params.ts';

/** The id that requests name it by; ids of stored models have a point or a digest in them. */
export const BROWSER_MODEL = 'browser';

interface Prompt {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

interface BrowserSession {
  /** Tokens of the conversation so far. */
  readonly inputUsage?: number;
  promptStreaming(
    input: readonly Prompt[],
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly responseConstraint?: Readonly<Record<string, unknown>>;
    },
  ): ReadableStream<string>;
  destroy(): void;
}

interface BrowserLanguageModel {
  availability(): Promise<'unavailable' | 'downloadable' | 'downloading' | 'available'>;
  /** Pages may choose the sampling in some contexts only; both or neither. */
  params?(): Promise<{
    readonly defaultTemperature: number;
    readonly defaultTopK: number;
  } | null>;
  create(options: {
    readonly initialPrompts: readonly Prompt[];
    readonly temperature?: number;
    readonly topK?: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<BrowserSession>;
}

const ownModel = (): BrowserLanguageModel | undefined =>
  (globalThis as { readonly LanguageModel?: BrowserLanguageModel }).LanguageModel;

/** Whether it answers now; one that the browser would have to fetch first does not. */
export async function browserModelReady(): Promise<boolean> {
  try {
    return (await ownModel()?.availability()) === 'available';
  } catch {
    return false; // refused to this page by a policy
  }
}

const refusedFields = [
  'seed',
  'top_p',
  'min_p',
  'logprobs',
  'logit_bias',
  'repetition_penalty',
  'frequency_penalty',
  'presence_penalty',
  'chat_template_kwargs',
] as const;

/** @throws AppError `not-supported` naming the field */
export function requireSimple(request: ChatCompletionRequest, plan: ChatPlan): void {
  const given: Readonly<Record<string, unknown>> = { ...request };
  const refused = refusedFields.find(
    (field) => ![undefined, null, false].includes(given[field] as null),
  );
  const last = plan.messages.at(-1);
  const reasons = [
    ...(refused === undefined ? [] : [refused]),
    ...(plan.count > 1 ? ['n'] : []),
    ...(plan.tools.length > 0 ? ['tools'] : []),
    ...(last?.role !== 'user' || plan.messages.some(({ role }) => role === 'tool')
      ? ['messages']
      : []),
  ];
  const [field] = reasons;
  if (field === undefined) return;
  throw new AppError(
    'not-supported',
    `The browser's own model cannot do that: change "${field}".`,
    {
      details: { field },
    },
  );
}

/**
 * One answer in OpenAI's chunks. A limit counts the pieces that come, each a token or more.
 * @throws AppError `engine/not-loaded` where there is none that is ready, `aborted`, `internal`
 */
export async function* browserChunks(
  plan: ChatPlan,
  request: Pick<ChatCompletionRequest, 'temperature' | 'top_k'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ChatCompletionChunk> {
  const factory = ownModel();
  if (factory === undefined || !(await browserModelReady())) {
    throw new AppError('engine/not-loaded', 'This browser has no model of its own that is ready.');
  }
  const prompts = plan.messages.map(promptOf);
  const session = await factory
    .create({
      initialPrompts: prompts.slice(0, -1),
      ...(await samplingOf(factory, request)),
      signal,
    })
    .catch(toAppError);
  const shared = {
    id: responseId('chatcmpl'),
    object: 'chat.completion.chunk' as const,
    created: createdNow(),
    model: BROWSER_MODEL,
    ...(plan.usage ? { usage: null } : {}),
  };
  const choice = { index: 0, logprobs: null, finish_reason: null };
  try {
    yield {
      ...shared,
      choices: [{ ...choice, delta: { role: 'assistant', content: '', refusal: null } }],
    };
    const { stop, maxTokens } = plan.generation;
    const { forced } = plan;
    const pieces = session.promptStreaming(prompts.slice(-1), {
      signal,
      ...(forced?.kind === 'json'
        ? { responseConstraint: forced.schema as object as Record<string, unknown> }
        : {}),
    });
    const cut = new StopCutter(stop);
    let count = 0;
    for await (const piece of piecesOf(pieces)) {
      count += 1;
      const content = cut.push(piece);
      if (content !== '') yield { ...shared, choices: [{ ...choice, delta: { content } }] };
      if (cut.stopped || count >= maxTokens) break;
    }
    const content = cut.finish();
    if (content !== '') yield { ...shared, choices: [{ ...choice, delta: { content } }] };
    const reason = count >= maxTokens && !cut.stopped ? 'length' : 'stop';
    yield { ...shared, choices: [{ ...choice, delta: {}, finish_reason: reason }] };
    if (plan.usage) {
      const total = Math.max(session.inputUsage ?? 0, count);
      const usage = {
        prompt_tokens: total - count,
        completion_tokens: count,
        total_tokens: total,
        prompt_tokens_details: { cached_tokens: 0 },
      };
      yield { ...shared, choices: [], usage };
    }
  } finally {
    session.destroy();
  }
}

async function samplingOf(
  factory: BrowserLanguageModel,
  { temperature, top_k }: Pick<ChatCompletionRequest, 'temperature' | 'top_k'>,
): Promise<{ readonly temperature?: number; readonly topK?: number }> {
  const defaults = (await factory.params?.()) ?? null;
  if (defaults === null || (temperature ?? top_k ?? null) === null) return {};
  return {
    temperature: temperature ?? defaults.defaultTemperature,
    topK: top_k ?? defaults.defaultTopK,
  };
}

function promptOf({ role, content }: ChatMessage): Prompt {
  return { role: role === 'system' || role === 'assistant' ? role : 'user', content };
}

/** Leaving the loop gives the rest up; not every browser can iterate a stream. */
async function* piecesOf(stream: ReadableStream<string>): AsyncGenerator<string> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(toAppError);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function toAppError(thrown: unknown): never {
  const { name, message } = thrown as Partial<DOMException>;
  if (name === 'AbortError') throw new AppError('aborted', 'The operation was stopped.');
  if (name === 'QuotaExceededError') {
    throw new AppError(
      'engine/context-overflow',
      'This is more than the browser’s model can read.',
    );
  }
  throw new AppError('internal', `The browser’s own model failed: ${message ?? ''}`, {
    cause: thrown,
  });
}

/** Ends a text before the first of some words, which may come in pieces. */
class StopCutter {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = '';
  stopped = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
    this.#longest = Math.max(0, ...this.#stops.map(({ length }) => length));
  }

  /** What can be shown now. */
  push(piece: string): string {
    this.#held += piece;
    const places = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((at) => at >= 0);
    if (places.length > 0) {
      this.stopped = true;
      return this.#take(Math.min(...places), '');
    }
    return this.#take(Math.max(0, this.#held.length - Math.max(0, this.#longest - 1)));
  }

  finish(): string {
    return this.stopped ? '' : this.#take(this.#held.length);
  }

  #take(length: number, rest = this.#held.slice(length)): string {
    const taken = this.#held.slice(0, length);
    this.#held = rest;
    return taken;
  }
}
