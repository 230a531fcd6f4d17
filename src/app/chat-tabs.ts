/**
 * Other tabs with the same chats: one tab at a time writes into a chat, and the others follow.
 *
 * A chat is held by a lock that ends with its tab, so that a tab that crashes stands in nobody's way.
 */
import { AppError } from '../common/errors.ts';
import type { Locks } from '../store/locks.ts';

/** What is used of `BroadcastChannel`. */
export interface ChatChannel {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
}

const lockName = (chatId: string): string => `hermit-chat:${chatId}`;

export class ChatTabs {
  readonly #locks: Locks;
  readonly #channel: ChatChannel | null;
  /** Chats that this tab writes into. */
  readonly #held = new Set<string>();

  /** `channel` null: there are no other tabs that could be told. */
  constructor(locks: Locks, channel: ChatChannel | null) {
    this.#locks = locks;
    this.#channel = channel;
  }

  /** Tells the other tabs that a chat was changed, renamed or removed. */
  announce(chatId: string): void {
    this.#channel?.postMessage({ chatId });
  }

  /** Calls `listener` for chats that another tab changed. */
  listen(listener: (chatId: string) => void): void {
    if (this.#channel === null) return;
    // Any script of this origin can send: what arrives is checked.
    this.#channel.onmessage = ({ data }) => {
      if (typeof data !== 'object' || data === null || !('chatId' in data)) return;
      if (typeof data.chatId === 'string') listener(data.chatId);
    };
  }

  /**
   * Does work that writes into a chat, while no other tab does.
   * @throws AppError `store/in-use` when another tab is at it
   */
  async hold<T>(chatId: string, work: () => Promise<T>): Promise<T> {
    const result = await this.#locks.tryHold(lockName(chatId), 'exclusive', async () => {
      this.#held.add(chatId);
      try {
        return await work();
      } finally {
        this.#held.delete(chatId);
      }
    });
    if (result.held) return result.value;
    throw inUseElsewhere(chatId);
  }

  /** Whether another tab writes into the chat now. */
  async isHeldElsewhere(chatId: string): Promise<boolean> {
    if (this.#held.has(chatId)) return false;
    const result = await this.#locks.tryHold(lockName(chatId), 'shared', () => Promise.resolve());
    return !result.held;
  }

  /** Resolves when no tab writes into the chat any more, also when that tab died. */
  async untilFree(chatId: string): Promise<void> {
    await this.#locks.hold(lockName(chatId), 'shared', () => Promise.resolve());
  }
}

export function inUseElsewhere(chatId: string): AppError {
  return new AppError(
    'store/in-use',
    'This chat is being answered in another tab. Wait for it, or go on there.',
    { details: { chatId } },
  );
}
