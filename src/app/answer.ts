/**
 * One answer: which messages fit, the prompt they make, and the parts of what the model writes.
 */
import { AppError } from '../common/errors.ts';
import { fitToContext } from '../conversation/prompt-budget.ts';
import { AnswerParser, type AnswerPart } from '../conversation/answer-format/answer-parser.ts';
import { thinkingVariables } from '../conversation/thinking-switch.ts';
import type { PromptMessage } from '../conversation/conversation-tree.ts';
import type { ToolDefinition } from '../conversation/tool-definitions.ts';
import { takesTools } from '../conversation/tool-messages.ts';
import type { EngineEvent, LoadedModel } from '../engine/engine.ts';
import type { ActivityView, NoticeCode, Settings } from '../ui/services.ts';
import type { AnsweringModel } from './model-runtime.ts';
import { randomSeed } from './page-api/generation-params.ts';
import type { PromptRenderer, RenderedPrompt } from './prompt-renderer.ts';

export interface AnswerRequest {
  readonly modelId: string;
  readonly model: LoadedModel;
  /** The conversation so far, oldest first, ending with the question. */
  readonly messages: readonly PromptMessage[];
  readonly settings: Settings;
  /** Of which may be kept what the model reads; absent: nothing is. */
  readonly conversation?: string | undefined;
  /** Given to models whose template knows tools; put into words they would confuse the others. */
  readonly tools?: readonly ToolDefinition[];
  /** Tokens of this answer from before it was cut off: they come again as parts, then the rest. */
  readonly written?: readonly number[];
  readonly signal: AbortSignal;
  /** Every token as it is written, those from before too. */
  readonly onToken?: (token: number) => void;
  readonly onActivity: (activity: ActivityView) => void;
  readonly onPart: (part: AnswerPart) => void;
  /** Asked at every token: why its words are less exact than they could be, where they are. */
  readonly reduction: () => NoticeCode | null;
}

export interface Answer {
  readonly end: Extract<EngineEvent, { type: 'done' }>;
  readonly notices: readonly NoticeCode[];
}

/** @throws AppError `engine/*`, `template/refused`, `model-file/invalid-numbers` */
export async function writeAnswer(
  runtime: AnsweringModel,
  prompts: PromptRenderer,
  request: AnswerRequest,
): Promise<Answer> {
  const { modelId, model, settings, signal, onActivity, onPart } = request;
  onActivity({ kind: 'reading-prompt', done: 0, total: 0 });
  const prepared = await preparePrompt(runtime, prompts, request);
  const written = request.written ?? [];
  const notices = new Set<NoticeCode>(prepared.notices);
  const events = runtime.generate(
    {
      prompt: { kind: 'tokens', tokens: prepared.tokens },
      sampling: {
        temperature: settings.temperature,
        topK: settings.topK,
        topP: settings.topP,
        minP: settings.minP,
        seed: settings.seed ?? randomSeed(),
      },
      penalties: { repetitionPenalty: settings.repetitionPenalty },
      maxTokens: Math.min(settings.maxAnswerTokens + written.length, model.contextLength),
      ...(written.length === 0 ? {} : { written }),
      stop: prepared.stop,
      markedTokens: prepared.format.markedTokens,
      ...(request.conversation === undefined ? {} : { conversation: request.conversation }),
    },
    { signal, modelId, urgency: 'high' },
  );
  const parser = new AnswerParser(prepared.format);
  for await (const event of events) {
    switch (event.type) {
      case 'prefill':
        onActivity({ kind: 'reading-prompt', done: event.done, total: event.total });
        break;
      case 'token': {
        const reduction = request.reduction();
        if (reduction !== null) notices.add(reduction);
        request.onToken?.(event.token);
        onActivity({ kind: 'answering' });
        for (const part of parser.push(event.text)) onPart(part);
        break;
      }
      case 'moved':
        if (event.cause === 'planned') break;
        notices.add(event.choice.kind === 'webgpu' ? 'gpu-restarted' : 'gpu-given-up');
        break;
      case 'done':
        for (const part of [...parser.push(event.text), ...parser.finish()]) onPart(part);
        if (event.reason === 'context') notices.add('context-full');
        return { end: event, notices: [...notices] };
      default:
        event satisfies never;
    }
  }
  throw new AppError('internal', 'The answer ended before it was complete.');
}

interface PreparedPrompt extends Pick<RenderedPrompt, 'stop' | 'format'> {
  readonly tokens: readonly number[];
  readonly notices: readonly NoticeCode[];
}

/** Renders and counts; the oldest turns are left out until the rest and an answer fit. */
async function preparePrompt(
  runtime: AnsweringModel,
  prompts: PromptRenderer,
  { model, messages, settings, signal, tools = [], written = [] }: AnswerRequest,
): Promise<PreparedPrompt> {
  const system = settings.systemPrompt.trim();
  const whole: readonly PromptMessage[] =
    system === '' ? messages : [{ role: 'system', content: system }, ...messages];
  const variables = thinkingVariables(model.chatTemplate, settings.thinking);
  const offered = takesTools(model.chatTemplate ?? '') ? tools : [];
  const rendered = new Map<readonly PromptMessage[], RenderedPrompt & { tokens: number[] }>();
  const render = async (
    part: readonly PromptMessage[],
  ): Promise<RenderedPrompt & { tokens: number[] }> => {
    const known = rendered.get(part);
    if (known !== undefined) return known;
    const prompt = await prompts.render(part, { variables, tools: offered });
    const made = { ...prompt, tokens: await runtime.promptTokens(prompt.prompt, signal, 'high') };
    rendered.set(part, made);
    return made;
  };
  const fitting = await fitToContext({
    messages: whole,
    contextTokens: model.contextLength - written.length,
    answerTokens: settings.maxAnswerTokens,
    countTokens: async (part) => (await render(part)).tokens.length,
  });
  const { tokens, stop, format, notices } = await render(fitting.messages);
  return {
    tokens,
    stop,
    format,
    notices:
      fitting.dropped.length === 0 ? notices : [...notices, 'older-messages-dropped' as const],
  };
}
