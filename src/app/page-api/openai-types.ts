/**
 * The request and response shapes of the OpenAI API that the page API speaks, as far as Hermit
 * honours them (https://platform.openai.com/docs/api-reference: chat and completions).
 */

export interface ChatCompletionMessageParam {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly { readonly type: 'text'; readonly text: string }[];
}

export interface SamplingParams {
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  /** Not OpenAI's: the names llama.cpp and vLLM servers use. */
  readonly top_k?: number | null;
  readonly min_p?: number | null;
  readonly repetition_penalty?: number | null;
  readonly frequency_penalty?: number | null;
  readonly presence_penalty?: number | null;
  readonly logit_bias?: Readonly<Record<string, number>> | null;
  readonly seed?: number | null;
  readonly stop?: string | readonly string[] | null;
}

export interface ChatCompletionRequest extends SamplingParams {
  /** Id of an installed model; the loaded one when absent. */
  readonly model?: string;
  readonly messages: readonly ChatCompletionMessageParam[];
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
}

export type FinishReason = 'stop' | 'length';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export interface TokenLogprob {
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
  readonly top_logprobs: readonly {
    readonly token: string;
    readonly bytes: readonly number[];
    readonly logprob: number;
  }[];
}

export interface ChatLogprobs {
  readonly content: readonly TokenLogprob[];
  readonly refusal: null;
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly message: {
        readonly role: 'assistant';
        readonly content: string;
        readonly refusal: null;
      };
      readonly logprobs: ChatLogprobs | null;
      readonly finish_reason: FinishReason;
    },
  ];
  readonly usage: Usage;
}

export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: {
      readonly role?: 'assistant';
      readonly content?: string;
      readonly refusal?: null;
    };
    readonly logprobs: ChatLogprobs | null;
    readonly finish_reason: FinishReason | null;
  }[];
  /** Only with `include_usage`: null in all chunks but the last, which has no choices. */
  readonly usage?: Usage | null;
}

export interface CompletionRequest extends SamplingParams {
  readonly model?: string;
  readonly prompt: string | readonly number[] | readonly [string] | readonly [readonly number[]];
  readonly max_tokens?: number | null;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  /** Give the prompt back before the answer, with its log probabilities when `logprobs` is set. */
  readonly echo?: boolean | null;
  /** How many of the likeliest tokens to list at each place, besides the chosen one. */
  readonly logprobs?: number | null;
}

export interface CompletionLogprobs {
  readonly tokens: readonly string[];
  /** Null for the first token of the text: nothing comes before it. */
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
  /** Where each token begins in the `text` of the choice, in UTF-16 units. */
  readonly text_offset: readonly number[];
}

export interface Completion {
  readonly id: string;
  readonly object: 'text_completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: 0;
    readonly text: string;
    /** Not OpenAI's: the ids behind the text. */
    readonly token_ids: readonly number[];
    readonly logprobs: CompletionLogprobs | null;
    readonly finish_reason: FinishReason | null;
  }[];
  readonly usage?: Usage | null;
}
