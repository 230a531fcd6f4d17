import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { errorText } from '../error-text.ts';
import '../fit-badge/fit-badge.ts';
import { formatBytes, formatNumber, formatTokens } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { checkIcon, chevronLeftIcon, downloadIcon, infoIcon, spinnerIcon } from '../icons.ts';
import { modelAdded, perform, requestInspection, toErrorView } from '../requests.ts';
import type { ErrorView, HubModelView, HubRepositoryView, HubResultView } from '../services.ts';
import { baseStyles, buttonStyles, fieldStyles } from '../shared.styles.ts';
import { hubSearchStyles } from './hub-search.styles.ts';

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'asking' }
  | { readonly kind: 'failed'; readonly error: ErrorView }
  | { readonly kind: 'found'; readonly results: readonly HubResultView[] }
  | { readonly kind: 'opened'; readonly repository: HubRepositoryView };

/**
 * `<hermit-hub-search>`: looks for models on the hub and offers the files of one repository.
 *
 * Properties, slots, parts: none. Events: `hermit-model-added`, `hermit-inspect`. Nothing is asked
 * before the person presses a button.
 */
export class HubSearch extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, fieldStyles, hubSearchStyles];
  static override readonly properties = { state: { state: true }, busy: { state: true } };

  declare private state: State;
  /** Files being added. */
  declare private busy: ReadonlySet<string>;
  #results: readonly HubResultView[] = [];
  /** Counts questions: an answer to an older one is dropped. */
  #asked = 0;

  constructor() {
    super();
    this.state = { kind: 'idle' };
    this.busy = new Set();
  }

  protected override render(): unknown {
    return html`<form role="search" @submit=${this.#onSubmit}>
        <label class="visually-hidden" for="query">
          ${msg('Search Hugging Face', { id: 'hub.search' })}
        </label>
        <input
          id="query"
          type="text"
          autocomplete="off"
          autocapitalize="off"
          spellcheck="false"
          enterkeyhint="search"
          placeholder=${msg('Name, or owner/name', { id: 'hub.placeholder' })}
          aria-describedby="asks"
        />
        <button type="submit" class="button">${msg('Search', { id: 'hub.go' })}</button>
      </form>
      <p class="hint" id="asks">
        ${msg(
          'A search sends these words to Hugging Face, and only when you press Search. It sees your IP address, as any site does.',
          { id: 'hub.asks' },
        )}
      </p>
      <div aria-live="polite">${this.#answer()}</div>`;
  }

  #answer(): unknown {
    const { state } = this;
    switch (state.kind) {
      case 'idle':
        return nothing;
      case 'asking':
        return html`<p class="wait">
          ${spinnerIcon}${msg('Asking Hugging Face…', { id: 'hub.asking' })}
        </p>`;
      case 'failed':
        return html`<p class="note" role="alert">
          ${infoIcon}<span>${errorText(state.error)}</span>
        </p>`;
      case 'found':
        return state.results.length === 0
          ? html`<p class="note">
              ${msg('No repository with GGUF files has this in its name.', { id: 'hub.nothing' })}
            </p>`
          : html`<ul class="list">
              ${repeat(
                state.results,
                ({ repository }) => repository,
                (result) => html`<li>${this.#result(result)}</li>`,
              )}
            </ul>`;
      case 'opened':
        return this.#repository(state.repository);
    }
  }

  #result(result: HubResultView): unknown {
    const { repository, downloads, parameters, architecture, licence } = result;
    const facts = [
      architecture,
      parameters === null ? null : parametersText(parameters),
      downloads === null
        ? null
        : msg(str`${formatNumber(downloads)} downloads`, { id: 'hub.downloads' }),
      licence,
    ].filter((fact) => fact !== null);
    return html`<button
      type="button"
      class="result"
      @click=${() => {
        void this.#open(repository);
      }}
    >
      <span class="name">${repository}</span>
      <span class="facts">
        ${facts.join(' · ')} ${result.gate === 'none' ? nothing : gateBadge()}
      </span>
    </button>`;
  }

  #repository(opened: HubRepositoryView): unknown {
    const { repository, licence, architecture, parameters, contextLength, models } = opened;
    const unknown = msg('unknown', { id: 'common.unknown' });
    const facts = [
      architecture,
      parameters === null ? null : parametersText(parameters),
      contextLength === null
        ? null
        : msg(str`${formatTokens(contextLength)} tokens`, { id: 'catalog.tokens' }),
      msg(str`Licence: ${licence ?? unknown}`, { id: 'hub.licence' }),
    ].filter((fact) => fact !== null);
    return html`<div class="head">
        <button type="button" class="button quiet small" @click=${this.#back}>
          ${chevronLeftIcon}${msg('Back to the results', { id: 'hub.back' })}
        </button>
        <h3 tabindex="-1">${repository}</h3>
      </div>
      <p class="facts">${facts.join(' · ')}</p>
      ${
        opened.gate === 'none'
          ? nothing
          : html`<p class="note">
              ${infoIcon}<span
                >${msg(
                  'The publisher asks you to accept its terms and sign in first. Download the file on its page, then add it from this device.',
                  { id: 'catalog.gated' },
                )}</span
              >
            </p>`
      }
      ${
        models.length === 0
          ? html`<p class="note">
              ${msg('This repository has no complete GGUF model.', { id: 'hub.noModels' })}
            </p>`
          : html`<ul class="list">
              ${repeat(
                models,
                ({ file }) => file,
                (model) => html`<li class="file">${this.#file(opened, model)}</li>`,
              )}
            </ul>`
      }
      ${opened.folder === null ? nothing : this.#folder(opened, opened.folder)}`;
  }

  #folder(opened: HubRepositoryView, folder: NonNullable<HubRepositoryView['folder']>): unknown {
    const { repository } = opened;
    return html`<ul class="list">
      <li class="file">
        <div>
          <span class="name">${msg('As it was trained', { id: 'hub.folder' })}</span>
          <hermit-fit-badge .fit=${folder.fit}></hermit-fit-badge>
          <div class="facts">
            ${formatBytes(folder.bytes)} ·
            ${msg('safetensors; becomes a GGUF file here as it is downloaded', {
              id: 'hub.folderHint',
            })}
          </div>
        </div>
        <div class="actions">
          <button
            type="button"
            class="button small ${opened.models.length === 0 ? 'primary' : ''}"
            aria-label=${msg(str`Download and convert ${repository}`, { id: 'hub.convertOf' })}
            ?disabled=${opened.gate !== 'none' || this.busy.has(repository)}
            @click=${() => {
              void this.#convert(repository);
            }}
          >
            ${this.busy.has(repository) ? spinnerIcon : downloadIcon}${msg('Convert', {
              id: 'hub.convert',
            })}
          </button>
        </div>
      </li>
    </ul>`;
  }

  async #convert(repository: string): Promise<void> {
    this.busy = new Set([...this.busy, repository]);
    const id = await perform(this, this.services.models.convertRepository(repository));
    this.busy = new Set([...this.busy].filter((other) => other !== repository));
    if (id !== undefined) modelAdded(this, id);
  }

  #file(opened: HubRepositoryView, model: HubModelView): unknown {
    const { file, files } = model;
    const name = model.quantization ?? file;
    const parts =
      files === 1
        ? nothing
        : html` · ${msg(str`${formatNumber(files)} files`, { id: 'hub.files' })}`;
    return html`<div>
        <span class="name">${name}</span>
        ${
          file === opened.recommended
            ? html`<span class="badge">${msg('Recommended here', { id: 'hub.recommended' })}</span>`
            : nothing
        }
        <div class="facts">${formatBytes(model.bytes)}${parts} · ${file}</div>
        <hermit-fit-badge .fit=${model.fit}></hermit-fit-badge>
      </div>
      <div class="actions">
        <button
          type="button"
          class="button quiet small"
          aria-label=${msg(str`Details of ${name}`, { id: 'hub.detailsOf' })}
          ?disabled=${opened.gate !== 'none'}
          @click=${() => {
            const { repository, commit } = opened;
            const target = { kind: 'hub', repository, revision: commit, file } as const;
            requestInspection(this, { target, name: `${repository} · ${name}` });
          }}
        >
          ${msg('Details…', { id: 'inspect.open' })}
        </button>
        ${
          model.installedAs === null
            ? html`<button
                type="button"
                class="button small ${file === opened.recommended ? 'primary' : ''}"
                aria-label=${msg(str`Download ${name}`, { id: 'hub.downloadOf' })}
                ?disabled=${opened.gate !== 'none' || this.busy.has(file)}
                @click=${() => {
                  void this.#add(opened, file);
                }}
              >
                ${downloadIcon}${msg('Download', { id: 'common.download' })}
              </button>`
            : html`<span class="wait">${checkIcon}${msg('Added', { id: 'catalog.added' })}</span>`
        }
      </div>`;
  }

  async #add(opened: HubRepositoryView, file: string): Promise<void> {
    const { models } = this.services;
    this.busy = new Set([...this.busy, file]);
    const id = await perform(this, models.addFromHub(opened.repository, opened.commit, file));
    this.busy = new Set([...this.busy].filter((other) => other !== file));
    if (id === undefined) return;
    modelAdded(this, id);
    const { state } = this;
    if (state.kind !== 'opened' || state.repository.commit !== opened.commit) return;
    const listed = state.repository.models.map((model) =>
      model.file === file ? { ...model, installedAs: id } : model,
    );
    this.state = { kind: 'opened', repository: { ...state.repository, models: listed } };
  }

  async #open(repository: string): Promise<void> {
    await this.#ask(async () => {
      const opened = await this.services.models.openHubRepository(repository);
      return { kind: 'opened', repository: opened };
    });
    this.renderRoot.querySelector<HTMLElement>('h3')?.focus();
  }

  /** Asks, and shows the answer unless another question was asked meanwhile. */
  async #ask(question: () => Promise<State>): Promise<void> {
    const number = ++this.#asked;
    this.state = { kind: 'asking' };
    let answer: State;
    try {
      answer = await question();
    } catch (error) {
      answer = { kind: 'failed', error: toErrorView(error) };
    }
    if (number !== this.#asked) return;
    this.state = answer;
    await this.updateComplete;
  }

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    const query = this.renderRoot.querySelector('input')?.value.trim() ?? '';
    if (query === '') return;
    void this.#ask(async () => {
      const found = await this.services.models.searchHub(query);
      // repositories without GGUF files are not found by words, but can be opened by their name
      const isName = /^[\w.-]+\/[\w.-]+$/.test(query);
      const isThere = found.some(({ repository }) => repository === query);
      this.#results = isName && !isThere ? [named(query), ...found] : found;
      return { kind: 'found', results: this.#results };
    });
  };

  readonly #back = (): void => {
    this.#asked++;
    this.state = { kind: 'found', results: this.#results };
  };
}

/** A repository of which nothing but its name is known. */
function named(repository: string): HubResultView {
  const unknown = { downloads: null, likes: null, licence: null, architecture: null };
  return { ...unknown, repository, parameters: null, gate: 'none' };
}

function parametersText(parameters: number): string {
  return msg(str`${formatNumber(parameters / 1e9, 2)}B parameters`, {
    id: 'hub.parameters',
  });
}

function gateBadge(): unknown {
  return html`<span class="badge tight">${msg('Needs an account', { id: 'hub.gated' })}</span>`;
}

customElements.define('hermit-hub-search', HubSearch);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-hub-search': HubSearch;
  }
}
