/**
 * The request and response shapes of the OpenAI API that the page API speaks, as far as Hermit
 * honours them (https://platform.openai.com/docs/api-reference: chat and completions).
 */

export interface ChatCompletionMessageParam {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  /** Only a message that calls tools may do without. */
  readonly content?: string | readonly { readonly type: 'text'; readonly text: string }[] | null;
  /** Of an assistant. */
  readonly tool_calls?: readonly ChatToolCall[] | null;
  /** Of an assistant; not OpenAI's. Reaches templates that want the reasoning of this turn back. */
  readonly reasoning_content?: string | null;
  /** Of a tool: which call this is the result of. */
  readonly tool_call_id?: string;
  readonly refusal?: string | null;
}

export interface ChatToolCall {
  readonly id: string;
  readonly type: 'function';
  /** `arguments` is JSON text, always of an object. */
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface ChatTool {
  readonly type: 'function';
  readonly function: {
    /** Letters, digits, "_" and "-", 64 at most. */
    readonly name: string;
    readonly description?: string | null;
    /** A JSON schema of an object; no arguments when absent. */
    readonly parameters?: Readonly<Record<string, unknown>> | null;
    /** Accepted: forced calls always follow the schema. */
    readonly strict?: boolean | null;
  };
}

export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema';
      readonly json_schema: {
        readonly name?: string;
        readonly description?: string;
        readonly schema: Readonly<Record<string, unknown>>;
        readonly strict?: boolean | null;
      };
    };

export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } };

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
  /** How many answers to write, one after the other. */
  readonly n?: number | null;
  /** Answers that are JSON are bounded by a grammar while they are written. */
  readonly response_format?: ResponseFormat | null;
  readonly tools?: readonly ChatTool[] | null;
  readonly tool_choice?: ToolChoice | null;
  /** False: the answer ends with its first call. */
  readonly parallel_tool_calls?: boolean | null;
  /** Not OpenAI's, the name is vLLM's: variables of the chat template, such as `enable_thinking`. */
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>> | null;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls';

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

export interface ChatCompletionChoice {
  readonly index: number;
  readonly message: {
    readonly role: 'assistant';
    /** Null when the answer is calls of tools alone. */
    readonly content: string | null;
    readonly refusal: null;
    /** What the model thought before it answered; absent when it did not. */
    readonly reasoning_content?: string;
    readonly tool_calls?: readonly ChatToolCall[];
  };
  readonly logprobs: ChatLogprobs | null;
  readonly finish_reason: FinishReason;
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [ChatCompletionChoice, ...ChatCompletionChoice[]];
  readonly usage: Usage;
}

export interface ChatCompletionDelta {
  readonly role?: 'assistant';
  readonly content?: string;
  readonly refusal?: null;
  readonly reasoning_content?: string;
  /** Name and id come first, the arguments once they are complete and valid. */
  readonly tool_calls?: readonly {
    readonly index: number;
    readonly id?: string;
    readonly type?: 'function';
    readonly function: { readonly name?: string; readonly arguments: string };
  }[];
}

export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: ChatCompletionDelta;
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

export interface EmbeddingRequest {
  /** Id of an installed embedding model; the loaded or the only one when absent. */
  readonly model?: string | null;
  /** A text, token ids (taken as they are), or a list of either. */
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** `base64`: the numbers as float32, little-endian. Default `float`. */
  readonly encoding_format?: 'float' | 'base64' | null;
  /** Only so many of the first numbers, for models that were trained for it. */
  readonly dimensions?: number | null;
  readonly user?: string;
}

export interface EmbeddingResponse {
  readonly object: 'list';
  readonly data: readonly {
    readonly object: 'embedding';
    readonly index: number;
    readonly embedding: readonly number[] | string;
  }[];
  readonly model: string;
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number };
}
