import { msg } from '@lit/localize';
import { html } from 'lit';
import { HermitElement } from '../hermit-element.ts';
import type { ConfirmationRequest } from '../requests.ts';
import { baseStyles, buttonStyles, dialogStyles } from '../shared.styles.ts';

/**
 * `<hermit-confirm-dialog>`: asks one question at a time in a modal dialog.
 *
 * Methods: `ask(request)`. Properties, events, slots, parts: none.
 * The native dialog keeps the focus inside and gives it back to where it was.
 */
export class ConfirmDialog extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, dialogStyles];
  static override readonly properties = { request: { state: true } };

  declare private request: ConfirmationRequest | null;

  constructor() {
    super();
    this.request = null;
  }

  async ask(request: ConfirmationRequest): Promise<void> {
    this.#settle(false);
    this.request = request;
    await this.updateComplete;
    const dialog = this.renderRoot.querySelector('dialog');
    if (dialog !== null && !dialog.open) dialog.showModal();
  }

  protected override render(): unknown {
    const request = this.request;
    return html`<dialog
      class="sheet"
      role="alertdialog"
      aria-labelledby="heading"
      aria-describedby="body"
      @close=${this.#onClose}
    >
      <h2 id="heading">${request?.heading}</h2>
      <p id="body">${request?.body}</p>
      <div class="dialog-actions">
        <button type="button" class="button" autofocus @click=${this.#cancel}>
          ${msg('Cancel', { id: 'common.cancel' })}
        </button>
        <button
          type="button"
          class="button ${request?.danger === true ? 'danger' : 'primary'}"
          @click=${this.#confirm}
        >
          ${request?.confirmLabel}
        </button>
      </div>
    </dialog>`;
  }

  #settle(confirmed: boolean): void {
    const request = this.request;
    this.request = null;
    request?.answer(confirmed);
  }

  readonly #onClose = (): void => {
    this.#settle(false);
  };

  readonly #cancel = (): void => {
    this.renderRoot.querySelector('dialog')?.close();
  };

  readonly #confirm = (): void => {
    this.#settle(true);
    this.renderRoot.querySelector('dialog')?.close();
  };
}

customElements.define('hermit-confirm-dialog', ConfirmDialog);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-confirm-dialog': ConfirmDialog;
  }
}
