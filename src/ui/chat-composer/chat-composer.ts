import { msg } from '@lit/localize';
import { html, nothing } from 'lit';
import type { PropertyValues } from 'lit';
import { loadDraft, saveDraft } from '../drafts.ts';
import { HermitElement } from '../hermit-element.ts';
import { sendIcon, stopIcon, thinkingIcon } from '../icons.ts';
import { isComposing } from '../keyboard.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { chatComposerStyles } from './chat-composer.styles.ts';

/**
 * `<hermit-chat-composer>`: where a message is written.
 *
 * Properties: `chatId` whose draft is kept (null for a new chat), `working` whether an answer is under
 * way (the button then stops it), `blocked` a sentence why nothing can be sent, or null, `thinking`
 * whether the model is to think first, or null where it leaves no choice, `placeholder` or null for the
 * usual one.
 * Methods: `fill(text)` replaces the text, `focus()`.
 * Events: `hermit-send` with the text, `hermit-stop`, `hermit-edit-last` (arrow up in an empty field),
 * `hermit-thinking` with what was chosen.
 * Slots: `reason` what to do when blocked. Parts: `field`.
 *
 * Enter sends, Shift+Enter breaks the line. While an input method composes, Enter is its own.
 */
export class ChatComposer extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, chatComposerStyles];
  static override readonly properties = {
    chatId: { attribute: false },
    working: { type: Boolean },
    blocked: { attribute: false },
    thinking: { attribute: false },
    placeholder: { attribute: false },
    empty: { state: true },
  };

  declare chatId: string | null;
  declare working: boolean;
  declare blocked: string | null;
  declare thinking: boolean | null;
  declare placeholder: string | null;
  declare private empty: boolean;

  constructor() {
    super();
    this.chatId = null;
    this.working = false;
    this.blocked = null;
    this.thinking = null;
    this.placeholder = null;
    this.empty = true;
  }

  override focus(): void {
    this.#field?.focus();
  }

  fill(text: string): void {
    const field = this.#field;
    if (field === null) return;
    field.value = text;
    this.#onInput();
    field.focus();
    field.setSelectionRange(text.length, text.length);
  }

  protected override render(): unknown {
    const { blocked } = this;
    return html`<form @submit=${this.#onSubmit}>
      ${
        blocked === null
          ? nothing
          : html`<p id="reason" class="reason">
              <span>${blocked}</span><slot name="reason"></slot>
            </p>`
      }
      <div class="line">
        <textarea
          part="field"
          rows="1"
          aria-label=${msg('Message', { id: 'composer.label' })}
          aria-describedby=${blocked === null ? nothing : 'reason'}
          placeholder=${this.placeholder ?? msg('Write a message', { id: 'composer.placeholder' })}
          enterkeyhint="send"
          @input=${this.#onInput}
          @keydown=${this.#onKeyDown}
        ></textarea>
        ${this.thinking === null ? nothing : this.#thinkingSwitch(this.thinking)} ${this.#button()}
      </div>
    </form>`;
  }

  #thinkingSwitch(on: boolean): unknown {
    const label = msg('Think before answering', { id: 'composer.thinking' });
    return html`<button
      type="button"
      class="switch"
      aria-pressed=${on ? 'true' : 'false'}
      aria-label=${label}
      title=${label}
      @click=${() => {
        this.dispatchEvent(
          new CustomEvent('hermit-thinking', { detail: !on, bubbles: true, composed: true }),
        );
      }}
    >
      ${thinkingIcon}<span>${msg('Think', { id: 'composer.thinkingShort' })}</span>
    </button>`;
  }

  #button(): unknown {
    if (this.working) {
      return html`<button
        type="button"
        class="round"
        aria-label=${msg('Stop', { id: 'composer.stop' })}
        title=${msg('Stop', { id: 'composer.stop' })}
        @click=${this.#onStop}
      >
        ${stopIcon}
      </button>`;
    }
    return html`<button
      type="submit"
      class="round"
      ?disabled=${this.blocked !== null || this.empty}
      aria-label=${msg('Send', { id: 'composer.send' })}
      title=${msg('Send', { id: 'composer.send' })}
    >
      ${sendIcon}
    </button>`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has('chatId')) return;
    const field = this.#field;
    if (field === null) return;
    // A new chat gets its id when its first message is stored, while the answer is under way: what was
    // typed since moves along.
    if (changed.get('chatId') === null && this.working) {
      saveDraft(null, '');
      saveDraft(this.chatId, field.value);
      return;
    }
    field.value = loadDraft(this.chatId);
    this.#measure();
  }

  get #field(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector('textarea');
  }

  /** Grows the field with its text where the browser cannot by itself. */
  #measure(): void {
    const field = this.#field;
    if (field === null) return;
    this.empty = field.value.trim() === '';
    if (CSS.supports('field-sizing', 'content')) return;
    field.style.setProperty('height', 'auto');
    field.style.setProperty('height', `${String(field.scrollHeight)}px`);
  }

  readonly #onInput = (): void => {
    this.#measure();
    saveDraft(this.chatId, this.#field?.value ?? '');
  };

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'ArrowUp' && this.#field?.value === '') {
      this.dispatchEvent(new CustomEvent('hermit-edit-last', { bubbles: true, composed: true }));
    }
  };

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    this.#send();
  };

  readonly #onStop = (): void => {
    this.dispatchEvent(new CustomEvent('hermit-stop', { bubbles: true, composed: true }));
    this.focus();
  };

  #send(): void {
    const field = this.#field;
    const text = field?.value.trim() ?? '';
    if (field === null || text === '' || this.working || this.blocked !== null) return;
    field.value = '';
    this.#onInput();
    this.dispatchEvent(
      new CustomEvent('hermit-send', { detail: text, bubbles: true, composed: true }),
    );
  }
}

customElements.define('hermit-chat-composer', ChatComposer);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-chat-composer': ChatComposer;
  }
  interface HTMLElementEventMap {
    'hermit-send': CustomEvent<string>;
    'hermit-stop': CustomEvent<null>;
    'hermit-thinking': CustomEvent<boolean>;
    'hermit-edit-last': CustomEvent<null>;
  }
}
