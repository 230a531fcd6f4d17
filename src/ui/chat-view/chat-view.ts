import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import '../chat-composer/chat-composer.ts';
import type { ChatComposer } from '../chat-composer/chat-composer.ts';
import '../chat-message/chat-message.ts';
import type { ChatMessage } from '../chat-message/chat-message.ts';
import { formatNumber, formatPercent } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { arrowDownIcon, hermitMark, lockIcon } from '../icons.ts';
import '../model-row/model-row.ts';
import { announce, perform } from '../requests.ts';
import type { ActiveModelView, ActivityView, ChatView as ChatState } from '../services.ts';
import { baseStyles, buttonStyles, progressStyles } from '../shared.styles.ts';
import { chatViewStyles } from './chat-view.styles.ts';
import { FollowScroll } from './follow-scroll.ts';
import { readinessOf } from './readiness.ts';
import type { Readiness } from './readiness.ts';

/** Characters of an answer read out when it is complete; the rest is found in the message. */
const announcedLength = 600;

/**
 * `<hermit-chat-view>`: the messages of the current chat and the composer below them.
 *
 * Properties: `compact` where there is no page of models to lead to, `placeholder` of the field or null.
 * Methods: `fill(text)`, `focusComposer()`, `stop()`. Slots, parts: none.
 * Events: `hermit-announce` when an answer is complete, `hermit-problem`.
 */
