/** An answer in the making: gathers its parts and shows them no faster than anybody reads. */
import type { AnswerPart } from '../conversation/answer-format/answer-parser.ts';
import type { MessageCall, MessageReasoning } from '../conversation/conversation-types.ts';
import { newCallId } from '../conversation/tool-definitions.ts';

/** An answer reaches the screen at most this often: faster than this nobody reads. */
const SHOW_EVERY_MS = 33;

export interface DraftContent {
  readonly text: string;
  readonly reasoning: MessageReasoning | null;
  readonly calls: readonly MessageCall[];
}

export class AnswerDraft {
  readonly #show: (content: DraftContent) => void;
  readonly #now: () => number;
  #text = '';
  #reasoning = '';
  #reasoningSince: number | null = null;
  #reasoningMs: number | null = null;
  #calls: readonly MessageCall[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(show: (content: DraftContent) => void, now: () => number = () => performance.now()) {
    this.#show = show;
    this.#now = now;
  }

  /** Whether there is anything yet, shown or not. */
  get begun(): boolean {
    return this.#text !== '' || this.#reasoning !== '' || this.#calls.length > 0;
  }

  get calls(): readonly MessageCall[] {
    return this.#calls;
  }

  append(part: AnswerPart): void {
    if (part.kind === 'reasoning') {
      this.#reasoningSince ??= this.#now();
      this.#reasoning += part.text;
    } else {
      this.#endReasoning();
      if (part.kind === 'text') this.#text += part.text;
      else this.#calls = [...this.#calls, { id: newCallId(), ...part.call }];
    }
    this.#timer ??= setTimeout(() => {
      this.#showNow();
    }, SHOW_EVERY_MS);
  }

  /** Shows what there is; nothing more comes. */
  finish(): void {
    this.#endReasoning();
    this.#showNow();
  }

  #endReasoning(): void {
    if (this.#reasoningSince === null || this.#reasoningMs !== null) return;
    this.#reasoningMs = Math.round(this.#now() - this.#reasoningSince);
  }

  #showNow(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const reasoning =
      this.#reasoning === '' ? null : { text: this.#reasoning, durationMs: this.#reasoningMs };
    this.#show({ text: this.#text, reasoning, calls: this.#calls });
  }
}
