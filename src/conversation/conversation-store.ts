/**
 * The chats of this browser. What is read is checked; damaged records are counted and left out, and
 * never stop the others from being shown.
 */
import { AppError } from '../common/errors.ts';
import { conversationsFromJson, conversationsToJson } from './conversation-export.ts';
import { maxTitleLength, parseConversation, parseSummary } from './conversation-parser.ts';
import type { ParsedConversation } from './conversation-parser.ts';
import { openConversationRecords } from './conversation-records.ts';
import type { ConversationRecords, DatabaseEvents, HeadRecord } from './conversation-records.ts';
import { settleInterrupted } from './conversation-tree.ts';
import type { Conversation, ConversationSummary, IdSource } from './conversation-types.ts';

export interface ConversationList {
  /** The one changed last comes first. */
  readonly summaries: readonly ConversationSummary[];
  /** Chats whose head cannot be read. */
  readonly damaged: number;
}

export interface ImportResult {
  readonly ids: readonly string[];
  readonly lostConversations: number;
  readonly lostMessages: number;
}

export interface ConversationStoreOptions {
  readonly createId?: IdSource;
  readonly now?: () => number;
}

export class ConversationStore {
  readonly #records: ConversationRecords;
  readonly #createId: IdSource;
  readonly #now: () => number;

  constructor(records: ConversationRecords, options: ConversationStoreOptions = {}) {
    this.#records = records;
    this.#createId = options.createId ?? (() => crypto.randomUUID());
    this.#now = options.now ?? (() => Date.now());
  }

  /** False when the chats are gone with the tab, of which the user is to be told. */
  get kept(): boolean {
    return this.#records.kept;
  }

  async list(): Promise<ConversationList> {
    const heads = await this.#records.heads();
    const summaries = heads.map(tryParseSummary).filter((summary) => summary !== null);
    summaries.sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : 1));
    return { summaries, damaged: heads.length - summaries.length };
  }

  /**
   * Messages that were being written when the tab ended come back as stopped, with a notice; of a
   * chat that another tab is answering (`beingWritten`) they come as they are.
   * @throws AppError `store/not-found`, `store/damaged`
   */
  async load(
    id: string,
    { beingWritten = false }: { readonly beingWritten?: boolean } = {},
  ): Promise<ParsedConversation> {
    const head = await this.#records.head(id);
    if (head === undefined) throw notFound(id);
    const parsed = parseConversation(head, await this.#records.messages(id));
    if (beingWritten) return parsed;
    return { ...parsed, conversation: settleInterrupted(parsed.conversation) };
  }

  /**
   * Writes what changed since `saved`, the version saved last (null: everything). Resolves when it
   * is on disk.
   * @throws AppError `store/quota`, `store/closed`, `store/unavailable`
   */
  async save(conversation: Conversation, saved: Conversation | null): Promise<void> {
    const messages = [...conversation.messages.values()].filter(
      (message) => saved?.messages.get(message.id) !== message,
    );
    await this.#records.write({
      head: headOf(conversation),
      messages: messages.map((message) => ({ ...message })),
    });
  }

  /** @throws AppError `store/not-found`, `store/damaged` */
  async rename(id: string, title: string): Promise<void> {
    await this.#records.updateHead(id, (head) => {
      if (head === undefined) throw notFound(id);
      parseSummary(head);
      return { ...(head as HeadRecord), title: title.slice(0, maxTitleLength) };
    });
  }

  /** A chat that does not exist is no error: it is gone. */
  async remove(id: string): Promise<void> {
    await this.#records.remove(id);
  }

  /**
   * One chat, or all that can be read, as JSON. `newer`: chats as they are where they could not be
   * stored, which take the place of what is.
   * @throws AppError `store/not-found`, `store/damaged` for the one asked for
   */
  async exportJson(
    id?: string,
    newer: ReadonlyMap<string, Conversation> = new Map(),
  ): Promise<string> {
    const stored = id === undefined ? (await this.list()).summaries.map((each) => each.id) : [id];
    const ids = new Set(id === undefined ? [...newer.keys(), ...stored] : stored);
    const conversations: Conversation[] = [];
    for (const each of ids) {
      conversations.push(newer.get(each) ?? (await this.load(each)).conversation);
    }
    return conversationsToJson(conversations, this.#now());
  }

  /**
   * Adds the chats of an exported file. One whose id exists already gets a new id.
   * @throws AppError `invalid-argument` for a file that is no export, and as `save`
   */
  async importJson(json: string): Promise<ImportResult> {
    const { conversations, lostConversations, lostMessages } = conversationsFromJson(json);
    const ids: string[] = [];
    for (const conversation of conversations) {
      const taken = (await this.#records.head(conversation.id)) !== undefined;
      const id = taken ? this.#createId() : conversation.id;
      await this.save({ ...conversation, id }, null);
      ids.push(id);
    }
    return { ids, lostConversations, lostMessages };
  }

  close(): void {
    this.#records.close();
  }
}

/** The chats of this browser, or of this tab only where it keeps nothing: see `kept`. */
export async function openConversationStore(
  options: ConversationStoreOptions & {
    readonly name?: string;
    readonly events?: DatabaseEvents;
  } = {},
): Promise<ConversationStore> {
  return new ConversationStore(
    await openConversationRecords(options.name, options.events),
    options,
  );
}

function headOf(conversation: Conversation): HeadRecord {
  const { messages: _messages, nextSequence: _nextSequence, ...head } = conversation;
  return { ...head, title: head.title.slice(0, maxTitleLength) };
}

function tryParseSummary(head: unknown): ConversationSummary | null {
  try {
    return parseSummary(head);
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

function notFound(id: string): AppError {
  return new AppError('store/not-found', 'This chat does not exist any more.', { details: { id } });
}
