/**
 * From messages to prompt text, with the documented ways out when a template does not play along:
 *
 * 1. The file has no template, or it is broken, or it runs too long: the default template.
 * 2. The template refuses a conversation with a system message (Gemma 2: "System role not
 *    supported"): the system text is put before the first user message and the template is asked again.
 * 3. The template refuses several calls of tools in one message (Llama 3.1): they become so many
 *    messages. It knows nothing of tools, or refuses them still: they are put into words.
 * 4. It still refuses: its own words reach the user.
 *
 * Every way out but the split of calls, which loses nothing, leaves a notice.
 */
import { hasCode } from '../common/errors.ts';
import { describeAnswerFormat, type AnswerFormat } from './answer-format/answer-format.ts';
import type { ChatTemplateRequest, TemplateMessage } from './chat-template.ts';
import { chooseDefaultTemplate } from './default-templates.ts';
import type { TemplateHints } from './default-templates.ts';
import { shieldMessages, shieldTools, shieldVariables } from './shield-content.ts';
import type { ToolDefinition } from './tool-definitions.ts';
import {
  hasToolMessages,
  oneCallEach,
  readToolMessages,
  takesTools,
  toolMessageForms,
  toolsInWords,
} from './tool-messages.ts';

export type PromptNotice = 'default-template' | 'template-refused-system' | 'tools-in-words';

export interface ChatPromptRequest extends Omit<ChatTemplateRequest, 'template' | 'tools'> {
  /** The file's own template, or null. */
  readonly template: string | null;
  readonly tools?: readonly ToolDefinition[];
  readonly hints: TemplateHints;
  /** Spellings of all control and user-defined tokens of the vocabulary. */
  readonly specialSpellings: readonly string[];
}

export interface ChatPrompt {
  /** To be encoded with special tokens parsed and without added boundaries. */
  readonly text: string;
  /** Texts that end the answer, besides the vocabulary's ends of generation. */
  readonly stop: readonly string[];
  readonly notices: readonly PromptNotice[];
  /** How to take the answer apart. */
  readonly format: AnswerFormat;
}

/** Renders an untrusted template somewhere safe: a disposable worker with a deadline. */
export type RenderTemplate = (request: ChatTemplateRequest) => Promise<{ readonly text: string }>;

type Rendered = Omit<ChatPrompt, 'format'>;
type OwnRequest = ChatTemplateRequest & { readonly tools: readonly ToolDefinition[] };

/**
 * @throws AppError `template/refused` when the template does not take the conversation, and whatever
 * else `render` throws; `template/broken` and `template/deadline` only when it cannot render the default
 */
export async function createChatPrompt(
  request: ChatPromptRequest,
  render: RenderTemplate,
): Promise<ChatPrompt> {
  const { template, hints, specialSpellings, ...rest } = request;
  const messages = shieldMessages(readToolMessages(request.messages), specialSpellings);
  const tools = shieldTools(request.tools ?? [], specialSpellings);
  const extra = shieldVariables(request.extra ?? {}, specialSpellings);
  const finished = (rendered: Rendered, used: string | null): ChatPrompt => ({
    ...rendered,
    format: describeAnswerFormat({
      template: used,
      specialSpellings,
      promptText: rendered.text,
      toolNames: tools.map((tool) => tool.function.name),
      toolsInWords: rendered.notices.includes('tools-in-words'),
    }),
  });
  if (template !== null) {
    try {
      const own = { ...rest, extra, template, messages, tools };
      return finished(await renderWithTools(own, render), template);
    } catch (error) {
      if (!hasCode(error, 'template/broken', 'template/deadline')) throw error;
    }
  }
  const { template: chosen, stop } = chooseDefaultTemplate(hints);
  const usesTools = tools.length > 0 || hasToolMessages(messages);
  const words = usesTools ? toolsInWords(messages, tools) : messages;
  const texts = words.map((message) => ({ ...message, content: message.content ?? '' }));
  const { text } = await render({ ...rest, extra, tools: null, template: chosen, messages: texts });
  const notices: PromptNotice[] = ['default-template', ...(usesTools ? [inWords] : [])];
  return finished({ text, stop, notices }, null);
}

const inWords = 'tools-in-words' as const;

async function renderWithTools(request: OwnRequest, render: RenderTemplate): Promise<Rendered> {
  const { template, messages, tools } = request;
  const usesTools = tools.length > 0 || hasToolMessages(messages);
  if (!usesTools) return renderOwn({ ...request, tools: null }, render);
  let refusal: unknown = null;
  if (takesTools(template)) {
    try {
      return await renderToolForms(request, render);
    } catch (error) {
      if (!hasCode(error, 'template/refused', 'template/broken')) throw error;
      refusal = error;
    }
  }
  const words = toolsInWords(messages, tools);
  try {
    const rendered = await renderOwn({ ...request, messages: words, tools: null }, render);
    return { ...rendered, notices: [...rendered.notices, inWords] };
  } catch (error) {
    throw hasCode(refusal, 'template/refused') ? refusal : error;
  }
}

/** The first form that the template takes; see `toolMessageForms`. */
async function renderToolForms(request: OwnRequest, render: RenderTemplate): Promise<Rendered> {
  const { template, messages, tools } = request;
  const single = oneCallEach(messages);
  const sent = { ...request, tools: tools.length === 0 ? null : tools };
  let failure: unknown = null;
  for (const form of toolMessageForms(template, messages)) {
    try {
      return await renderOwn({ ...sent, messages: form }, render);
    } catch (error) {
      failure = error;
      if (hasCode(error, 'template/refused')) break;
      if (!hasCode(error, 'template/broken')) throw error;
    }
  }
  if (single === null || !hasCode(failure, 'template/refused')) throw failure;
  return renderToolForms({ ...request, messages: single }, render);
}

async function renderOwn(request: ChatTemplateRequest, render: RenderTemplate): Promise<Rendered> {
  try {
    return { ...(await render(request)), stop: [], notices: [] };
  } catch (error) {
    const folded = foldSystemMessages(request.messages);
    if (!hasCode(error, 'template/refused') || folded === null) throw error;
    const { text } = await render({ ...request, messages: folded });
    return { text, stop: [], notices: ['template-refused-system'] };
  }
}

/** The messages with the system text before the first user message; null when there is nothing to fold. */
export function foldSystemMessages(messages: readonly TemplateMessage[]): TemplateMessage[] | null {
  const system = messages.filter((message) => message.role === 'system');
  const others = messages.filter((message) => message.role !== 'system');
  const first = others.findIndex((message) => message.role === 'user');
  const user = others[first];
  if (system.length === 0 || user === undefined) return null;
  const content = [...system, user]
    .map((message) => message.content ?? '')
    .filter((text) => text !== '')
    .join('\n\n');
  return others.with(first, { ...user, content });
}
