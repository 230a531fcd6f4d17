import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { offerFile } from '../file-download.ts';
import { formatBytes, formatDate, formatNumber, formatPercent } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { downloadIcon, fileIcon, infoIcon, shieldIcon, trashIcon } from '../icons.ts';
import { pageStyles } from '../page.styles.ts';
import { askConfirmation, perform, requestAddFile, showHint } from '../requests.ts';
import type { ModelView, StorageView as StorageState } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { storageViewStyles } from './storage-view.styles.ts';

/**
 * `<hermit-storage-view>`: what is stored on this device, how much of it, for how long, and what can
 * be done with it.
 *
 * Properties, slots, parts: none. Events: `hermit-confirm`, `hermit-problem`, `hermit-hint`,
 * `hermit-add-file`.
 */
export class StorageView extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, pageStyles, storageViewStyles];

  readonly #storage = new Observed(this, (services) => services.app.storage);
  readonly #models = new Observed(this, (services) => services.models.models);
  readonly #chats = new Observed(this, (services) => services.chats.summaries);

  /** Bytes of the parts of the bar, in their order. */
  #shares: number[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    void perform(this, this.services.app.refreshStorage());
  }

  protected override render(): unknown {
    return html`<div class="page">
      <h1 tabindex="-1">${msg('Storage', { id: 'settings.storage' })}</h1>
      ${this.#usage(this.#storage.value)} ${this.#list()} ${this.#chatsSection()}
      ${this.#keeping(this.#storage.value)}
    </div>`;
  }

  /** Widths are set here because the page's policy allows no style attributes. */
  protected override updated(): void {
    for (const [index, part] of this.renderRoot
      .querySelectorAll<HTMLElement>('.bar span')
      .entries()) {
      part.style.flexGrow = String(this.#shares[index] ?? 0);
    }
  }

  #usage(storage: StorageState): unknown {
    const models = this.#models.value.reduce((sum, model) => sum + storedBytes(model), 0);
    const total = storage.usageBytes ?? models;
    const records = storage.recordBytes;
    const app = storage.appBytes;
    this.#shares = [models, records ?? 0, app ?? 0];
    this.#shares.push(Math.max(0, total - this.#shares.reduce((sum, bytes) => sum + bytes, 0)));
    return html`<section aria-labelledby="used">
      <h2 id="used">${msg('In use', { id: 'storage.inUse' })}</h2>
      <div class="card pad">
        <p class="total">
          ${
            storage.quotaBytes === null
              ? msg(str`About ${formatBytes(total)} in use`, { id: 'storage.usage' })
              : msg(str`About ${formatBytes(total)} of ${formatBytes(storage.quotaBytes)} in use`, {
                  id: 'storage.usageOf',
                })
          }
        </p>
        <div class="bar" aria-hidden="true">
          <span class="models"></span><span class="records"></span><span class="app"></span
          ><span class="rest"></span>
        </div>
        <dl>
          ${share('models', msg('Models', { id: 'sidebar.models' }), models)}
          ${records === null ? nothing : share('records', msg('Chats and lists', { id: 'storage.records' }), records)}
          ${app === null ? nothing : share('app', msg('Hermit itself, for use without a network', { id: 'storage.app' }), app)}
        </dl>
        <p class="hint">
          ${msg(
            'The limit is what this browser says it would give; it is an estimate, and other programs use the same disk.',
            { id: 'storage.estimate' },
          )}
        </p>
      </div>
    </section>`;
  }

  #list(): unknown {
    const models = this.#models.value.toSorted((a, b) => storedBytes(b) - storedBytes(a));
    return html`<section aria-labelledby="models">
      <h2 id="models">${msg('Models', { id: 'sidebar.models' })}</h2>
      ${
        models.length === 0
          ? html`<p class="empty">
              ${msg('No model is stored here.', { id: 'storage.noModels' })}
            </p>`
          : html`<ul class="card">
              ${repeat(
                models,
                ({ id }) => id,
                (model) => this.#model(model),
              )}
            </ul>`
      }
      <div class="buttons">
        <button type="button" class="button small" @click=${() => requestAddFile(this)}>
          ${fileIcon}${msg('Add a model from a file', { id: 'storage.addFile' })}
        </button>
      </div>
      <p class="hint">
        ${msg(
          'To move a model to another device or browser, save it as a file and add that file there: nothing is downloaded again.',
          { id: 'storage.move' },
        )}
      </p>
    </section>`;
  }

  #model(model: ModelView): unknown {
    const { kind } = model.state;
    const { models } = this.services;
    const label = (action: string): string => `${action}: ${model.name}`;
    const verify = msg('Verify', { id: 'model.verify' });
    const repair = msg('Repair', { id: 'storage.repair' });
    const save = msg('Save as a file', { id: 'model.export' });
    const remove = msg('Delete', { id: 'common.delete' });
    return html`<li>
      <div class="about">
        <p class="name">${model.name}</p>
        <p class="facts">
          ${formatBytes(storedBytes(model))} · ${lastUse(model)} · ${stateText(model)}
        </p>
      </div>
      <div class="buttons">
        ${
          kind === 'ready'
            ? html`<button
                  type="button"
                  class="button small"
                  aria-label=${label(verify)}
                  @click=${() => this.#verify(model)}
                >
                  ${shieldIcon}${verify}
                </button>
                <button
                  type="button"
                  class="button small"
                  aria-label=${label(save)}
                  @click=${() => this.#save(model)}
                >
                  ${downloadIcon}${save}
                </button>`
            : nothing
        }
        ${
          kind === 'damaged'
            ? html`<button
                type="button"
                class="button small primary"
                aria-label=${label(repair)}
                @click=${() =>
                  perform(
                    this,
                    models.verify(model.id).then(() => models.resume(model.id)),
                  )}
              >
                ${shieldIcon}${repair}
              </button>`
            : nothing
        }
        ${
          kind === 'deleting'
            ? nothing
            : html`<button
                type="button"
                class="button small quiet"
                aria-label=${label(remove)}
                @click=${() => this.#remove(model)}
              >
                ${trashIcon}${remove}
              </button>`
        }
      </div>
    </li>`;
  }

  #chatsSection(): unknown {
    const { length } = this.#chats.value;
    return html`<section aria-labelledby="chats">
      <h2 id="chats">${msg('Chats', { id: 'storage.chats' })}</h2>
      <div class="card pad">
        <p>
          ${
            length === 1
              ? msg('One chat is stored here.', { id: 'storage.oneChat' })
              : msg(str`${formatNumber(length)} chats are stored here.`, {
                  id: 'storage.chatCount',
                })
          }
        </p>
        <div class="buttons">
          <button
            type="button"
            class="button small"
            ?disabled=${length === 0}
            @click=${this.#exportChats}
          >
            ${downloadIcon}${msg('Export all chats', { id: 'settings.export' })}
          </button>
          <button
            type="button"
            class="button small"
            @click=${() => this.renderRoot.querySelector<HTMLInputElement>('#import')?.click()}
          >
            ${fileIcon}${msg('Import chats', { id: 'storage.import' })}
          </button>
          <input
            id="import"
            type="file"
            accept=".json,application/json"
            hidden
            aria-label=${msg('Import chats', { id: 'storage.import' })}
            @change=${this.#onImport}
          />
        </div>
        <p class="hint">
          ${msg(
            'Chats have a database of their own: nothing that is done with models touches them.',
            { id: 'storage.apart' },
          )}
        </p>
      </div>
    </section>`;
  }

  #keeping({ kept, persisted }: StorageState): unknown {
    const promised = kept && persisted === true;
    return html`<section aria-labelledby="keeping">
      <h2 id="keeping">${msg('How long it is kept', { id: 'storage.keeping' })}</h2>
      <div class="card pad">
        <p class="state ${promised ? 'good' : ''}">
          ${promised ? shieldIcon : infoIcon}<span>${keptSentence(kept, persisted)}</span>
        </p>
        ${
          kept && persisted === false
            ? html`<div class="buttons">
                <button type="button" class="button small primary" @click=${this.#persist}>
                  ${msg('Ask the browser to keep it', { id: 'settings.persist' })}
                </button>
              </div>`
            : nothing
        }
        <p class="hint">
          ${msg(
            'Chrome, Edge and Firefox delete the data of sites without such a promise when the disk is nearly full: whole sites at once, those not visited for longest first. They promise it to sites that are installed, bookmarked or often used.',
            { id: 'storage.evictionChromium' },
          )}
        </p>
        <p class="hint">
          ${msg(
            'Safari deletes the data of a site that was not opened for seven days of using the browser. Add Hermit to the Home Screen or the Dock, and that does not apply.',
            { id: 'storage.evictionSafari' },
          )}
        </p>
        <p class="hint">
          ${msg(
            '“Clear browsing data” deletes models and chats together, promise or not. Export what you want to be sure of.',
            { id: 'storage.evictionClear' },
          )}
        </p>
      </div>
    </section>`;
  }

  async #verify(model: ModelView): Promise<void> {
    const { models } = this.services;
    const done = await perform(
      this,
      models.verify(model.id).then(() => true),
    );
    const after = models.models.value.find(({ id }) => id === model.id);
    if (done === undefined || after?.state.kind === 'damaged') return;
    showHint(
      this,
      msg(str`Every byte of ${model.name} is as it should be.`, { id: 'storage.intact' }),
    );
  }

  async #save(model: ModelView): Promise<void> {
    const files = await perform(this, this.services.models.exportFiles(model.id));
    for (const file of files ?? []) offerFile(file, file.name);
  }

  async #remove(model: ModelView): Promise<void> {
    const confirmed = await askConfirmation(this, {
      heading: msg(str`Delete ${model.name}?`, { id: 'model.deleteHeading' }),
      body: msg(
        str`This frees about ${formatBytes(storedBytes(model))}. Your chats stay. To use it again you would have to download it again.`,
        { id: 'model.deleteBodySize' },
      ),
      confirmLabel: msg('Delete', { id: 'common.delete' }),
      danger: true,
    });
    if (confirmed) await perform(this, this.services.models.remove(model.id));
  }

  readonly #exportChats = async (): Promise<void> => {
    const blob = await perform(this, this.services.chats.exportChats());
    if (blob === undefined) return;
    offerFile(blob, `hermit-chats-${new Date().toISOString().slice(0, 10)}.json`);
  };

  readonly #onImport = async (event: Event): Promise<void> => {
    const field = event.target as HTMLInputElement;
    const [file] = field.files ?? [];
    field.value = '';
    if (file === undefined) return;
    const result = await perform(this, this.services.chats.importChats(file));
    if (result === undefined) return;
    const { added, lostChats, lostMessages } = result;
    showHint(
      this,
      lostChats + lostMessages === 0
        ? msg(str`${formatNumber(added)} chats were added.`, { id: 'storage.imported' })
        : msg(
            str`${formatNumber(added)} chats were added. Of this file, ${formatNumber(lostChats)} chats and ${formatNumber(lostMessages)} messages are damaged and were left out.`,
            { id: 'storage.importedPart' },
          ),
    );
  };

  readonly #persist = async (): Promise<void> => {
    const granted = await perform(this, this.services.app.requestPersistence());
    if (granted === undefined) return;
    showHint(
      this,
      granted
        ? msg('The browser will keep your models and chats.', { id: 'settings.persistGranted' })
        : msg('The browser did not agree. Installing Hermit as an app usually helps.', {
            id: 'settings.persistRefused',
          }),
    );
  };
}

