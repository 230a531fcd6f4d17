/** What a chat request asks for, checked. */
import type { GenerationRequest } from '../../engine/engine.ts';
import type { JsonSchema } from '../../engine/generation/grammar/json-schema.ts';
import type { ToolDefinition } from '../../conversation/tool-definitions.ts';
import { AppError } from '../../common/errors.ts';
import { messagesOf, type ChatMessage } from './chat-messages.ts';
import { includesUsage, samplingOf } from './generation-params.ts';
import type { ChatCompletionRequest } from '../../common/openai-types.ts';
import {
  invalidField,
  refuseUnsupported,
  requireBoolean,
  requireModel,
  requireObject,
  requireRequest,
  requireWhole,
} from './request-checks.ts';
import { plainData, templateVariablesOf, toolPlanOf } from './tool-params.ts';

export interface ChatPlan {
  readonly model: string | undefined;
  readonly messages: readonly ChatMessage[];
  readonly generation: Omit<GenerationRequest, 'prompt'>;
  readonly tools: readonly ToolDefinition[];
  /** Whether an answer ends with its first call of a tool. */
  readonly single: boolean;
  readonly variables: Readonly<Record<string, unknown>>;
  /** What the answer must be; null: whatever the model makes of it. */
  readonly forced: ForcedPlan | null;
  /** Answers to write. */
  readonly count: number;
  readonly stream: boolean;
  /** Whether chunks tell the usage: null in all but the last. */
  readonly usage: boolean;
}

export type ForcedPlan =
  { readonly kind: 'call' } | { readonly kind: 'json'; readonly schema: JsonSchema };

/** OpenAI's limit. */
const maxAnswers = 128;

/** @throws AppError `invalid-argument`, `not-supported` naming the field */
export function chatPlanOf(request: ChatCompletionRequest): ChatPlan {
  const fields = requireRequest(request);
  refuseUnsupported(fields, [], ['functions', 'function_call', 'audio', 'prediction']);
  const { tools, choice, single } = toolPlanOf(fields);
  const schema = responseSchemaOf(fields['response_format']);
  if (schema !== null && tools.length > 0) {
    throw notSupported('response_format', 'An answer of a form cannot call tools');
  }
  const maxTokens =
    requireWhole(request.max_completion_tokens, 'max_completion_tokens', 1, 1e9) ??
    requireWhole(request.max_tokens, 'max_tokens', 1, 1e9);
  const topLogprobs = topLogprobsOf(request);
  const stream = requireBoolean(request.stream, 'stream');
  return {
    model: requireModel(request.model),
    messages: messagesOf(request.messages),
    tools,
    single,
    forced: choice === 'required' ? { kind: 'call' } : schema,
    variables: templateVariablesOf(request.chat_template_kwargs),
    count: requireWhole(request.n, 'n', 1, maxAnswers) ?? 1,
    generation: {
      ...samplingOf(request),
      maxTokens: maxTokens ?? Number.MAX_SAFE_INTEGER,
      ...(topLogprobs === undefined ? {} : { topLogprobs }),
    },
    stream,
    usage: !stream || includesUsage(request.stream_options),
  };
}

function responseSchemaOf(given: unknown): Extract<ForcedPlan, { kind: 'json' }> | null {
  if (given === null || given === undefined) return null;
  const format = requireObject(given, 'response_format');
  switch (format['type']) {
    case 'text':
      return null;
    case 'json_object':
      return { kind: 'json', schema: { type: 'object' } };
    case 'json_schema': {
      const named = requireObject(format['json_schema'], 'response_format.json_schema');
      const schema = requireObject(named['schema'], 'response_format.json_schema.schema');
      return { kind: 'json', schema: plainData(schema) };
    }
    default:
      throw notSupported('response_format', 'Hermit knows text, json_object and json_schema');
  }
}

function notSupported(field: string, reason: string): AppError {
  return new AppError('not-supported', `${reason}: change "${field}".`, { details: { field } });
}

function topLogprobsOf(request: ChatCompletionRequest): number | undefined {
  const top = requireWhole(request.top_logprobs, 'top_logprobs', 0, 20);
  const wanted = requireBoolean(request.logprobs, 'logprobs');
  if (top !== undefined && !wanted) {
    throw invalidField('top_logprobs', 'left out unless "logprobs" is true', top);
  }
  return wanted ? (top ?? 0) : undefined;
}
