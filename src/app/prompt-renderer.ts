/**
 * Messages to the prompt of the loaded model: its own template in a disposable sandbox, special
 * spellings of users' text shielded, a documented default where the file's template is no use.
 */
import { AppError } from '../common/errors.ts';
import { createChatPrompt, type PromptNotice } from '../conversation/chat-prompt.ts';
import type { AnswerFormat } from '../conversation/answer-format/answer-format.ts';
import type { TemplateMessage } from '../conversation/chat-template.ts';
import { thinkingVariables } from '../conversation/thinking-switch.ts';
import type { ToolDefinition } from '../conversation/tool-definitions.ts';
import type { EnginePrompt } from '../engine/engine.ts';
import type { SandboxApi } from '../rpc/contracts.ts';
import { useOnce } from '../rpc/worker-owner.ts';
import type { AnsweringModel } from './model-runtime.ts';

export interface RenderedPrompt {
  readonly prompt: EnginePrompt;
  /** Texts that end the answer besides the vocabulary's own ends. */
  readonly stop: readonly string[];
  readonly notices: readonly PromptNotice[];
  /** How to take the answer apart; its marked tokens are for the engine. */
  readonly format: AnswerFormat;
}

export interface PromptOptions {
  readonly tools?: readonly ToolDefinition[];
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Asks the template for an answer without reasoning, where it can be asked. */
  readonly straightAnswer?: boolean;
}

/** Templates of published models render in milliseconds; two seconds is a template that never ends. */
const TEMPLATE_DEADLINE_MS = 2000;

export class PromptRenderer {
  readonly #runtime: AnsweringModel;
  readonly #createSandbox: () => Worker;

  constructor(runtime: AnsweringModel, createSandbox: () => Worker) {
    this.#runtime = runtime;
    this.#createSandbox = createSandbox;
  }

  /** @throws AppError `engine/not-loaded`, `template/refused` */
  async render(
    messages: readonly TemplateMessage[],
    { tools = [], variables = {}, straightAnswer = false }: PromptOptions = {},
  ): Promise<RenderedPrompt> {
    const model = await this.#runtime.need();
    const straight = straightAnswer ? thinkingVariables(model.chatTemplate, false) : {};
    const { architecture, name } = model.info;
    const spellings = new Set(model.specialSpellings);
    const { text, ...rest } = await createChatPrompt(
      {
        template: model.chatTemplate,
        messages,
        tools,
        extra: { ...straight, ...variables },
        specialSpellings: model.specialSpellings,
        hints: { architecture, name, hasToken: (spelling) => spellings.has(spelling) },
        addGenerationPrompt: true,
        bosToken: model.bosToken,
        eosToken: model.eosToken,
      },
      (request) =>
        useOnce<SandboxApi, { readonly text: string }>(
          { name: 'template', create: this.#createSandbox, deadlineMs: TEMPLATE_DEADLINE_MS },
          () =>
            new AppError('template/deadline', "The model's chat template takes too long.", {
              details: { deadlineMs: TEMPLATE_DEADLINE_MS },
            }),
          (sandbox) => sandbox.renderTemplate(request),
        ),
    );
    return { prompt: { kind: 'text', text, special: true }, ...rest };
  }
}
