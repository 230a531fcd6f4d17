import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatBytes } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { downloadIcon, externalIcon, hermitMark, sparkIcon } from '../icons.ts';
import { keptHere } from '../permission-dialog/permission-dialog.ts';
import { modelAdded, perform } from '../requests.ts';
import type { CatalogModelView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { widgetStartStyles } from './widget-start.styles.ts';

/**
 * `<hermit-widget-start>`: the widget before there is a model. Says what each way to one costs.
 *
 * Properties: `suggested` what the page suggests (an address, or the id of an entry of the catalogue)
 * or null, `apart` whether storage is that of another site, so that nothing of the person's own Hermit
 * is here. Events: `hermit-model-added`, `hermit-problem`, `hermit-fetch-copy`. Slots, parts: none.
 */
export class WidgetStart extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, widgetStartStyles];
  static override readonly properties = {
    suggested: { attribute: false },
    apart: { type: Boolean },
    busy: { state: true },
  };

  declare suggested: string | null;
  declare apart: boolean;
  declare private busy: boolean;
  readonly #catalog = new Observed(this, (services) => services.models.catalog);

  constructor() {
    super();
    this.suggested = null;
    this.apart = false;
    this.busy = false;
  }

  protected override render(): unknown {
    return html`<div class="start">
      ${hermitMark}
      <h1 tabindex="-1">${msg('Ask without being overheard', { id: 'widget.heading' })}</h1>
      <p class="lead">
        ${msg('The answers are computed on this device. This page does not see what you write.', { id: 'widget.lead' })}
      </p>
      <button
        type="button"
        class="button primary"
        aria-describedby="guide"
        ?disabled=${this.busy}
        @click=${() => this.#add(this.services.models.addGuide())}
      >
        ${sparkIcon}${msg('Try it now', { id: 'welcome.try' })}
      </button>
      <small id="guide"
        >${msg('With the built-in guide: a tiny model of 2 MB that knows Hermit, and nothing else.', { id: 'welcome.tryMore' })}
        ${this.apart ? keptHere() : nothing}</small
      >
      <ul class="ways">
        ${this.#suggestion()}${this.#copy()}${this.#more()}
      </ul>
    </div>`;
  }

  #suggestion(): unknown {
    const catalog = this.#catalog.value;
    const { suggested } = this;
    if (suggested === null) return nothing;
    const models = catalog.kind === 'ready' ? catalog.models : [];
    const entry = models.find(({ id }) => id === suggested);
    if (entry !== undefined) {
      return this.#way(entry.name, costOf(entry), () =>
        this.services.models.addFromCatalog(entry.id),
      );
    }
    if (!URL.canParse(suggested)) return nothing;
    const { host, pathname } = new URL(suggested);
    const name = decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1));
    const cost = msg(str`Downloaded from ${host}; the size is shown when it begins.`, {
      id: 'widget.unknownCost',
    });
    return this.#way(name, cost, () => this.services.models.addFromUrl(suggested));
  }

  #way(name: string, cost: string, add: () => Promise<string>): unknown {
    return html`<li>
      <button type="button" class="way" ?disabled=${this.busy} @click=${() => this.#add(add())}>
        ${downloadIcon}<span
          ><strong>${msg(str`${name}, suggested by this page`, { id: 'widget.suggested' })}</strong
          ><small>${cost} ${this.apart ? keptHere() : nothing}</small></span
        >
      </button>
    </li>`;
  }

  /** In a frame of another site there may be models in the person's own Hermit. */
  #copy(): unknown {
    if (!this.apart) return nothing;
    return html`<li>
      <button
        type="button"
        class="way"
        @click=${() => {
          this.dispatchEvent(
            new CustomEvent('hermit-fetch-copy', { bubbles: true, composed: true }),
          );
        }}
      >
        ${externalIcon}<span
          ><strong>${msg('Use a model I have in Hermit', { id: 'widget.copy' })}</strong
          ><small
            >${msg('Opens Hermit to choose one. It is copied here without a download, and takes its space once more.', { id: 'widget.copyCost' })}</small
          ></span
        >
      </button>
    </li>`;
  }

  #more(): unknown {
    if (this.apart) return nothing;
    return html`<li>
      <a class="way" href="/#/models" target="_blank" rel="noopener">
        ${externalIcon}<span
          ><strong>${msg('Choose a model in Hermit', { id: 'widget.more' })}</strong
          ><small>${msg('It can be used here afterwards.', { id: 'widget.moreHint' })}</small></span
        >
      </a>
    </li>`;
  }

  async #add(adding: Promise<string>): Promise<void> {
    this.busy = true;
    const id = await perform(this, adding);
    this.busy = false;
    if (id !== undefined) modelAdded(this, id);
  }
}

function costOf({ bytes, approximateBytes }: CatalogModelView): string {
  return bytes === null
    ? msg(str`About ${formatBytes(approximateBytes)} to download.`, { id: 'widget.aboutCost' })
    : msg(str`${formatBytes(bytes)} to download.`, { id: 'widget.cost' });
}

customElements.define('hermit-widget-start', WidgetStart);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-widget-start': WidgetStart;
  }
  interface HTMLElementEventMap {
    'hermit-fetch-copy': CustomEvent<null>;
  }
}
