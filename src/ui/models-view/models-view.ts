import { msg } from '@lit/localize';
import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import '../catalog-card/catalog-card.ts';
import { errorText } from '../error-text.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { fileIcon, folderIcon, infoIcon, linkIcon, spinnerIcon } from '../icons.ts';
import '../hub-search/hub-search.ts';
import '../making-row/making-row.ts';
import '../model-row/model-row.ts';
import { perform, requestAddFile, requestAddFolder, requestAddUrl, showHint } from '../requests.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { pageStyles } from '../page.styles.ts';
import '../storage-meter/storage-meter.ts';
import { modelsViewStyles } from './models-view.styles.ts';
import { suggestModel } from './suggest-model.ts';

/**
 * `<hermit-models-view>`: the page of models; those on this device, then the catalogue.
 *
 * Properties, slots, parts: none. Events: `hermit-add-url`, `hermit-add-file`,
 * `hermit-add-folder`.
 */
export class ModelsView extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, pageStyles, modelsViewStyles];

  readonly #models = new Observed(this, (services) => services.models.models);
  readonly #making = new Observed(this, (services) => services.models.making);
  readonly #catalog = new Observed(this, (services) => services.models.catalog);

  protected override render(): unknown {
    return html`<div class="page wide">
      <header class="page-head">
        <h1 tabindex="-1">${msg('Models', { id: 'sidebar.models' })}</h1>
        <div class="ways">
          <button type="button" class="button" @click=${() => requestAddUrl(this)}>
            ${linkIcon}${msg('From an address', { id: 'models.fromUrl' })}
          </button>
          <button type="button" class="button" @click=${() => requestAddFile(this)}>
            ${fileIcon}${msg('From this device', { id: 'models.fromFile' })}
          </button>
          <button
            type="button"
            class="button"
            title=${msg(
              'A folder with config.json, tokenizer.json and .safetensors files becomes one file',
              { id: 'models.fromFolderHint' },
            )}
            @click=${() => requestAddFolder(this)}
          >
            ${folderIcon}${msg('From a folder', { id: 'models.fromFolder' })}
          </button>
        </div>
      </header>
      ${this.#installed()} ${this.#offered()}
      <section aria-labelledby="hub">
        <h2 id="hub">${msg('More models', { id: 'hub.heading' })}</h2>
        <hermit-hub-search></hermit-hub-search>
      </section>
    </div>`;
  }

  #installed(): unknown {
    const models = this.#models.value;
    return html`<section aria-labelledby="installed">
      <div class="section-head">
        <h2 id="installed">${msg('On this device', { id: 'models.installed' })}</h2>
        <hermit-storage-meter></hermit-storage-meter>
      </div>
      ${
        models.length === 0 && this.#making.value === null
          ? html`<p class="empty">
              ${msg(
                'No model yet. Choose one below, paste an address, or drop a .gguf file or a folder of safetensors anywhere on this page.',
                {
                  id: 'models.empty',
                },
              )}
            </p>`
          : html`<ul class="installed">
              ${this.#makingRow()}
              ${repeat(
                models,
                (model) => model.id,
                (model) => html`<li><hermit-model-row .model=${model}></hermit-model-row></li>`,
              )}
            </ul>`
      }
    </section>`;
  }

  #makingRow(): unknown {
    const making = this.#making.value;
    if (making === null) return nothing;
    return html`<li><hermit-making-row .making=${making}></hermit-making-row></li>`;
  }

  #offered(): unknown {
    return html`<section aria-labelledby="catalogue">
      <h2 id="catalogue">${msg('Catalogue', { id: 'models.catalogue' })}</h2>
      <p class="intro">
        ${msg(
          'Open models from Hugging Face. A download goes straight from their servers to this browser; after that the model works offline.',
          { id: 'models.catalogueIntro' },
        )}
      </p>
      ${this.#catalogue()}
      <div>
        <button
          type="button"
          class="button quiet small"
          @click=${() => this.renderRoot.querySelector<HTMLInputElement>('#catalog-file')?.click()}
        >
          ${fileIcon}${msg('Update the catalogue from a file', { id: 'models.updateCatalogue' })}
        </button>
        <input
          id="catalog-file"
          type="file"
          accept=".json,application/json"
          hidden
          aria-label=${msg('Update the catalogue from a file', { id: 'models.updateCatalogue' })}
          @change=${this.#onCatalogFile}
        />
      </div>
    </section>`;
  }

  readonly #onCatalogFile = async (event: Event): Promise<void> => {
    const field = event.target as HTMLInputElement;
    const [file] = field.files ?? [];
    field.value = '';
    if (file === undefined) return;
    const done = await perform(
      this,
      this.services.models.updateCatalog(file).then(() => true),
    );
    if (done === undefined) return;
    showHint(
      this,
      msg('The catalogue was updated; its signature is right.', { id: 'models.catalogueUpdated' }),
    );
  };

  #catalogue(): unknown {
    const catalog = this.#catalog.value;
    switch (catalog.kind) {
      case 'loading':
        return html`<p class="wait" role="status">
          ${spinnerIcon}${msg('Reading the catalogue…', { id: 'models.catalogueLoading' })}
        </p>`;
      case 'failed':
        return html`<p class="note" role="alert">${infoIcon}${errorText(catalog.error)}</p>`;
      case 'ready': {
        const suggested =
          this.#models.value.length === 0 ? suggestModel(catalog.models)?.id : undefined;
        return html`<ul class="cards">
          ${repeat(
            catalog.models,
            (model) => model.id,
            (model) =>
              html`<li>
                <hermit-catalog-card
                  .model=${model}
                  ?suggested=${model.id === suggested}
                ></hermit-catalog-card>
              </li>`,
          )}
          ${catalog.models.length === 0 ? html`<li>${msg('The catalogue is empty.', { id: 'models.catalogueEmpty' })}</li>` : nothing}
        </ul>`;
      }
    }
  }
}

customElements.define('hermit-models-view', ModelsView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-models-view': ModelsView;
  }
}
