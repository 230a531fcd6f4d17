/**
 * The browser's Prompt API (https://webmachinelearning.github.io/prompt-api) on top of Hermit: pages
 * written for `LanguageModel` run where a browser has none.
 *
 *     globalThis.LanguageModel ??= languageModel(hermit);
 *
 * Texts alone; `responseConstraint` takes a JSON schema. A session keeps its conversation until it is
 * destroyed.
 */
import { AppError } from '../../common/errors.ts';
import type { ChatCompletionMessageParam } from '../../common/openai-types.ts';
import type { HermitClient } from './client.ts';

export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface SessionOptions {
  readonly initialPrompts?: readonly PromptMessage[];
  readonly temperature?: number;
  readonly topK?: number;
  readonly signal?: AbortSignal;
}

export interface PromptOptions {
  readonly responseConstraint?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

export type PromptInput = string | readonly PromptMessage[];

export interface LanguageModelFactory {
  /** `available` where a model is installed; what has to be downloaded is the person's choice. */
  availability(): Promise<'available' | 'unavailable'>;
  /** @throws DOMException `NotSupportedError` where no model is installed */
  create(options?: SessionOptions): Promise<LanguageModelSession>;
}

type PromptingHermit = Pick<HermitClient, 'chat'> & {
  readonly models: Pick<HermitClient['models'], 'list'>;
};

export function languageModel(hermit: PromptingHermit): LanguageModelFactory {
  const availability = async (): Promise<'available' | 'unavailable'> => {
    const models = await hermit.models.list();
    return models.some(({ state }) => state.kind === 'ready') ? 'available' : 'unavailable';
  };
  return {
    availability,
    create: async (options = {}) => {
      options.signal?.throwIfAborted();
      if ((await availability()) === 'available') {
        return new LanguageModelSession(hermit, options, options.initialPrompts ?? []);
      }
      throw new DOMException('No model is installed in Hermit.', 'NotSupportedError');
    },
  };
}

export class LanguageModelSession {
  readonly #hermit: PromptingHermit;
  readonly #options: SessionOptions;
  readonly #destroyed = new AbortController();
  #messages: readonly ChatCompletionMessageParam[];

  constructor(
    hermit: PromptingHermit,
    options: SessionOptions,
    messages: readonly ChatCompletionMessageParam[],
  ) {
    this.#hermit = hermit;
    this.#options = options;
    this.#messages = messages;
    options.signal?.addEventListener('abort', () => {
      this.destroy();
    });
  }

  async prompt(input: PromptInput, options: PromptOptions = {}): Promise<string> {
    let answer = '';
    for await (const piece of this.#answer(input, options)) answer += piece;
    return answer;
  }

  promptStreaming(input: PromptInput, options: PromptOptions = {}): ReadableStream<string> {
    const left = new AbortController();
    const signals = options.signal === undefined ? [] : [options.signal];
    const pieces = this.#answer(input, {
      ...options,
      signal: AbortSignal.any([left.signal, ...signals]),
    });
    return new ReadableStream<string>({
      pull: async (controller) => {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => {
        left.abort();
      },
    });
  }

  /** Adds to the conversation without asking for an answer. */
  append(input: PromptInput): Promise<void> {
    this.#requireAlive();
    this.#messages = [...this.#messages, ...messagesOf(input)];
    return Promise.resolve();
  }

  clone(): Promise<LanguageModelSession> {
    this.#requireAlive();
    return Promise.resolve(new LanguageModelSession(this.#hermit, this.#options, this.#messages));
  }

  destroy(): void {
    this.#destroyed.abort();
  }

  async *#answer(
    input: PromptInput,
    { responseConstraint, signal }: PromptOptions,
  ): AsyncGenerator<string, void, void> {
    this.#requireAlive();
    const messages = [...this.#messages, ...messagesOf(input)];
    const { temperature, topK } = this.#options;
    const signals = signal === undefined ? [] : [signal];
    const stream = await this.#hermit.chat.completions.create(
      {
        messages,
        stream: true,
        ...(temperature === undefined ? {} : { temperature }),
        ...(topK === undefined ? {} : { top_k: topK }),
        ...(responseConstraint === undefined
          ? {}
          : {
              response_format: {
                type: 'json_schema' as const,
                json_schema: { name: 'answer', schema: responseConstraint },
              },
            }),
      },
      { signal: AbortSignal.any([this.#destroyed.signal, ...signals]) },
    );
    let answer = '';
    for await (const { choices } of stream) {
      const piece = choices[0]?.delta.content ?? '';
      answer += piece;
      if (piece !== '') yield piece;
    }
    // Only what was answered in whole is remembered.
    this.#messages = [...messages, { role: 'assistant', content: answer }];
  }

  #requireAlive(): void {
    if (this.#destroyed.signal.aborted) throw new AppError('aborted', 'The session was destroyed.');
  }
}

function messagesOf(input: PromptInput): readonly PromptMessage[] {
  return typeof input === 'string' ? [{ role: 'user', content: input }] : input;
}
