/** The messages of a chat request as chat templates take them. */
import { AppError } from '../../common/errors.ts';
import type { MessageRole } from '../../conversation/conversation-types.ts';
import { invalidField, requireText } from './request-checks.ts';

export interface ChatMessage {
  readonly [key: string]: unknown;
  readonly role: MessageRole;
  readonly content: string;
}

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
  return given.map((message: unknown, index) => messageOf(message, `messages[${index}]`));
}

function messageOf(message: unknown, field: string): ChatMessage {
  if (typeof message !== 'object' || message === null) throw invalidField(field, 'an object');
  const { role, content } = message as Readonly<Record<string, unknown>>;
  const known = typeof role === 'string' && Object.hasOwn(roles, role) ? roles[role] : undefined;
  if (known === undefined) {
    throw invalidField(`${field}.role`, `one of ${Object.keys(roles).join(', ')}`, role);
  }
  return { role: known, content: contentOf(content, `${field}.content`) };
}

function contentOf(content: unknown, field: string): string {
  if (!Array.isArray(content)) return requireText(content, field);
  return content.map((part: unknown, index) => partOf(part, `${field}[${index}]`)).join('');
}

function partOf(part: unknown, field: string): string {
  if (typeof part !== 'object' || part === null) throw invalidField(field, 'an object');
  const { type, text } = part as Readonly<Record<string, unknown>>;
  if (type === 'text') return requireText(text, `${field}.text`);
  throw new AppError('not-supported', `Hermit reads only text: "${field}" is of another type.`, {
    details: { field: `${field}.type` },
  });
}
