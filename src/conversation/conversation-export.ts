/**
 * Chats as a JSON file and back. A file that someone imports is hostile until read: only known
 * fields are copied, sizes are limited, and nothing that exists is overwritten.
 */
import { AppError } from '../common/errors.ts';
import { settleInterrupted } from './conversation-tree.ts';
import { parseConversation } from './conversation-parser.ts';
import type { Conversation } from './conversation-types.ts';

const formatName = 'hermit-conversations';
/**
 * 1: the reasoning of a model stood in the text of its answer. 2: it has a field of its own, as have
 * calls of tools. Older files are read.
 */
const formatVersion = 2;
const readVersions: readonly unknown[] = [1, formatVersion];
/** UTF-16 units. */
export const maxImportLength = 256 * 1024 * 1024;
export const maxImportedConversations = 10_000;

export function conversationsToJson(conversations: readonly Conversation[], now: number): string {
  const file = {
    format: formatName,
    version: formatVersion,
    exportedAt: new Date(now).toISOString(),
    conversations: conversations.map((conversation) => ({
      id: conversation.id,
      title: conversation.title,
      createdAt: conversation.createdAt,
      updatedAt: conversation.updatedAt,
      activeLeafId: conversation.activeLeafId,
      messages: [...conversation.messages.values()],
    })),
  };
  return JSON.stringify(file, null, 1);
}

export interface ImportedConversations {
  readonly conversations: readonly Conversation[];
  /** Conversations and messages that could not be read. */
  readonly lostConversations: number;
  readonly lostMessages: number;
}

/** @throws AppError `invalid-argument` for a file that is no export of chats, or too large */
export function conversationsFromJson(json: string): ImportedConversations {
  const list = conversationList(json);
  const conversations: Conversation[] = [];
  let lostMessages = 0;
  for (const item of list) {
    const messages = ownProperty(item, 'messages');
    try {
      const parsed = parseConversation(item, Array.isArray(messages) ? messages : []);
      conversations.push(settleInterrupted(parsed.conversation));
      lostMessages += parsed.lostMessages;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return { conversations, lostConversations: list.length - conversations.length, lostMessages };
}

function conversationList(json: string): readonly unknown[] {
  if (json.length > maxImportLength) {
    throw notAnExport(`it is larger than ${maxImportLength} characters`);
  }
  let file: unknown;
  try {
    file = JSON.parse(json);
  } catch (error) {
    throw notAnExport('it is not JSON', error);
  }
  if (ownProperty(file, 'format') !== formatName) throw notAnExport('it says nothing of chats');
  if (!readVersions.includes(ownProperty(file, 'version'))) {
    throw notAnExport('it was written by a newer version of Hermit');
  }
  const list = ownProperty(file, 'conversations');
  if (!Array.isArray(list)) throw notAnExport('it holds no list of chats');
  if (list.length > maxImportedConversations) {
    throw notAnExport(`it holds more than ${maxImportedConversations} chats`);
  }
  return list;
}

function ownProperty(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

function notAnExport(reason: string, cause?: unknown): AppError {
  return new AppError(
    'invalid-argument',
    `This file cannot be imported: ${reason}. Choose a file that Hermit exported.`,
    { details: { reason }, cause },
  );
}
