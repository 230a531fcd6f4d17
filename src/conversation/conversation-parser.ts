/**
 * Records of unknown origin (a damaged database, a file someone sent) as conversations, or a reason
 * why not. Nothing of the input is kept by reference, and only known fields are copied.
 */
import { AppError, isErrorCode } from '../common/errors.ts';
import { finishReasons, messageRoles, messageStatuses } from './conversation-types.ts';
import type {
  Conversation,
  ConversationSummary,
  Message,
  MessageCall,
  MessageError,
  MessageReasoning,
  MessageStats,
  MessageStretch,
} from './conversation-types.ts';

export const maxTitleLength = 500;
export const maxIdLength = 100;
/** UTF-16 units of one message. */
export const maxTextLength = 16 * 1024 * 1024;
export const maxMessages = 100_000;
const maxNotices = 50;
const maxNoticeLength = 100;
const maxErrorLength = 10_000;
const maxCalls = 1000;
const maxStretches = 50;
const maxWritten = 1_048_576;

/** The reason names the field and never quotes the content, which may be private or huge. */
function invalid(field: string, expected: string): AppError {
  return new AppError('store/damaged', `A stored chat is damaged: ${field} is not ${expected}.`, {
    details: { field },
  });
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(name, 'an object');
  }
  return value as Fields;
}

function text(source: Fields, key: string, maxLength: number): string {
  const value = Object.hasOwn(source, key) ? source[key] : undefined;
  if (typeof value !== 'string' || value.length > maxLength) {
    throw invalid(key, `a text of at most ${maxLength} characters`);
  }
  return value;
}

function id(source: Fields, key: string): string {
  const value = text(source, key, maxIdLength);
  if (value === '') throw invalid(key, 'an id');
  return value;
}

function optional<T>(source: Fields, key: string, read: () => T): T | null {
  const value = Object.hasOwn(source, key) ? source[key] : undefined;
  return value === undefined || value === null ? null : read();
}

function number(source: Fields, key: string): number {
  const value = Object.hasOwn(source, key) ? source[key] : undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw invalid(key, 'a number from 0');
  }
  return value;
}

function integer(source: Fields, key: string): number {
  const value = number(source, key);
  if (!Number.isSafeInteger(value)) throw invalid(key, 'a whole number');
  return value;
}

function oneOf<T extends string>(source: Fields, key: string, allowed: readonly T[]): T {
  const value = text(source, key, maxIdLength);
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw invalid(key, `one of ${allowed.join(', ')}`);
  return found;
}

function parseStats(value: unknown): MessageStats {
  const source = fields(value, 'stats');
  return {
    promptTokens: number(source, 'promptTokens'),
    reusedTokens: number(source, 'reusedTokens'),
    answerTokens: number(source, 'answerTokens'),
    timeToFirstTokenMs: number(source, 'timeToFirstTokenMs'),
    prefillTokensPerSecond: number(source, 'prefillTokensPerSecond'),
    decodeTokensPerSecond: number(source, 'decodeTokensPerSecond'),
    ...(source['stretches'] === undefined ? {} : { stretches: parseStretches(source) }),
    ...(source['joules'] === undefined ? {} : { joules: number(source, 'joules') }),
    ...(source['acceptedTokens'] === undefined
      ? {}
      : { acceptedTokens: number(source, 'acceptedTokens') }),
  };
}

function precision(source: Fields): MessageStretch['precision'] {
  const { precision: value } = source;
  if (value !== 8 && value !== 4 && value !== 'mixed') throw invalid('precision', '8, 4 or mixed');
  return value;
}

function parseStretches(stats: Fields): readonly MessageStretch[] {
  const { stretches } = stats;
  if (!Array.isArray(stretches) || stretches.length > maxStretches) {
    throw invalid('stretches', `a list of at most ${maxStretches}`);
  }
  return stretches.map((value: unknown) => {
    const source = fields(value, 'stretch');
    return {
      precision: precision(source),
      backend: oneOf(source, 'backend', ['wasm', 'webgpu', 'reference']),
      threads: integer(source, 'threads'),
      tokens: integer(source, 'tokens'),
      weightBytesPerToken: number(source, 'weightBytesPerToken'),
      milliseconds: number(source, 'milliseconds'),
    };
  });
}

function parseError(value: unknown): MessageError {
  const source = fields(value, 'error');
  const code = text(source, 'code', maxIdLength);
  // A newer version may know codes that this one does not.
  return {
    code: isErrorCode(code) ? code : 'internal',
    message: text(source, 'message', maxErrorLength),
  };
}

function parseNotices(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > maxNotices) {
    throw invalid('notices', `a list of at most ${maxNotices}`);
  }
  return value.map((notice: unknown) => {
    if (typeof notice !== 'string' || notice.length > maxNoticeLength) {
      throw invalid('notices', 'a list of codes');
    }
    return notice;
  });
}

function parseWritten(value: unknown): readonly number[] {
  if (!Array.isArray(value) || value.length > maxWritten) {
    throw invalid('written', `a list of at most ${maxWritten}`);
  }
  return value.map((token: unknown) => {
    if (!Number.isSafeInteger(token) || (token as number) < 0) throw invalid('written', 'ids');
    return token as number;
  });
}

