import { msg } from '@lit/localize';
import { html } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { errorText } from '../error-text.ts';
import { HermitElement } from '../hermit-element.ts';
import { closeIcon, infoIcon, warningIcon } from '../icons.ts';
import type { ErrorView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { toastStackStyles } from './toast-stack.styles.ts';

/** Older ones give way, so that a repeated failure cannot cover the page. */
const atMost = 3;

interface Toast {
  readonly key: number;
  readonly content:
    | { readonly kind: 'problem'; readonly error: ErrorView }
    | { readonly kind: 'hint'; readonly text: string };
}

/**
 * `<hermit-toast-stack>`: problems and hints in a corner; each stays until it is dismissed, because a
 * sentence that vanishes cannot be acted on.
 *
 * Methods: `showProblem(error)`, `showHint(text)`. Properties, events, slots, parts: none.
 */
export class ToastStack extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, toastStackStyles];
  static override readonly properties = { toasts: { state: true } };

  declare private toasts: readonly Toast[];
  #nextKey = 0;

  constructor() {
    super();
    this.toasts = [];
  }

  showProblem(error: ErrorView): void {
    this.#add({ kind: 'problem', error });
  }

  showHint(text: string): void {
    this.#add({ kind: 'hint', text });
  }

  #add(content: Toast['content']): void {
    this.toasts = [...this.toasts, { key: this.#nextKey++, content }].slice(-atMost);
  }

  protected override render(): unknown {
    return repeat(
      this.toasts,
      (toast) => toast.key,
      ({ key, content }) =>
        html`<div
          class="toast ${content.kind}"
          role=${content.kind === 'problem' ? 'alert' : 'status'}
        >
          ${content.kind === 'problem' ? warningIcon : infoIcon}
          <p>${content.kind === 'problem' ? errorText(content.error) : content.text}</p>
          <button
            type="button"
            class="icon-button"
            aria-label=${msg('Dismiss', { id: 'common.dismiss' })}
            @click=${() => {
              this.toasts = this.toasts.filter((toast) => toast.key !== key);
            }}
          >
            ${closeIcon}
          </button>
        </div>`,
    );
  }
}

customElements.define('hermit-toast-stack', ToastStack);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-toast-stack': ToastStack;
  }
}
