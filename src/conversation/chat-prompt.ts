/**
 * From messages to prompt text, with the documented ways out when a template does not play along:
 *
 * 1. The file has no template, or it is broken, or it runs too long: the default template.
 * 2. The template refuses a conversation with a system message (Gemma 2: "System role not
 *    supported"): the system text is put before the first user message and the template is asked again.
 * 3. It still refuses: its own words reach the user.
 *
 * Every way out leaves a notice.
 */
import { hasCode } from '../common/errors.ts';
import type { ChatTemplateRequest, TemplateMessage } from './chat-template.ts';
import { chooseDefaultTemplate } from './default-templates.ts';
import type { TemplateHints } from './default-templates.ts';
import { shieldMessages } from './shield-content.ts';

export type PromptNotice = 'default-template' | 'template-refused-system';

export interface ChatPromptRequest extends Omit<ChatTemplateRequest, 'template'> {
  /** The file's own template, or null. */
  readonly template: string | null;
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
}

/** Renders an untrusted template somewhere safe: a disposable worker with a deadline. */
export type RenderTemplate = (request: ChatTemplateRequest) => Promise<{ readonly text: string }>;

/**
 * @throws AppError `template/refused` when the template does not take the conversation, and whatever
 * else `render` throws; `template/broken` and `template/deadline` only when it cannot render the default
 */
export async function createChatPrompt(
  request: ChatPromptRequest,
  render: RenderTemplate,
): Promise<ChatPrompt> {
  const { template, hints, specialSpellings, ...rest } = request;
  const messages = shieldMessages(request.messages, specialSpellings);
  if (template !== null) {
    try {
      return await renderOwn({ ...rest, template, messages }, render);
    } catch (error) {
      if (!hasCode(error, 'template/broken', 'template/deadline')) throw error;
    }
  }
  const chosen = chooseDefaultTemplate(hints);
  const texts = messages.map((message) => ({ ...message, content: message.content ?? '' }));
  const { text } = await render({ ...rest, template: chosen.template, messages: texts });
  return { text, stop: chosen.stop, notices: ['default-template'] };
}

async function renderOwn(
  request: ChatTemplateRequest,
  render: RenderTemplate,
): Promise<ChatPrompt> {
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