export class ChatView extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, progressStyles, chatViewStyles];
  static override readonly properties = {
    compact: { type: Boolean },
    placeholder: { attribute: false },
  };

  declare compact: boolean;
  declare placeholder: string | null;

  readonly #chat = new Observed(
    this,
    (services) => services.chats.current,
    (chat) => {
      this.#onChat(chat);
    },
  );
  readonly #models = new Observed(this, (services) => services.models.models);
  readonly #active = new Observed(this, (services) => services.models.active);
  readonly #settings = new Observed(this, (services) => services.settings.settings);
  readonly #scroll = new FollowScroll(this);
  #wasWorking = false;
  #shownId: string | null = null;

  constructor() {
    super();
    this.compact = false;
    this.placeholder = null;
  }

  fill(text: string): void {
    this.#composer?.fill(text);
  }

  focusComposer(): void {
    this.#composer?.focus();
  }

  /** Ends the answer under way, if there is one. */
  stop(): boolean {
    if (!worksHere(this.#chat.value.activity)) return false;
    this.services.chats.stop();
    return true;
  }

  protected override render(): unknown {
    const chat = this.#chat.value;
    const readiness = readinessOf(this.#models.value, this.#active.value);
    return html`<div class="scroller" tabindex="-1">
        <div class="content">
          ${chat.messages.length === 0 ? this.#empty(readiness) : this.#messages(chat)}
        </div>
      </div>
      <div class="dock">
        <button
          type="button"
          class="jump"
          ?hidden=${this.#scroll.following}
          @click=${() => {
            this.#scroll.jump('smooth');
          }}
        >
          ${arrowDownIcon}${msg('Jump to latest', { id: 'chat.jump' })}
        </button>
        <hermit-chat-composer
          .chatId=${chat.id}
          .placeholder=${this.placeholder}
          .working=${worksHere(chat.activity)}
          .blocked=${blockedText(readiness, this.#active.value, chat.activity)}
          .thinking=${this.#thinking()}
          @hermit-send=${this.#onSend}
          @hermit-stop=${this.#onStop}
          @hermit-thinking=${this.#onThinking}
          @hermit-edit-last=${this.#onEditLast}
          >${this.#remedy(readiness)}</hermit-chat-composer
        >
        <p class="fine-print">
          ${lockIcon}<span
            >${msg('Computed on this device; may be wrong.', { id: 'chat.finePrint' })}</span
          >
        </p>
      </div>`;
  }

  #messages(chat: ChatState): unknown {
    const locked = chat.activity.kind !== 'idle';
    const last = chat.messages.at(-1);
    const progress = activity(chat.activity);
    return html`<h1 class="visually-hidden">
        ${chat.title || msg('New chat', { id: 'sidebar.newChat' })}
      </h1>
      ${repeat(
        chat.messages,
        (message) => message.id,
        (message) =>
          html`<hermit-chat-message
            .message=${message}
            .locked=${locked}
            ?last=${message.id === last?.id}
            >${message === last ? progress : nothing}</hermit-chat-message
          >`,
      )}
      ${last?.role === 'assistant' ? nothing : progress}`;
  }

  #empty(readiness: Readiness): unknown {
    return html`<div class="empty">
      ${hermitMark}
      <h1>${msg('What is on your mind?', { id: 'chat.emptyHeading' })}</h1>
      ${
        readiness.kind === 'arriving'
          ? html`<div class="arriving">
              <h2 class="visually-hidden">${msg('On this device', { id: 'models.installed' })}</h2>
              <hermit-model-row .model=${readiness.model}></hermit-model-row>
            </div>`
          : html`<p>
              ${msg('Whatever you write stays on this device.', { id: 'chat.emptyText' })}
            </p>`
      }
      <ul class="chips" aria-label=${msg('Suggestions', { id: 'chat.suggestions' })}>
        ${this.#suggestions().map(
          ([label, text]) =>
            html`<li>
              <button
                type="button"
                class="chip"
                @click=${() => {
                  this.fill(text);
                }}
              >
                ${label}
              </button>
            </li>`,
        )}
      </ul>
    </div>`;
  }

  /** The guide answers whole questions about Hermit; other models get the beginning of one. */
  #suggestions(): readonly (readonly [string, string])[] {
    const active = this.#active.value;
    const id = active.kind === 'none' ? null : active.id;
    const model = this.#models.value.find((candidate) => candidate.id === id);
    return model?.builtIn === true ? guideSuggestions() : suggestions();
  }

  /** The one press that removes what stands in the way. */
  #remedy(readiness: Readiness): unknown {
    switch (readiness.kind) {
      case 'ready':
        return nothing;
      case 'choose': {
        const { model } = readiness;
        return html`<button
          slot="reason"
          type="button"
          class="button small"
          @click=${() => perform(this, this.services.models.select(model.id))}
        >
          ${msg(str`Use ${model.name}`, { id: 'chat.useModel' })}
        </button>`;
      }
      case 'no-model':
      case 'arriving':
        if (this.compact) return nothing;
        return html`<a slot="reason" class="button small" href="#/models"
          >${msg('Open Models', { id: 'chat.openModels' })}</a
        >`;
    }
  }

  protected override updated(): void {
    const scroller = this.renderRoot.querySelector<HTMLElement>('.scroller');
    const content = this.renderRoot.querySelector<HTMLElement>('.content');
    if (scroller !== null && content !== null) this.#scroll.attach(scroller, content);
    const { id } = this.#chat.value;
    if (id !== this.#shownId) {
      this.#shownId = id;
      this.#scroll.jump();
    }
  }

  get #composer(): ChatComposer | null {
    return this.renderRoot.querySelector('hermit-chat-composer');
  }

  #onChat(chat: ChatState): void {
    const working = worksHere(chat.activity);
    const finished = this.#wasWorking && !working;
    this.#wasWorking = working;
    const answer = chat.messages.at(-1);
    if (!finished || answer?.role !== 'assistant' || answer.status !== 'complete') return;
    const text = answer.text.slice(0, announcedLength);
    announce(this, msg(str`Answer complete. ${text}`, { id: 'chat.announce' }));
  }

  readonly #onSend = async (event: CustomEvent<string>): Promise<void> => {
    const text = event.detail;
    this.#scroll.jump();
    const sent = await perform(
      this,
      this.services.chats.send(text).then(() => true),
    );
    // Refused before it became a message: the words go back to where they were written.
    const kept = this.#chat.value.messages.some((message) => message.text === text);
    if (sent === undefined && !kept) this.fill(text);
  };

  /** Whether the model is to think before it answers; null where it leaves no choice. */
  #thinking(): boolean | null {
    const active = this.#active.value;
    const choice = active.kind === 'ready' && active.thinkingSwitch;
    return choice ? this.#settings.value.thinking : null;
  }

  readonly #onThinking = (event: CustomEvent<boolean>): void => {
    this.services.settings.update({ thinking: event.detail });
  };

  readonly #onStop = (): void => {
    this.services.chats.stop();
  };

  readonly #onEditLast = (): void => {
    const question = this.#chat.value.messages.findLast((message) => message.role === 'user');
    const elements = this.renderRoot.querySelectorAll<ChatMessage>('hermit-chat-message');
    for (const element of elements) {
      if (element.message === question) void element.startEditing();
    }
  };
}

