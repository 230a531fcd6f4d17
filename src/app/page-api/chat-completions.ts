/** `hermit.chat.completions`: the OpenAI chat completion on the model of this device. */
import { throwIfAborted, untilAborted } from '../../common/abort.ts';
import { AppError } from '../../common/errors.ts';
import { forcedCall, forcedText } from '../../conversation/answer-format/forced-answer.ts';
import type { ToolDefinition } from '../../conversation/tool-definitions.ts';
import type { GrammarSpec } from '../../engine/generation/grammar/json-schema.ts';
import type { GenerationStats } from '../../engine/generation/stats.ts';
import type { AnsweringModel } from '../model-runtime.ts';
import type { PromptRenderer, RenderedPrompt } from '../prompt-renderer.ts';
import type { Turns, Urgency } from '../turns.ts';
import { BROWSER_MODEL, browserChunks, requireSimple } from './browser-model.ts';
import { addedUsage, ChoiceWriter, collectChat, type ChatChoice } from './chat-choices.ts';
import { chatPlanOf, type ChatPlan, type ForcedPlan } from './chat-plan.ts';
import { requirePriority } from './request-checks.ts';
import { createdNow, responseId, usageOf } from './generation-params.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Usage,
} from '../../common/openai-types.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /**
   * Among the requests of scripts that wait, but for the next one, which is prepared already. The
   * person's own chat goes before all of them.
   */
  readonly priority?: Urgency;
}

export interface CompletionDependencies {
  readonly runtime: AnsweringModel;
  readonly prompts: PromptRenderer;
  /** Makes the named model the loaded one; resolves with the id of the model that answers. */
  readonly ensureModel: (id: string | undefined) => Promise<string>;
  /** Requests of scripts, one after the other: each may want another model. */
  readonly turns: Turns;
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
   * Refuses a bad request at once; a stream begins to work, and tells of other failures, when it is
   * iterated over.
   * @throws AppError `invalid-argument`, `not-supported`, `engine/not-loaded`, `store/not-found`,
   * `template/refused`, `engine/context-overflow`, `engine/busy`, `aborted` and what loading a model throws
   */
  async create(
    request: ChatCompletionRequest,
    { signal, priority }: CallOptions = {},
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const plan = chatPlanOf(request);
    throwIfAborted(signal);
    const urgency = requirePriority(priority);
    const own = plan.model === BROWSER_MODEL;
    if (own) requireSimple(request, plan);
    const chunks = own ? browserChunks(plan, request, signal) : this.#chunks(plan, signal, urgency);
    return plan.stream ? chunks : collectChat(chunks);
  }

  async *#chunks(
    plan: ChatPlan,
    signal: AbortSignal | undefined,
    priority: Urgency,
  ): AsyncGenerator<ChatCompletionChunk> {
    const finish = await this.#dependencies.turns.take(signal, priority);
    try {
      yield* this.#answers(plan, signal, finish);
    } finally {
      finish();
    }
  }

  /** Calls `begun` once the model is at work on its last answer, which is before its first chunk. */
  async *#answers(
    plan: ChatPlan,
    signal: AbortSignal | undefined,
    begun: () => void,
  ): AsyncGenerator<ChatCompletionChunk> {
    const { prompts, ensureModel } = this.#dependencies;
    const model = await untilAborted(ensureModel(plan.model), signal);
    const { tools, variables, forced } = plan;
    const options = { tools, variables, straightAnswer: forced !== null };
    const rendered = await untilAborted(prompts.render(plan.messages, options), signal);
    const prompt = forced === null ? rendered : forcedPrompt(rendered, forced, tools);
    const shared = {
      id: responseId('chatcmpl'),
      object: 'chat.completion.chunk' as const,
      created: createdNow(),
      model,
    };
    let usage: Usage | null = null;
    for (let index = 0; index < plan.count; index++) {
      const last = index === plan.count - 1;
      const choices = this.#choices(plan, model, prompt, index, signal, last ? begun : ignored);
      for await (const event of choices) {
        if ('stats' in event) usage = addedUsage(usage, usageOf(event.stats));
        else yield { ...shared, choices: [event], ...(plan.usage ? { usage: null } : {}) };
      }
    }
    if (plan.usage && usage !== null) yield { ...shared, choices: [], usage };
  }

  /** One answer as the choices of its chunks, and its statistics at the end. */
  async *#choices(
    { generation, single }: ChatPlan,
    modelId: string,
    { prompt, stop, format, grammar }: AnswerPrompt,
    index: number,
    signal: AbortSignal | undefined,
    begun: () => void,
  ): AsyncGenerator<ChatChoice | { readonly stats: GenerationStats }> {
    const writer = new ChoiceWriter(index, format);
    const enough = new AbortController();
    const signals = signal === undefined ? [enough.signal] : [enough.signal, signal];
    const { sampling } = generation;
    const events = this.#dependencies.runtime.generate(
      {
        ...generation,
        // Each answer is another one, and all of them are the same again with the same seed.
        sampling: { ...sampling, seed: sampling.seed + index },
        prompt,
        stop: [...generation.stop, ...stop],
        markedTokens: format.markedTokens,
        ...(grammar === undefined ? {} : { grammar }),
      },
      { modelId, signal: AbortSignal.any(signals) },
    );
    let first = true;
    for await (const event of events) {
      // From here on the runtime keeps the order; a script need not read its stream to the end.
      begun();
      if (first) yield writer.first();
      first = false;
      if (event.type === 'token' && !enough.signal.aborted) {
        yield* writer.token(event.text, event.report);
        if (single && writer.calls > 0) enough.abort();
      } else if (event.type === 'done') {
        const aborted = event.reason === 'aborted';
        if (aborted && !enough.signal.aborted) {
          throw new AppError('aborted', 'The operation was stopped.');
        }
        yield* writer.finish(aborted ? '' : event.text, aborted ? 'stop' : event.reason);
        yield { stats: event.stats };
      }
    }
  }
}

type AnswerPrompt = RenderedPrompt & { readonly grammar?: GrammarSpec };

/** The prompt with the beginning of the answer, and the grammar of the rest. */
function forcedPrompt(
  rendered: RenderedPrompt,
  forced: ForcedPlan,
  tools: readonly ToolDefinition[],
): AnswerPrompt {
  const { prompt, format } = rendered;
  const {
    beginning,
    choices,
    format: begun,
  } = forced.kind === 'call'
    ? forcedCall(format, tools)
    : forcedText(format, [{ before: '', schema: forced.schema, after: '' }]);
  const whole = prompt.kind === 'text' ? { ...prompt, text: prompt.text + beginning } : prompt;
  return { ...rendered, prompt: whole, format: begun, grammar: choices };
}

const ignored = (): void => undefined;
