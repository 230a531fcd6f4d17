import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { HermitElement } from '../hermit-element.ts';
import { errorText } from '../error-text.ts';
import { modelAdded, requestInspection, toErrorView } from '../requests.ts';
import type { ErrorView } from '../services.ts';
import { baseStyles, buttonStyles, dialogStyles, fieldStyles } from '../shared.styles.ts';
import { addUrlDialogStyles } from './add-url-dialog.styles.ts';
import { checkModelUrl } from './validate-url.ts';
import type { UrlCheck } from './validate-url.ts';

/**
 * `<hermit-add-url-dialog>`: takes the address of a model file, says what will be requested, starts.
 *
 * Methods: `open()`. Properties, slots, parts: none.
 * Events: `hermit-model-added` with the id. A failure is shown in the dialog, beside the address.
 */
export class AddUrlDialog extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    fieldStyles,
    dialogStyles,
    addUrlDialogStyles,
  ];
  static override readonly properties = {
    check: { state: true },
    complain: { state: true },
    busy: { state: true },
    failure: { state: true },
  };

  declare private check: UrlCheck;
  declare private complain: boolean;
  declare private busy: boolean;
  /** Why the server's answer was no use; the address stays for correction. */
  declare private failure: ErrorView | null;

  constructor() {
    super();
    this.check = { kind: 'empty' };
    this.complain = false;
    this.busy = false;
    this.failure = null;
  }

  async open(): Promise<void> {
    await this.updateComplete;
    const input = this.renderRoot.querySelector('input');
    if (input !== null) input.value = '';
    this.check = { kind: 'empty' };
    this.complain = false;
    this.failure = null;
    this.renderRoot.querySelector('dialog')?.showModal();
  }

  protected override render(): unknown {
    const problem =
      this.failure !== null
        ? errorText(this.failure)
        : this.complain
          ? problemText(this.check)
          : null;
    return html`<dialog class="sheet" aria-labelledby="heading">
      <form novalidate @submit=${this.#submit}>
        <h2 id="heading">${msg('Add a model by its address', { id: 'addUrl.heading' })}</h2>
        <p>
          ${msg(
            'Paste the address of a .gguf file, for example from a model’s “Files” tab on huggingface.co.',
            { id: 'addUrl.explain' },
          )}
        </p>
        <div class="entry">
          <label for="url">${msg('Address (URL)', { id: 'addUrl.label' })}</label>
          <input
            id="url"
            type="url"
            inputmode="url"
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            placeholder="https://huggingface.co/…/model-Q4_0.gguf"
            autofocus
            aria-describedby="outcome"
            aria-invalid=${problem === null ? 'false' : 'true'}
            @input=${this.#onInput}
            @change=${this.#onChange}
          />
          <div id="outcome" aria-live="polite">
            ${problem === null ? nothing : html`<p class="field-error">${problem}</p>`}
            ${this.check.kind === 'valid' && problem === null ? this.#preview(this.check) : nothing}
          </div>
        </div>
        <div class="dialog-actions">
          <button type="button" class="button" @click=${this.#close}>
            ${msg('Cancel', { id: 'common.cancel' })}
          </button>
          <button
            type="button"
            class="button"
            ?disabled=${this.check.kind !== 'valid'}
            @click=${this.#inspect}
          >
            ${msg('Details…', { id: 'inspect.open' })}
          </button>
          <button type="submit" class="button primary" ?disabled=${this.busy}>
            ${msg('Download', { id: 'common.download' })}
          </button>
        </div>
      </form>
    </dialog>`;
  }

  #preview(check: Extract<UrlCheck, { kind: 'valid' }>): unknown {
    return html`<p class="preview">
      ${msg(
        str`Your browser will ask ${check.host} for “${check.fileName}”. That server sees your IP address, as with any download; nothing else is sent, and nothing about your chats ever is.`,
        { id: 'addUrl.request' },
      )}
    </p>`;
  }

  readonly #onInput = (event: Event): void => {
    this.failure = null;
    this.check = checkModelUrl((event.target as HTMLInputElement).value);
    if (this.check.kind === 'valid' || this.check.kind === 'empty') this.complain = false;
  };

  readonly #onChange = (): void => {
    this.complain = this.check.kind !== 'empty';
  };

  /** Looks at the file's header first; the dialog waits behind. */
  readonly #inspect = (): void => {
    const { check } = this;
    const url = this.renderRoot.querySelector('input')?.value.trim() ?? '';
    if (check.kind !== 'valid') return;
    requestInspection(this, { target: { kind: 'url', url }, name: check.fileName });
  };

  readonly #close = (): void => {
    this.renderRoot.querySelector('dialog')?.close();
  };

  readonly #submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const input = this.renderRoot.querySelector('input');
    if (input === null) return;
    this.check = checkModelUrl(input.value);
    if (this.check.kind !== 'valid') {
      this.complain = true;
      input.focus();
      return;
    }
    this.busy = true;
    try {
      const id = await this.services.models.addFromUrl(input.value.trim());
      this.#close();
      modelAdded(this, id);
    } catch (error) {
      this.failure = toErrorView(error);
      input.focus();
    } finally {
      this.busy = false;
    }
  };
}

function problemText(check: UrlCheck): string | null {
  switch (check.kind) {
    case 'empty':
      return msg('Enter the address of a model file.', { id: 'addUrl.empty' });
    case 'invalid':
      return msg('This is not a web address. It should begin with https://', {
        id: 'addUrl.invalid',
      });
    case 'insecure':
      return msg(
        'Use an address that begins with https://, so that nobody can change the file on its way.',
        {
          id: 'addUrl.insecure',
        },
      );
    case 'page':
      return msg(
        'This is the page of a model. Open its “Files” tab and copy the address of one .gguf file.',
        { id: 'addUrl.page' },
      );
    case 'valid':
      return null;
  }
}

customElements.define('hermit-add-url-dialog', AddUrlDialog);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-add-url-dialog': AddUrlDialog;
  }
}
