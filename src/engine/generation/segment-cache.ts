/**
 * Keeps what the model has read of a conversation beyond the life of the engine.
 *
 * The keys and values of a text depend on its tokens, the model and nothing else. They are kept in
 * segments of 64 positions, each under the hash of all tokens up to its end: a chat that goes on
 * adds its new segments only, and chats that begin alike (the same system prompt) share them. Where
 * bytes are kept is the business of a `SegmentStore`; without it, or when it fails, the text is read
 * again, which costs time and nothing else.
 */
import { AppError } from '../../common/errors.ts';
import { yieldToEventLoop } from '../../common/yield-to-event-loop.ts';
import type { Session } from './session.ts';

/**
 * Positions of a segment: reading 63 tokens again, the most that a shorter end costs, takes a laptop
 * half a second with the largest model it can hold, and a record has 0.4 to 4 MB.
 */
export const segmentTokens = 64;

/** A text whose segments may be stored. */
export interface SegmentText {
  /** Names the bytes of the model. */
  readonly model: string;
  /** Of the segments, the version of what computed them included. */
  readonly format: string;
  readonly tokens: readonly number[];
  readonly segmentTokens: number;
}

/** Whom a stored segment belongs to: it is deleted with the last of its conversations. */
export interface SegmentOwner {
  readonly conversation: string;
  /** When the request began, in milliseconds since the epoch: what was forgotten since stays so. */
  readonly since: number;
}

/** The whole segments of one text. */
export interface StoredSegments {
  /** Null where it is not stored, or not as it was written. */
  read(index: number): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Stores what is missing; `make` is asked for one after the other. */
  keep(
    owner: SegmentOwner,
    make: (index: number) => Promise<Uint8Array<ArrayBuffer>>,
  ): Promise<void>;
}

export interface SegmentStore {
  open(text: SegmentText): Promise<StoredSegments>;
}

export class SegmentCache {
  readonly #store: SegmentStore;
  readonly #session: Session;
  readonly #model: string;
  readonly #version: string;

  /**
   * @param model names the bytes of the model, for example their hash
   * @param version of whatever computes: another one may compute other numbers
   */
  constructor(store: SegmentStore, session: Session, model: string, version: string) {
    this.#store = store;
    this.#session = session;
    this.#model = model;
    this.#version = version;
  }

  /**
   * Makes the session hold as much of the beginning of `prompt` as is stored, if that is more than
   * it holds. Whatever goes wrong leaves less to find in the session, never something else.
   */
  async restore(prompt: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#restore(prompt, signal);
    } catch {
      // The disk or the browser: the prompt is read as if nothing had been kept.
    }
  }

  /**
   * Stores what the session holds and the store does not, as far as there is room. Made to go on
   * beside the session: when that is at work again, the rest is left for the next time.
   */
  async keep(owner: SegmentOwner): Promise<void> {
    try {
      const tokens = [...this.#session.tokens];
      const stored = await this.#open(tokens);
      await stored?.keep(owner, (index) => this.#segment(tokens, index));
    } catch {
      // A full disk, a closed database, a new request or none any more: the text will be read again.
    }
  }

  async #restore(prompt: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const session = this.#session;
    // The last token of a prompt is computed in any case: its logits begin the answer.
    const stored = await this.#open(prompt.slice(0, -1));
    if (stored === null) return;
    let index = Math.floor(sharedTokens(session.tokens, prompt) / segmentTokens);
    let segment = await stored.read(index);
    if (segment !== null) session.rewind(index * segmentTokens);
    while (segment !== null) {
      if (signal?.aborted === true) return;
      const next = stored.read(index + 1);
      next.catch(() => undefined); // thrown where it is awaited, if it is
      const tokens = prompt.slice(index * segmentTokens, (index + 1) * segmentTokens);
      if (!session.appendSegment(tokens, segment)) return;
      index += 1;
      segment = await next;
    }
  }

  async #segment(tokens: readonly number[], index: number): Promise<Uint8Array<ArrayBuffer>> {
    await yieldToEventLoop();
    const access = this.#session.segments;
    const end = (index + 1) * segmentTokens;
    // Under the hash of these tokens nothing else may be stored.
    if (access === null || sharedTokens(this.#session.tokens, tokens) < end) {
      throw new AppError('engine/busy', 'The model is at work again.');
    }
    return access.read(end - segmentTokens, segmentTokens);
  }

  async #open(tokens: readonly number[]): Promise<StoredSegments | null> {
    const format = this.#session.segments?.format;
    if (format === undefined || tokens.length < segmentTokens) return null;
    return this.#store.open({
      model: this.#model,
      format: `${this.#version} ${format}`,
      tokens: [...tokens],
      segmentTokens,
    });
  }
}

function sharedTokens(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < limit && a[shared] === b[shared]) shared++;
  return shared;
}