function parseReasoning(value: unknown): MessageReasoning {
  const source = fields(value, 'reasoning');
  return {
    text: text(source, 'text', maxTextLength),
    durationMs: optional(source, 'durationMs', () => number(source, 'durationMs')),
  };
}

function parseCalls(value: unknown): readonly MessageCall[] {
  if (!Array.isArray(value) || value.length > maxCalls) {
    throw invalid('calls', `a list of at most ${maxCalls}`);
  }
  return value.map((call: unknown) => {
    const source = fields(call, 'calls');
    return {
      id: id(source, 'id'),
      name: text(source, 'name', maxIdLength),
      arguments: text(source, 'arguments', maxTextLength),
    };
  });
}

/** Records of before reasoning had a field of its own have it in the text of the answer. */
const reasoningInText = /^\s*<think>([\s\S]*?)(?:<\/think>\s*|$)/u;

function withReasoningApart(message: Message): Message {
  const found = message.role === 'assistant' ? reasoningInText.exec(message.text) : null;
  if (found === null) return message;
  const [whole, reasoning = ''] = found;
  return {
    ...message,
    text: message.text.slice(whole.length),
    reasoning: { text: reasoning.trim(), durationMs: null },
  };
}

/** @throws AppError `store/damaged` that names the field */
export function parseMessage(value: unknown): Message {
  const source = fields(value, 'message');
  const message = parseFields(source);
  return Object.hasOwn(source, 'reasoning') ? message : withReasoningApart(message);
}

function parseFields(source: Fields): Message {
  return {
    id: id(source, 'id'),
    parentId: optional(source, 'parentId', () => id(source, 'parentId')),
    sequence: integer(source, 'sequence'),
    role: oneOf(source, 'role', messageRoles),
    text: text(source, 'text', maxTextLength),
    reasoning: optional(source, 'reasoning', () => parseReasoning(source['reasoning'])),
    calls: optional(source, 'calls', () => parseCalls(source['calls'])) ?? [],
    callId: optional(source, 'callId', () => id(source, 'callId')),
    createdAt: number(source, 'createdAt'),
    status: oneOf(source, 'status', messageStatuses),
    modelId: optional(source, 'modelId', () => text(source, 'modelId', maxTitleLength)),
    modelName: optional(source, 'modelName', () => text(source, 'modelName', maxTitleLength)),
    stats: optional(source, 'stats', () => parseStats(source['stats'])),
    finishReason: optional(source, 'finishReason', () =>
      oneOf(source, 'finishReason', finishReasons),
    ),
    error: optional(source, 'error', () => parseError(source['error'])),
    notices: optional(source, 'notices', () => parseNotices(source['notices'])) ?? [],
    ...(source['written'] === undefined ? {} : { written: parseWritten(source['written']) }),
  };
}

/** @throws AppError `store/damaged` that names the field */
export function parseSummary(value: unknown): ConversationSummary {
  const source = fields(value, 'conversation');
  return {
    id: id(source, 'id'),
    title: text(source, 'title', maxTitleLength),
    createdAt: number(source, 'createdAt'),
    updatedAt: number(source, 'updatedAt'),
    messageCount: integer(source, 'messageCount'),
  };
}

export interface ParsedConversation {
  readonly conversation: Conversation;
  /** Messages that could not be read, or whose parents could not. */
  readonly lostMessages: number;
}

/**
 * A conversation from its head record and its messages. Damaged messages are left out with all that
 * follows them, and counted; the shown path then ends at the newest message left.
 * @throws AppError `store/damaged` when the head itself cannot be read
 */
export function parseConversation(head: unknown, records: readonly unknown[]): ParsedConversation {
  const source = fields(head, 'conversation');
  const readable = new Map<string, Message>();
  for (const record of records.slice(0, maxMessages)) {
    const message = tryParseMessage(record);
    if (message !== null && !readable.has(message.id)) readable.set(message.id, message);
  }
  const messages = new Map<string, Message>();
  // A parent is always older than its children: this order also leaves no room for circles.
  for (const message of [...readable.values()].sort((a, b) => a.sequence - b.sequence)) {
    if (message.parentId === null || messages.has(message.parentId)) {
      messages.set(message.id, message);
    }
  }
  const newest = [...messages.values()].at(-1);
  const activeLeafId = optional(source, 'activeLeafId', () => id(source, 'activeLeafId'));
  const leafExists = activeLeafId !== null && messages.has(activeLeafId);
  const {
    id: conversationId,
    title,
    createdAt,
    updatedAt,
  } = parseSummary({
    ...source,
    messageCount: messages.size,
  });
  return {
    conversation: {
      id: conversationId,
      title,
      createdAt,
      updatedAt,
      activeLeafId: leafExists ? activeLeafId : (newest?.id ?? null),
      nextSequence: (newest?.sequence ?? -1) + 1,
      messages,
    },
    lostMessages: records.length - messages.size,
  };
}

function tryParseMessage(record: unknown): Message | null {
  try {
    return parseMessage(record);
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}
