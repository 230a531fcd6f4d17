/**
 * What is kept of a chat: a tree of messages, because a regenerated answer and an edited question
 * are siblings of what they replace. Plain data that survives structured clone and JSON.
 */
import type { ErrorCode } from '../common/errors.ts';

export const messageRoles = ['system', 'user', 'assistant', 'tool'] as const;
export type MessageRole = (typeof messageRoles)[number];

export const messageStatuses = ['complete', 'streaming', 'stopped', 'failed'] as const;
export type MessageStatus = (typeof messageStatuses)[number];

export const finishReasons = ['stop', 'length', 'context', 'aborted'] as const;
export type MessageFinishReason = (typeof finishReasons)[number];

/** Tokens of an answer, one after the other or not, that were computed alike. */
export interface MessageStretch {
  readonly precision: 8 | 4 | 'mixed';
  readonly backend: 'wasm' | 'webgpu' | 'reference';
  /** Of the processor; 0 where another device computed. */
  readonly threads: number;
  readonly tokens: number;
  /** Bytes of weights read for each of them. */
  readonly weightBytesPerToken: number;
  /** Computing time of all of them. */
  readonly milliseconds: number;
}

export interface MessageStats {
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly answerTokens: number;
  readonly timeToFirstTokenMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** How its tokens were computed; absent in older messages. */
  readonly stretches?: readonly MessageStretch[];
  /** Energy the device spent meanwhile, estimated from its battery; absent where nobody knows. */
  readonly joules?: number;
  /** Of the answer's tokens those that were computed ahead; absent in chats of earlier versions. */
  readonly acceptedTokens?: number;
}

export interface MessageError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a model thought before it answered: shown folded, never read by it again. */
export interface MessageReasoning {
  readonly text: string;
  /** Null while it goes on, and where nobody measured. */
  readonly durationMs: number | null;
}

/** A tool that an answer calls. Its result is a message of the role `tool`, where it was run. */
export interface MessageCall {
  readonly id: string;
  readonly name: string;
  /** A JSON object as text. */
  readonly arguments: string;
}

export interface Message {
  readonly id: string;
  /** Null for the first messages of a conversation. */
  readonly parentId: string | null;
  /** Position in the order of writing within the conversation; clocks may go back. */
  readonly sequence: number;
  readonly role: MessageRole;
  readonly text: string;
  readonly reasoning: MessageReasoning | null;
  readonly calls: readonly MessageCall[];
  /** Of a tool's result: the id of its call; null otherwise. */
  readonly callId: string | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly status: MessageStatus;
  readonly modelId: string | null;
  /** As it was called when it wrote this; the model may be gone. */
  readonly modelName: string | null;
  readonly stats: MessageStats | null;
  readonly finishReason: MessageFinishReason | null;
  readonly error: MessageError | null;
  /** Codes of things worth telling beside the message. */
  readonly notices: readonly string[];
  /** Token ids of an answer that is not complete, with which its model goes on; absent in others. */
  readonly written?: readonly number[];
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The end of the path that is shown; null without messages. */
  readonly activeLeafId: string | null;
  readonly nextSequence: number;
  readonly messages: ReadonlyMap<string, Message>;
}

/** What a list of chats needs to know. */
export interface ConversationSummary {
  readonly id: string;
  readonly title: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly messageCount: number;
}

/** Makes ids that never repeat; `crypto.randomUUID` outside tests. */
export type IdSource = () => string;
