import { msg, str } from '@lit/localize';
import { html } from 'lit';
import { formatBytes } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { copyIcon, hermitMark } from '../icons.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { widgetStartStyles } from '../widget-start/widget-start.styles.ts';

/**
 * `<hermit-copy-picker>`: chooses a model of this Hermit that is given to the Hermit inside another
 * site's page, which opened this window.
 *
 * Properties: `busy` while one is being handed over. Events: `hermit-copy` with the model's id. Slots,
 * parts: none.
 */
export class CopyPicker extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, widgetStartStyles];
  static override readonly properties = { busy: { type: Boolean } };

  declare busy: boolean;
  readonly #models = new Observed(this, (services) => services.models.models);

  constructor() {
    super();
    this.busy = false;
  }

  protected override render(): unknown {
    const models = this.#models.value.filter(
      ({ state, purpose }) => state.kind === 'ready' && purpose !== 'embedding',
    );
    return html`<div class="start">
      ${hermitMark}
      <h1 tabindex="-1">${msg('Give a copy of a model', { id: 'copy.heading' })}</h1>
      <p class="lead">
        ${
          models.length === 0
            ? msg('There is no model in this Hermit yet. Add one here first.', { id: 'copy.none' })
            : msg(
                'It goes to Hermit inside the page that opened this window, and to nobody else.',
                { id: 'copy.lead' },
              )
        }
      </p>
      ${
        models.length === 0
          ? html`<a class="button" href="/#/models"
              >${msg('Open Models', { id: 'chat.openModels' })}</a
            >`
          : html`<ul class="ways">
              ${models.map(({ id, name, bytesTotal }) => this.#model(id, name, bytesTotal ?? 0))}
            </ul>`
      }
    </div>`;
  }

  #model(id: string, name: string, bytes: number): unknown {
    return html`<li>
      <button
        type="button"
        class="way"
        ?disabled=${this.busy}
        @click=${() => {
          this.dispatchEvent(
            new CustomEvent('hermit-copy', { detail: id, bubbles: true, composed: true }),
          );
        }}
      >
        ${copyIcon}<span
          ><strong>${name}</strong
          ><small
            >${msg(str`Takes ${formatBytes(bytes)} once more.`, { id: 'copy.cost' })}</small
          ></span
        >
      </button>
    </li>`;
  }
}

customElements.define('hermit-copy-picker', CopyPicker);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-copy-picker': CopyPicker;
  }
  interface HTMLElementEventMap {
    'hermit-copy': CustomEvent<string>;
  }
}