/** Whether an answer is being made in this tab. */
function worksHere({ kind }: ActivityView): boolean {
  return kind !== 'idle' && kind !== 'elsewhere';
}

function blockedText(
  readiness: Readiness,
  active: ActiveModelView,
  { kind }: ActivityView,
): string | null {
  if (kind === 'elsewhere') {
    return msg('Another tab is answering in this chat. It goes on here when that is done.', {
      id: 'chat.elsewhere',
    });
  }
  if (active.kind === 'failed' && readiness.kind === 'choose') {
    return msg(str`${active.name} could not be loaded`, { id: 'picker.failedLabel' });
  }
  switch (readiness.kind) {
    case 'ready':
      return null;
    case 'no-model':
      return msg('To get answers, add a model first.', { id: 'chat.noModel' });
    case 'choose':
      return msg('No model is loaded.', { id: 'chat.choose' });
    case 'arriving':
      return msg('You can send as soon as the model is ready.', { id: 'chat.arriving' });
  }
}

function activity(view: ActivityView): unknown {
  switch (view.kind) {
    case 'idle':
    case 'answering':
    case 'elsewhere':
      return nothing;
    case 'loading-model':
      return progressBar(
        msg(str`Loading the model… ${formatPercent(view.fraction)}`, { id: 'chat.loadingModel' }),
        view.fraction,
        1,
      );
    case 'reading-prompt':
      return progressBar(
        msg(str`Reading… ${formatNumber(view.done)} of ${formatNumber(view.total)} tokens`, {
          id: 'chat.reading',
        }),
        view.done,
        view.total,
      );
  }
}

function progressBar(label: string, value: number, max: number): unknown {
  return html`<div class="activity" slot="activity">
    <p id="activity">${label}</p>
    <progress aria-labelledby="activity" max=${max} .value=${value}></progress>
  </div>`;
}

/** Label and text: what fills the composer when chosen. Never sent by itself. */
function suggestions(): readonly (readonly [string, string])[] {
  return [
    [
      msg('Explain something', { id: 'suggest.explain' }),
      msg('Explain in simple words how ', { id: 'suggest.explainText' }),
    ],
    [
      msg('Improve my writing', { id: 'suggest.write' }),
      msg('Make this text clearer and friendlier:\n\n', { id: 'suggest.writeText' }),
    ],
    [
      msg('Sum up a text', { id: 'suggest.sum' }),
      msg('Sum up the following text in three points:\n\n', { id: 'suggest.sumText' }),
    ],
    [
      msg('Plan something', { id: 'suggest.plan' }),
      msg('Help me plan ', { id: 'suggest.planText' }),
    ],
  ];
}

function guideSuggestions(): readonly (readonly [string, string])[] {
  return [
    msg('What can you do?', { id: 'guide.can' }),
    msg('Is it private?', { id: 'guide.private' }),
    msg('How do I add a model?', { id: 'guide.add' }),
    msg('How does Hermit work?', { id: 'guide.works' }),
    msg('Tell me a joke', { id: 'guide.joke' }),
  ].map((question) => [question, question]);
}

customElements.define('hermit-chat-view', ChatView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-chat-view': ChatView;
  }
}
