/** Answers in OpenAI's shapes: the choices of chunks, and chunks gathered into one response. */
import { AppError } from '../../common/errors.ts';
import type { AnswerFormat } from '../../conversation/answer-format/answer-format.ts';
import { AnswerParser, type AnswerPart } from '../../conversation/answer-format/answer-parser.ts';
import { newCallId } from '../../conversation/tool-definitions.ts';
import type { TokenReport } from '../../engine/engine.ts';
import type { FinishReason as EngineFinishReason } from '../../engine/generation/session.ts';
import { finishReasonOf, logprobOf } from './generation-params.ts';
import type {
  ChatCompletion,
  ChatCompletionChoice,
  ChatCompletionChunk,
  ChatCompletionDelta,
  ChatToolCall,
  FinishReason,
  TokenLogprob,
  Usage,
} from '../../common/openai-types.ts';

export type ChatChoice = ChatCompletionChunk['choices'][number];

/** Takes one answer apart and says it in deltas. */
export class ChoiceWriter {
  readonly #index: number;
  readonly #parser: AnswerParser;
  #calls = 0;

  constructor(index: number, format: AnswerFormat) {
    this.#index = index;
    this.#parser = new AnswerParser(format);
  }

  /** Complete calls of tools so far. */
  get calls(): number {
    return this.#calls;
  }

  first(): ChatChoice {
    return this.#choice({ role: 'assistant', content: '', refusal: null });
  }

  /** A token may say nothing yet, or settle several things at once. */
  *token(text: string, report: TokenReport | undefined): Generator<ChatChoice> {
    const deltas = this.#parser.push(text).flatMap((part) => this.#deltas(part));
    const logprobs = report === undefined ? null : { content: [logprobOf(report)], refusal: null };
    if (deltas.length === 0 && logprobs !== null) deltas.push({ content: '' });
    for (const [at, delta] of deltas.entries()) {
      yield { ...this.#choice(delta), logprobs: at === 0 ? logprobs : null };
    }
  }

  *finish(text: string, reason: EngineFinishReason): Generator<ChatChoice> {
    const parts = [...this.#parser.push(text), ...this.#parser.finish()];
    for (const delta of parts.flatMap((part) => this.#deltas(part))) yield this.#choice(delta);
    const called = this.#calls > 0 && reason === 'stop';
    const finish_reason = called ? 'tool_calls' : finishReasonOf(reason);
    yield { ...this.#choice({}), finish_reason };
  }

  #deltas(part: AnswerPart): ChatCompletionDelta[] {
    switch (part.kind) {
      case 'text':
        return [{ content: part.text }];
      case 'reasoning':
        return [{ reasoning_content: part.text }];
      case 'tool-call': {
        const { name, arguments: json } = part.call;
        const index = this.#calls++;
        const begun = { index, id: newCallId(), type: 'function' as const };
        return [
          { tool_calls: [{ ...begun, function: { name, arguments: '' } }] },
          { tool_calls: [{ index, function: { arguments: json } }] },
        ];
      }
      default:
        return part satisfies never;
    }
  }

  #choice(delta: ChatCompletionDelta): ChatChoice {
    return { index: this.#index, delta, logprobs: null, finish_reason: null };
  }
}

/** The usage of several answers to one prompt, which is counted once. */
export function addedUsage(sum: Usage | null, usage: Usage): Usage {
  if (sum === null) return usage;
  const completion_tokens = sum.completion_tokens + usage.completion_tokens;
  return { ...sum, completion_tokens, total_tokens: sum.prompt_tokens + completion_tokens };
}

/** One choice, gathered from its deltas. */
class Gathered {
  content = '';
  reasoning = '';
  finishReason: FinishReason = 'stop';
  readonly calls: { id: string; name: string; arguments: string }[] = [];
  logprobs: TokenLogprob[] | null = null;

  add({ delta, logprobs, finish_reason }: ChatChoice): void {
    this.content += delta.content ?? '';
    this.reasoning += delta.reasoning_content ?? '';
    this.finishReason = finish_reason ?? this.finishReason;
    if (logprobs !== null) (this.logprobs ??= []).push(...logprobs.content);
    for (const { index, id = '', function: called } of delta.tool_calls ?? []) {
      const call = (this.calls[index] ??= { id, name: called.name ?? '', arguments: '' });
      call.arguments += called.arguments;
    }
  }

  choice(index: number): ChatCompletionChoice {
    const { content, reasoning, calls, logprobs, finishReason } = this;
    const tool_calls = calls.map(({ id, name, arguments: json }): ChatToolCall => ({
      id,
      type: 'function',
      function: { name, arguments: json },
    }));
    return {
      index,
      message: {
        role: 'assistant',
        content: content === '' && calls.length > 0 ? null : content,
        refusal: null,
        ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
        ...(calls.length === 0 ? {} : { tool_calls }),
      },
      logprobs: logprobs === null ? null : { content: logprobs, refusal: null },
      finish_reason: finishReason,
    };
  }
}

export async function collectChat(
  chunks: AsyncIterable<ChatCompletionChunk>,
): Promise<ChatCompletion> {
  const gathered: Gathered[] = [];
  let usage: Usage | null = null;
  let header: ChatCompletionChunk | null = null;
  for await (const chunk of chunks) {
    header ??= chunk;
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) (gathered[choice.index] ??= new Gathered()).add(choice);
  }
  const [first, ...others] = gathered.map((each, index) => each.choice(index));
  if (header === null || first === undefined || usage === null) {
    throw new AppError('internal', 'The answer ended before it began.');
  }
  const { id, created, model } = header;
  return { id, object: 'chat.completion', created, model, choices: [first, ...others], usage };
}
