import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import '../fit-badge/fit-badge.ts';
import { formatBytes, formatLanguage, formatList, formatTokens } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { checkIcon, downloadIcon, externalIcon, infoIcon } from '../icons.ts';
import { modelAdded, perform, requestInspection } from '../requests.ts';
import type { CatalogModelView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { catalogCardStyles } from './catalog-card.styles.ts';

/** Languages named one by one; of more only the number is told. */
const languagesNamed = 4;

/**
 * `<hermit-catalog-card>`: one model of the catalogue, with all that should be known before a download.
 *
 * Properties: `model`, `suggested` whether it is the one proposed to a newcomer.
 * Events: `hermit-model-added`, `hermit-problem`. Slots, parts: none.
 */
export class CatalogCard extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, catalogCardStyles];
  static override readonly properties = {
    model: { attribute: false },
    suggested: { type: Boolean, reflect: true },
    busy: { state: true },
  };

  declare model: CatalogModelView | null;
  declare suggested: boolean;
  declare private busy: boolean;

  constructor() {
    super();
    this.model = null;
    this.suggested = false;
    this.busy = false;
  }

  protected override render(): unknown {
    const { model } = this;
    if (model === null) return nothing;
    return html`<article aria-labelledby="name">
      <header>
        <h3 id="name">${model.name}</h3>
        <span class="tags">
          ${
            this.suggested
              ? html`<span class="tag accent"
                  >${msg('A good start', { id: 'catalog.suggested' })}</span
                >`
              : nothing
          }
          ${
            model.checked
              ? nothing
              : html`<span
                  class="tag warning"
                  title=${msg('These facts were not checked against the publisher.', {
                    id: 'catalog.uncheckedTitle',
                  })}
                  >${msg('Not verified', { id: 'catalog.unchecked' })}</span
                >`
          }
        </span>
      </header>
      <p class="description">${model.description}</p>
      <hermit-fit-badge .fit=${model.fit}></hermit-fit-badge>
      <dl>
        ${fact(
          msg('Download', { id: 'common.download' }),
          model.bytes === null
            ? msg(str`about ${formatBytes(model.approximateBytes)}`, { id: 'catalog.about' })
            : formatBytes(model.bytes),
        )}
        ${fact(msg('Size', { id: 'catalog.size' }), `${model.parameters} · ${model.quantization}`)}
        ${fact(
          msg('Context', { id: 'catalog.context' }),
          msg(str`${formatTokens(model.contextLength)} tokens`, { id: 'catalog.tokens' }),
        )}
        ${fact(msg('Languages', { id: 'catalog.languages' }), languages(model.languages))}
        ${model.dialect === undefined ? nothing : fact(msg('Format', { id: 'catalog.dialect' }), dialect(model.dialect))}
        ${fact(
          msg('Licence', { id: 'catalog.licence' }),
          html`<a href=${model.licence.url} target="_blank" rel="noopener noreferrer"
            >${model.licence.name}</a
          >`,
        )}
      </dl>
      ${
        (model.licence.useLimits ?? null) === null
          ? nothing
          : html`<p class="gated">${infoIcon}<span>${model.licence.useLimits}</span></p>`
      }
      ${
        model.licence.gated
          ? html`<p class="gated">
              ${infoIcon}<span
                >${msg(
                  'The publisher asks you to accept its terms and sign in first. Download the file on its page, then add it from this device.',
                  { id: 'catalog.gated' },
                )}</span
              >
            </p>`
          : nothing
      }
      <footer>
        ${this.#action(model)}
        ${
          model.licence.gated
            ? nothing
            : html`<button
                type="button"
                class="button quiet small"
                aria-describedby="name"
                @click=${() => {
                  requestInspection(this, {
                    target: { kind: 'catalog', id: model.id },
                    name: model.name,
                  });
                }}
              >
                ${msg('Details…', { id: 'inspect.open' })}
              </button>`
        }
        <a class="source" href=${model.repositoryUrl} target="_blank" rel="noopener noreferrer"
          >${model.repository}${externalIcon}</a
        >
      </footer>
    </article>`;
  }

  #action(model: CatalogModelView): unknown {
    if (model.installedAs !== null) {
      return html`<span class="added">${checkIcon}${msg('Added', { id: 'catalog.added' })}</span>`;
    }
    if (model.licence.gated) {
      return html`<a
        class="button"
        href=${model.repositoryUrl}
        target="_blank"
        rel="noopener noreferrer"
        >${msg('Open its page', { id: 'catalog.openPage' })}</a
      >`;
    }
    const label =
      model.bytes === null
        ? msg('Download', { id: 'common.download' })
        : msg(str`Download ${formatBytes(model.bytes)}`, { id: 'catalog.download' });
    return html`<button
      type="button"
      class="button primary"
      ?disabled=${this.busy}
      aria-describedby="name"
      @click=${() => this.#add(model.id)}
    >
      ${downloadIcon}${label}
    </button>`;
  }

  async #add(catalogId: string): Promise<void> {
    this.busy = true;
    const id = await perform(this, this.services.models.addFromCatalog(catalogId));
    this.busy = false;
    if (id !== undefined) modelAdded(this, id);
  }
}

function fact(name: string, value: unknown): unknown {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}

function languages(tags: readonly string[]): string {
  const named = formatList(tags.slice(0, languagesNamed).map(formatLanguage));
  const more = tags.length - languagesNamed;
  return more > 0 ? msg(str`${named} and ${more} more`, { id: 'catalog.moreLanguages' }) : named;
}

/** How the model is talked to, and whether it can call tools. */
function dialect({ chat, tools }: NonNullable<CatalogModelView['dialect']>): string {
  if (chat === null) return msg('continues texts', { id: 'catalog.noChat' });
  return tools === null ? chat : msg(str`${chat}, with tools`, { id: 'catalog.tools' });
}

customElements.define('hermit-catalog-card', CatalogCard);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-catalog-card': CatalogCard;
  }
}
