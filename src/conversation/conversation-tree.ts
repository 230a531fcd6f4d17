/** Pure functions over a conversation: each returns a new one and leaves its argument as it was. */
import { AppError } from '../common/errors.ts';
import type { Conversation, Message, MessageCall, MessageRole } from './conversation-types.ts';
import type { MessageToolCall } from './tool-definitions.ts';

export function createConversation(id: string, title: string, now: number): Conversation {
  return {
    id,
    title,
    createdAt: now,
    updatedAt: now,
    activeLeafId: null,
    nextSequence: 0,
    messages: new Map(),
  };
}

export interface NewMessage {
  readonly id: string;
  readonly parentId: string | null;
  readonly role: MessageRole;
  readonly text: string;
  readonly createdAt: number;
  readonly status?: Message['status'];
  readonly modelId?: string | null;
  readonly modelName?: string | null;
  readonly callId?: string | null;
}

/**
 * The conversation with one message more, which becomes the end of the shown path. A parent that
 * has children already gives the new message siblings: that is how answers are regenerated and
 * questions edited.
 * @throws AppError `invalid-argument` for an unknown parent or an id in use
 */
export function addMessage(conversation: Conversation, message: NewMessage): Conversation {
  if (message.parentId !== null) getMessage(conversation, message.parentId);
  if (conversation.messages.has(message.id)) {
    throw new AppError('invalid-argument', 'A message with this id exists already.');
  }
  const added: Message = {
    id: message.id,
    parentId: message.parentId,
    sequence: conversation.nextSequence,
    role: message.role,
    text: message.text,
    reasoning: null,
    calls: [],
    callId: message.callId ?? null,
    createdAt: message.createdAt,
    status: message.status ?? 'complete',
    modelId: message.modelId ?? null,
    modelName: message.modelName ?? null,
    stats: null,
    finishReason: null,
    error: null,
    notices: [],
  };
  return {
    ...conversation,
    messages: new Map(conversation.messages).set(added.id, added),
    activeLeafId: added.id,
    nextSequence: conversation.nextSequence + 1,
    updatedAt: Math.max(conversation.updatedAt, message.createdAt),
  };
}

export type MessageChange = Partial<
  Omit<Message, 'id' | 'parentId' | 'sequence' | 'role' | 'createdAt'>
>;

/** @throws AppError `invalid-argument` for an unknown message */
export function updateMessage(
  conversation: Conversation,
  id: string,
  change: MessageChange,
): Conversation {
  const message = getMessage(conversation, id);
  return {
    ...conversation,
    messages: new Map(conversation.messages).set(id, { ...message, ...change }),
  };
}

/** @throws AppError `invalid-argument` for an unknown message */
export function getMessage(conversation: Conversation, id: string): Message {
  const message = conversation.messages.get(id);
  if (message === undefined) {
    throw new AppError('invalid-argument', 'This message is not part of the conversation.', {
      details: { id },
    });
  }
  return message;
}

/** Messages with this parent, in the order of writing. */
export function childrenOf(conversation: Conversation, parentId: string | null): Message[] {
  return [...conversation.messages.values()]
    .filter((message) => message.parentId === parentId)
    .sort((a, b) => a.sequence - b.sequence);
}

/** The versions of a message, itself among them. */
export function siblingsOf(
  conversation: Conversation,
  id: string,
): { readonly messages: readonly Message[]; readonly index: number } {
  const messages = childrenOf(conversation, getMessage(conversation, id).parentId);
  return { messages, index: messages.findIndex((message) => message.id === id) };
}

/** From the first message to `leafId`; empty for null. */
export function pathTo(conversation: Conversation, leafId: string | null): Message[] {
  const path: Message[] = [];
  for (let id = leafId; id !== null;) {
    const message = getMessage(conversation, id);
    path.push(message);
    id = message.parentId;
  }
  return path.reverse();
}

/** The messages that are shown. */
export function activePath(conversation: Conversation): Message[] {
  return pathTo(conversation, conversation.activeLeafId);
}

/**
 * Shows another version of a message, followed by the newest of what follows it.
 * @throws AppError `invalid-argument` for an unknown message or version
 */
export function showSibling(conversation: Conversation, id: string, index: number): Conversation {
  let shown = siblingsOf(conversation, id).messages[index];
  if (shown === undefined) {
    throw new AppError('invalid-argument', 'This message has no such version.', {
      details: { id, index },
    });
  }
  for (;;) {
    const newest = childrenOf(conversation, shown.id).at(-1);
    if (newest === undefined) break;
    shown = newest;
  }
  return { ...conversation, activeLeafId: shown.id };
}

/**
 * What the tab's end interrupted is not being written any more: streaming messages become stopped,
 * with the notice `interrupted`. Returns the same object when there are none.
 */
export function settleInterrupted(conversation: Conversation): Conversation {
  let settled = conversation;
  for (const message of conversation.messages.values()) {
    if (message.status !== 'streaming') continue;
    settled = updateMessage(settled, message.id, {
      status: 'stopped',
      notices: [...message.notices, 'interrupted'],
    });
  }
  return settled;
}

/** Messages as a chat template takes them. */
export interface PromptMessage {
  readonly [key: string]: unknown;
  readonly role: MessageRole;
  readonly content: string;
}

/**
 * A path as the model is to read it: without answers that are empty, and with the questions joined
 * that then stand side by side, because many templates insist on alternation. Reasoning is handed
 * over apart from the text: templates leave it out, or keep that of the turn under way. Calls
 * without all of their results are left out, since templates expect one after the other.
 */
export function promptMessages(path: readonly Message[]): PromptMessage[] {
  const results = new Set(path.map(({ callId }) => callId));
  const called = new Set<string>();
  const messages: PromptMessage[] = [];
  for (const message of path) {
    const { role, text, reasoning, callId } = message;
    const complete = message.calls.every(({ id }) => results.has(id));
    const calls = complete ? message.calls : [];
    for (const { id } of calls) called.add(id);
    if (role === 'assistant') {
      if (text.trim() === '' && calls.length === 0) continue;
      messages.push({
        role,
        content: text,
        ...(reasoning === null ? {} : { reasoning_content: reasoning.text }),
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(templateCall) }),
      });
    } else if (role === 'tool') {
      if (callId !== null && called.has(callId)) {
        messages.push({ role, content: text, tool_call_id: callId });
      }
    } else {
      const last = messages.at(-1);
      if (role === 'user' && last?.role === 'user') {
        messages[messages.length - 1] = { role, content: `${last.content}\n\n${text}` };
      } else {
        messages.push({ role, content: text });
      }
    }
  }
  return messages;
}

function templateCall({ id, name, arguments: json }: MessageCall): MessageToolCall {
  return { id, type: 'function', function: { name, arguments: json } };
}
