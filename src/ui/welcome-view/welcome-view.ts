import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import '../fit-badge/fit-badge.ts';
import { formatBytes } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import {
  chevronRightIcon,
  deviceIcon,
  downloadIcon,
  fileIcon,
  hermitMark,
  linkIcon,
  lockIcon,
  offlineIcon,
  shelfIcon,
  sparkIcon,
} from '../icons.ts';
import { suggestModel } from '../models-view/suggest-model.ts';
import { modelAdded, perform, requestAddFile, requestAddUrl } from '../requests.ts';
import type { CatalogModelView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { welcomeViewStyles } from './welcome-view.styles.ts';

/**
 * `<hermit-welcome-view>`: what Hermit is, a tiny model to try at once, and three ways to a real one.
 *
 * Properties, slots, parts: none.
 * Events: `hermit-add-url`, `hermit-add-file`, `hermit-model-added`, `hermit-problem`.
 */
export class WelcomeView extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, welcomeViewStyles];
  static override readonly properties = { busy: { state: true } };

  declare private busy: boolean;

  readonly #catalog = new Observed(this, (services) => services.models.catalog);

  constructor() {
    super();
    this.busy = false;
  }

  protected override render(): unknown {
    const catalog = this.#catalog.value;
    const suggestion = catalog.kind === 'ready' ? suggestModel(catalog.models) : null;
    return html`<div class="welcome">
      <header>
        ${hermitMark}
        <h1 tabindex="-1">${msg('An assistant that stays home', { id: 'welcome.heading' })}</h1>
        <p class="lead">
          ${msg(
            'Hermit runs open language models right here, in your browser. No account, no server, nobody reading along.',
            { id: 'welcome.lead' },
          )}
        </p>
        ${this.#guide()}
      </header>
      <ul class="promises">
        ${promise(
          deviceIcon,
          msg('Runs on your device', { id: 'welcome.device' }),
          msg('The model is computed by your own processor.', { id: 'welcome.deviceMore' }),
        )}
        ${promise(
          lockIcon,
          msg('Nothing leaves it', { id: 'welcome.private' }),
          msg('Chats, files and settings stay in this browser.', { id: 'welcome.privateMore' }),
        )}
        ${promise(
          offlineIcon,
          msg('Works offline', { id: 'welcome.offline' }),
          msg('Once a model is here, no network is needed.', { id: 'welcome.offlineMore' }),
        )}
      </ul>
      <section aria-labelledby="start">
        <h2 id="start">${msg('Or choose a real model', { id: 'welcome.start' })}</h2>
        ${suggestion === null ? nothing : this.#suggestion(suggestion)}
        <ul class="ways">
          <li>
            <a class="way" href="#/models">
              ${shelfIcon}<span
                ><strong>${msg('Browse the catalogue', { id: 'welcome.catalogue' })}</strong
                ><small
                  >${msg('Open models, large and small', { id: 'welcome.catalogueMore' })}</small
                ></span
              >${chevronRightIcon}
            </a>
          </li>
          <li>
            <button type="button" class="way" @click=${() => requestAddUrl(this)}>
              ${linkIcon}<span
                ><strong>${msg('Paste an address', { id: 'welcome.url' })}</strong
                ><small>${msg('The URL of any .gguf file', { id: 'welcome.urlMore' })}</small></span
              >${chevronRightIcon}
            </button>
          </li>
          <li>
            <button type="button" class="way" @click=${() => requestAddFile(this)}>
              ${fileIcon}<span
                ><strong>${msg('Open a file', { id: 'welcome.file' })}</strong
                ><small
                  >${msg('From this device; dropping it here works too', { id: 'welcome.fileMore' })}</small
                ></span
              >${chevronRightIcon}
            </button>
          </li>
        </ul>
      </section>
    </div>`;
  }

  #suggestion(model: CatalogModelView): unknown {
    return html`<article class="suggestion" aria-labelledby="suggested">
      <div class="words">
        <h3 id="suggested">${model.name}</h3>
        <p>${model.description}</p>
        <p class="licence">
          ${msg('Licence:', { id: 'welcome.licence' })}
          <a href=${model.licence.url} target="_blank" rel="noopener noreferrer"
            >${model.licence.name}</a
          >${
            model.bytes === null
              ? html` ·
                ${msg(str`about ${formatBytes(model.approximateBytes)} to download`, { id: 'welcome.size' })}`
              : nothing
          }
        </p>
        <hermit-fit-badge .fit=${model.fit}></hermit-fit-badge>
      </div>
      <button
        type="button"
        class="button"
        ?disabled=${this.busy}
        @click=${() => this.#add(this.services.models.addFromCatalog(model.id))}
      >
        ${downloadIcon}${
          model.bytes === null
            ? msg('Download', { id: 'common.download' })
            : msg(str`Download ${formatBytes(model.bytes)}`, { id: 'catalog.download' })
        }
      </button>
    </article>`;
  }

  #guide(): unknown {
    return html`<div class="guide">
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
        >${msg('With the built-in guide: a tiny model of 2 MB that knows Hermit, and nothing else.', { id: 'welcome.tryMore' })}</small
      >
    </div>`;
  }

  async #add(adding: Promise<string>): Promise<void> {
    this.busy = true;
    const id = await perform(this, adding);
    this.busy = false;
    if (id !== undefined) modelAdded(this, id);
  }
}

function promise(symbol: unknown, name: string, more: string): unknown {
  return html`<li>
    ${symbol}<span><strong>${name}</strong><small>${more}</small></span>
  </li>`;
}

customElements.define('hermit-welcome-view', WelcomeView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-welcome-view': WelcomeView;
  }
}
