import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { formatMilliseconds, formatNumber } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import {
  checkIcon,
  chevronLeftIcon,
  chevronRightIcon,
  copyIcon,
  gaugeIcon,
  hermitMark,
  infoIcon,
  pencilIcon,
  retryIcon,
  warningIcon,
} from '../icons.ts';
import { isComposing } from '../keyboard.ts';
import '../answer-reasoning/answer-reasoning.ts';
import '../markdown/markdown-view.ts';
import { noticeText } from '../notice-text.ts';
import '../popover-menu/popover-menu.ts';
import '../tool-call/tool-call.ts';
import { announce, perform, reportProblem } from '../requests.ts';
import type { AnswerStatsView, MessageView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { chatMessageStyles } from './chat-message.styles.ts';
import { costRows } from './cost-rows.ts';

/**
 * `<hermit-chat-message>`: one message, with what can be done with it.
 *
 * Properties: `message`, `last` whether it ends the chat (its actions are then always shown), `locked`
 * whether an answer is under way (nothing may be rewritten then).
 * Methods: `startEditing()`. Events: `hermit-problem`, `hermit-announce`. Parts: none.
 * Slots: `activity` what is shown in place of the dot before the first word.
 */
export class ChatMessage extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, chatMessageStyles];
  static override readonly properties = {
    message: { attribute: false },
    last: { type: Boolean, reflect: true },
    locked: { type: Boolean },
    copied: { state: true },
    editing: { state: true },
  };

  declare message: MessageView | null;
  declare last: boolean;
  declare locked: boolean;
  declare private copied: boolean;
  declare private editing: boolean;

  constructor() {
    super();
    this.message = null;
    this.last = false;
    this.locked = false;
    this.copied = false;
    this.editing = false;
  }

  async startEditing(): Promise<void> {
    if (this.locked) return;
    this.editing = true;
    await this.updateComplete;
    const field = this.renderRoot.querySelector('textarea');
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  protected override render(): unknown {
    const { message } = this;
    if (message === null) return nothing;
    return message.role === 'user' ? this.#question(message) : this.#answer(message);
  }

  #question(message: MessageView): unknown {
    return html`<article class="question" aria-labelledby="author">
      <h2 class="visually-hidden" id="author">${msg('You said', { id: 'message.you' })}</h2>
      ${
        this.editing
          ? this.#editor(message)
          : html`<div class="bubble">${message.text}</div>
              ${this.#actions(message)}`
      }
    </article>`;
  }

  #answer(message: MessageView): unknown {
    const streaming = message.status === 'streaming';
    const author = message.modelName ?? 'Hermit';
    return html`<article
      class="answer"
      aria-labelledby="author"
      aria-busy=${streaming ? 'true' : 'false'}
    >
      <h2 class="visually-hidden" id="author">
        ${msg(str`${author} said`, { id: 'message.model' })}
      </h2>
      <div class="author" aria-hidden="true">${hermitMark}<span>${author}</span></div>
      <div class="content">
        ${this.#parts(message, streaming)}
        ${
          message.status === 'stopped'
            ? html`<p class="notice">
                ${infoIcon}${msg('Stopped here.', { id: 'message.stopped' })}
              </p>`
            : nothing
        }
        ${message.notices.map(
          (notice) => html`<p class="notice">${infoIcon}<span>${noticeText(notice)}</span></p>`,
        )}
        ${this.#failure(message)}
        ${message.continuable === true ? this.#continue(message) : nothing}
        ${streaming ? nothing : this.#actions(message)}
      </div>
    </article>`;
  }

  /** Reasoning, text and calls, as far as they have come. */
  #parts(message: MessageView, streaming: boolean): unknown {
    const { text, reasoning, calls } = message;
    const waits = streaming && text === '' && calls.length === 0;
    const thinks = streaming && reasoning !== null && reasoning.durationMs === null;
    return html`${
      reasoning === null
        ? nothing
        : html`<hermit-answer-reasoning
            .reasoning=${reasoning}
            .active=${thinks}
          ></hermit-answer-reasoning>`
    }
    ${waits && !thinks ? html`<slot name="activity"><span class="waiting"></span></slot>` : nothing}
    ${
      text === '' && (waits || calls.length > 0 || reasoning !== null)
        ? nothing
        : html`<hermit-markdown .text=${text} .streaming=${streaming}></hermit-markdown>`
    }
    ${calls.map((call) => html`<hermit-tool-call .call=${call}></hermit-tool-call>`)}`;
  }

  #failure(message: MessageView): unknown {
    if (message.error === null) return nothing;
    return html`<div class="failure">
      ${warningIcon}
      <p>${errorText(message.error)}</p>
      <button
        type="button"
        class="button small"
        ?disabled=${this.locked}
        @click=${() => this.#regenerate(message)}
      >
        ${msg('Try again', { id: 'common.retry' })}
      </button>
    </div>`;
  }

  /** Goes on where an answer was cut off, with one press. */
  #continue(message: MessageView): unknown {
    const goOn = (): Promise<unknown> =>
      perform(this, this.services.chats.continueAnswer(message.id));
    return html`<button
      type="button"
      class="button small continue"
      ?disabled=${this.locked}
      @click=${goOn}
    >
      ${msg('Continue this answer', { id: 'message.continue' })}
    </button>`;
  }

  #actions(message: MessageView): unknown {
    const copy = this.copied
      ? msg('Copied', { id: 'code.copied' })
      : msg('Copy', { id: 'message.copy' });
    const answer = message.role === 'assistant';
    const rewrite = answer
      ? msg('Answer again', { id: 'message.regenerate' })
      : msg('Edit', { id: 'message.edit' });
    return html`<div class="actions">
      ${message.version.count > 1 ? this.#versions(message) : nothing}
      <button
        type="button"
        class="icon-button"
        aria-label=${copy}
        title=${copy}
        @click=${() => this.#copy(message)}
      >
        ${this.copied ? checkIcon : copyIcon}
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label=${rewrite}
        title=${rewrite}
        ?disabled=${this.locked}
        @click=${() => (answer ? this.#regenerate(message) : this.startEditing())}
      >
        ${answer ? retryIcon : pencilIcon}
      </button>
      ${message.stats === null ? nothing : stats(message.stats)}
    </div>`;
  }

  #versions(message: MessageView): unknown {
    const { index, count } = message.version;
    const previous = msg('Previous version', { id: 'message.previous' });
    const next = msg('Next version', { id: 'message.next' });
    const show = (to: number): Promise<unknown> =>
      perform(this, this.services.chats.showVersion(message.id, to));
    return html`<span class="versions">
      <button
        type="button"
        class="icon-button"
        aria-label=${previous}
        title=${previous}
        ?disabled=${this.locked || index === 0}
        @click=${() => show(index - 1)}
      >
        ${chevronLeftIcon}
      </button>
      <span>${formatNumber(index + 1)}/${formatNumber(count)}</span>
      <button
        type="button"
        class="icon-button"
        aria-label=${next}
        title=${next}
        ?disabled=${this.locked || index === count - 1}
        @click=${() => show(index + 1)}
      >
        ${chevronRightIcon}
      </button>
    </span>`;
  }

  #editor(message: MessageView): unknown {
    return html`<form
      class="editor"
      @submit=${(event: Event) => this.#commit(event, message)}
      @keydown=${(event: KeyboardEvent) => this.#onEditorKey(event, message)}
    >
      <textarea
        rows="3"
        .value=${message.text}
        aria-label=${msg('Edit your message', { id: 'message.editLabel' })}
      ></textarea>
      <div class="editor-actions">
        <button type="button" class="button small" @click=${this.#stopEditing}>
          ${msg('Cancel', { id: 'common.cancel' })}
        </button>
        <button type="submit" class="button primary small">
          ${msg('Send', { id: 'composer.send' })}
        </button>
      </div>
    </form>`;
  }

  readonly #stopEditing = (): void => {
    this.editing = false;
  };

  #onEditorKey(event: KeyboardEvent, message: MessageView): void {
    if (isComposing(event)) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      this.editing = false;
    } else if (
      event.key === 'Enter' &&
      !event.shiftKey &&
      event.target instanceof HTMLTextAreaElement
    ) {
      void this.#commit(event, message);
    }
  }

  async #commit(event: Event, message: MessageView): Promise<void> {
    event.preventDefault();
    const text = this.renderRoot.querySelector('textarea')?.value.trim() ?? '';
    this.editing = false;
    if (text === '' || text === message.text) return;
    await perform(this, this.services.chats.edit(message.id, text));
  }

  async #regenerate(message: MessageView): Promise<void> {
    await perform(this, this.services.chats.regenerate(message.id));
  }

  async #copy(message: MessageView): Promise<void> {
    try {
      await navigator.clipboard.writeText(message.text);
      this.copied = true;
      announce(this, msg('Copied', { id: 'code.copied' }));
      setTimeout(() => {
        this.copied = false;
      }, 2000);
    } catch (error) {
      reportProblem(this, error);
    }
  }
}

function stats(values: AnswerStatsView): unknown {
  const rows: readonly (readonly [string, string])[] = [
    [
      msg('Speed', { id: 'stats.speed' }),
      msg(str`${formatNumber(values.decodeTokensPerSecond, 1)} tokens/s`, { id: 'stats.rate' }),
    ],
    [msg('First word after', { id: 'stats.first' }), formatMilliseconds(values.timeToFirstTokenMs)],
    [
      msg('Tokens written', { id: 'stats.answer' }),
      (values.acceptedTokens ?? 0) === 0
        ? formatNumber(values.answerTokens)
        : msg(
            str`${formatNumber(values.answerTokens)}, of which ${formatNumber(values.acceptedTokens ?? 0)} computed ahead`,
            { id: 'stats.ahead' },
          ),
    ],
    [
      msg('Tokens read', { id: 'stats.prompt' }),
      values.reusedTokens === 0
        ? formatNumber(values.promptTokens)
        : msg(
            str`${formatNumber(values.promptTokens)}, of which ${formatNumber(values.reusedTokens)} remembered`,
            { id: 'stats.reused' },
          ),
    ],
    [
      msg('Reading speed', { id: 'stats.prefill' }),
      msg(str`${formatNumber(values.prefillTokensPerSecond, 1)} tokens/s`, { id: 'stats.rate' }),
    ],
    ...costRows(values),
  ];
  return html`<hermit-popover-menu
    align="start"
    .label=${msg(str`${formatNumber(values.decodeTokensPerSecond, 1)} tokens/s, more about this`, { id: 'stats.label' })}
  >
    <span slot="trigger" class="speed"
      >${gaugeIcon}${msg(str`${formatNumber(values.decodeTokensPerSecond, 1)} tokens/s`, { id: 'stats.rate' })}</span
    >
    <dl class="stats">
      ${rows.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </hermit-popover-menu>`;
}

customElements.define('hermit-chat-message', ChatMessage);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-chat-message': ChatMessage;
  }
}
