/** What a chat request asks for, checked. */
import type { GenerationRequest } from '../../engine/engine.ts';
import type { ToolDefinition } from '../../conversation/tool-definitions.ts';
import { AppError } from '../../common/errors.ts';
import { messagesOf, type ChatMessage } from './chat-messages.ts';
import { includesUsage, samplingOf } from './generation-params.ts';
import type { ChatCompletionRequest } from './openai-types.ts';
import {
  invalidField,
  refuseUnsupported,
  requireBoolean,
  requireModel,
  requireRequest,
  requireWhole,
} from './request-checks.ts';
import { templateVariablesOf, toolPlanOf } from './tool-params.ts';

export interface ChatPlan {
  readonly model: string | undefined;
  readonly messages: readonly ChatMessage[];
  readonly generation: Omit<GenerationRequest, 'prompt'>;
  readonly tools: readonly ToolDefinition[];
  /** Whether an answer ends with its first call of a tool. */
  readonly single: boolean;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Answers to write. */
  readonly count: number;
  readonly stream: boolean;
  /** Whether chunks tell the usage: null in all but the last. */
  readonly usage: boolean;
}

/** OpenAI's limit. */
const maxAnswers = 128;

/** @throws AppError `invalid-argument`, `not-supported` naming the field */
export function chatPlanOf(request: ChatCompletionRequest): ChatPlan {
  const fields = requireRequest(request);
  refuseUnsupported(fields, [], ['functions', 'function_call', 'audio', 'prediction']);
  checkResponseFormat(fields['response_format']);
  const { tools, single } = toolPlanOf(fields);
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
