/** The messages of a chat request as chat templates take them. */
import { AppError } from '../../common/errors.ts';
import type { MessageRole } from '../../conversation/conversation-types.ts';
import type { MessageToolCall } from '../../conversation/tool-definitions.ts';
import { invalidField, requireObject, requireText } from './request-checks.ts';

export interface ChatMessage {
  readonly [key: string]: unknown;
  readonly role: MessageRole;
  readonly content: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** `developer` is OpenAI's newer name of the system role; templates know the older one. */
const roles: Readonly<Record<string, MessageRole>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
};

/** @throws AppError `invalid-argument`, `not-supported` naming the field */
export function messagesOf(given: unknown): ChatMessage[] {
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidField('messages', 'a list with at least one message');
  }
  /** Names of the functions by the ids of their calls. */
  const called = new Map<string, string>();
  return given.map((message: unknown, index) => messageOf(message, `messages[${index}]`, called));
}

function messageOf(message: unknown, field: string, called: Map<string, string>): ChatMessage {
  const fields = requireObject(message, field);
  const { role, content } = fields;
  const known = typeof role === 'string' && Object.hasOwn(roles, role) ? roles[role] : undefined;
  if (known === undefined) {
    throw invalidField(`${field}.role`, `one of ${Object.keys(roles).join(', ')}`, role);
  }
  if (known === 'assistant') return assistantMessage(fields, field, called);
  const text = contentOf(content, `${field}.content`);
  if (known !== 'tool') return { role: known, content: text };
  const id = requireText(fields['tool_call_id'], `${field}.tool_call_id`);
  const name = called.get(id);
  if (name === undefined)
    throw invalidField(`${field}.tool_call_id`, 'the id of a call before', id);
  return { role: known, content: text, tool_call_id: id, name };
}

/** Members that are absent stay so: templates ask whether a message has them. */
function assistantMessage(fields: Fields, field: string, called: Map<string, string>): ChatMessage {
  const calls = toolCallsOf(fields['tool_calls'], `${field}.tool_calls`);
  for (const { id, function: target } of calls) called.set(id, target.name);
  const isAbsent = fields['content'] === null || fields['content'] === undefined;
  const reasoning = fields['reasoning_content'] ?? null;
  return {
    role: 'assistant',
    content: isAbsent && calls.length > 0 ? '' : contentOf(fields['content'], `${field}.content`),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(reasoning === null
      ? {}
      : { reasoning_content: requireText(reasoning, `${field}.reasoning_content`) }),
  };
}

function toolCallsOf(given: unknown, field: string): MessageToolCall[] {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given)) throw invalidField(field, 'a list of calls');
  return given.map((call: unknown, index): MessageToolCall => {
    const place = `${field}[${index}]`;
    const { id, type, function: target } = requireObject(call, place);
    if (type !== 'function') throw invalidField(`${place}.type`, '"function"', type);
    const { name, arguments: json } = requireObject(target, `${place}.function`);
    return {
      id: requireText(id, `${place}.id`),
      type,
      function: {
        name: requireText(name, `${place}.function.name`),
        arguments: argumentsOf(json, `${place}.function.arguments`),
      },
    };
  });
}

/** JSON text of an object; models may have written nothing where there are no arguments. */
function argumentsOf(given: unknown, field: string): string {
  const text = requireText(given, field).trim();
  if (text === '') return '{}';
  try {
    requireObject(JSON.parse(text), field);
    return text;
  } catch {
    throw invalidField(field, 'a JSON object as text');
  }
}

function contentOf(content: unknown, field: string): string {
  if (!Array.isArray(content)) return requireText(content, field);
  return content.map((part: unknown, index) => partOf(part, `${field}[${index}]`)).join('');
}

function partOf(part: unknown, field: string): string {
  const { type, text } = requireObject(part, field);
  if (type === 'text') return requireText(text, `${field}.text`);
  throw new AppError('not-supported', `Hermit reads only text: "${field}" is of another type.`, {
    details: { field: `${field}.type` },
  });
}