/** Bytes of a model that are on the disk now. */
function storedBytes({ state, bytesTotal }: ModelView): number {
  return 'bytesDone' in state ? state.bytesDone : (bytesTotal ?? 0);
}

function lastUse({ lastUsedAt, addedAt }: ModelView): string {
  return lastUsedAt === null
    ? msg(str`never used, added ${formatDate(addedAt)}`, { id: 'storage.neverUsed' })
    : msg(str`last used ${formatDate(lastUsedAt)}`, { id: 'storage.lastUsed' });
}

function stateText(model: ModelView): unknown {
  const { state, bytesTotal } = model;
  switch (state.kind) {
    case 'ready':
      return model.verified === 'published-hash'
        ? msg('verified against the publisher’s checksum', { id: 'storage.verified' })
        : msg('complete', { id: 'storage.complete' });
    case 'downloading':
    case 'paused':
    case 'verifying':
      return bytesTotal === null
        ? msg('not complete', { id: 'storage.incomplete' })
        : msg(str`${formatPercent(state.bytesDone / bytesTotal)} complete`, {
            id: 'storage.percent',
          });
    case 'damaged':
      return html`<span class="bad">${msg('damaged', { id: 'storage.damaged' })}</span>`;
    case 'failed':
      return html`<span class="bad">${msg('cannot be used', { id: 'storage.failed' })}</span>`;
    case 'deleting':
      return msg('Deleting…', { id: 'model.deleting' });
  }
}

function share(kind: string, name: string, bytes: number): unknown {
  return html`<div>
    <span class="key ${kind}" aria-hidden="true"></span>
    <dt>${name}</dt>
    <dd>${formatBytes(bytes)}</dd>
  </div>`;
}

function keptSentence(kept: boolean, persisted: boolean | null): string {
  if (!kept) {
    return msg('This window keeps nothing: models and chats are gone when it is closed.', {
      id: 'settings.notKept',
    });
  }
  return persisted === true
    ? msg('The browser has promised to keep your models and chats until you delete them.', {
        id: 'settings.persisted',
      })
    : msg('The browser has not promised to keep your models and chats.', {
        id: 'storage.notPromised',
      });
}

customElements.define('hermit-storage-view', StorageView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-storage-view': StorageView;
  }
}
