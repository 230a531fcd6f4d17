import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { formatNumber } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { closeIcon, spinnerIcon, warningIcon } from '../icons.ts';
import { type InspectionRequest, toErrorView } from '../requests.ts';
import type { ErrorView, InspectionView } from '../services.ts';
import { baseStyles, buttonStyles, dialogStyles, fieldStyles } from '../shared.styles.ts';
import {
  entryTable,
  memoryPanel,
  overview,
  templatePanel,
  tensorTable,
  tokenizerPanel,
} from './inspection-panels.ts';
import { inspectorDialogStyles } from './inspector-dialog.styles.ts';

type State =
  | { readonly kind: 'reading' }
  | { readonly kind: 'shown'; readonly inspection: InspectionView }
  | { readonly kind: 'failed'; readonly error: ErrorView };

const tabs = ['overview', 'memory', 'tensors', 'metadata', 'tokenizer', 'template'] as const;
type Tab = (typeof tabs)[number];

/** Rows of a list shown at once: tens of thousands would make the page slow to scroll. */
const rowsAtOnce = 200;

/**
 * `<hermit-inspector-dialog>`: what a model's header tells, before or after its download.
 *
 * Methods: `open(request)`. Properties, events, slots, parts: none. Closing it stops the reading.
 */
export class InspectorDialog extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    fieldStyles,
    dialogStyles,
    inspectorDialogStyles,
  ];
  static override readonly properties = {
    name: { state: true },
    state: { state: true },
    tab: { state: true },
    search: { state: true },
    rows: { state: true },
  };

  declare private name: string;
  declare private state: State;
  declare private tab: Tab;
  declare private search: string;
  declare private rows: number;
  #reading = new AbortController();

  constructor() {
    super();
    this.name = '';
    this.state = { kind: 'reading' };
    this.tab = 'overview';
    this.search = '';
    this.rows = rowsAtOnce;
  }

  async open({ target, name }: InspectionRequest): Promise<void> {
    this.#reading.abort();
    const reading = new AbortController();
    this.#reading = reading;
    this.name = name;
    this.state = { kind: 'reading' };
    this.#show('overview');
    await this.updateComplete;
    this.renderRoot.querySelector('dialog')?.showModal();
    try {
      const inspection = await this.services.models.inspect(target, reading.signal);
      if (!reading.signal.aborted) this.state = { kind: 'shown', inspection };
    } catch (error) {
      if (!reading.signal.aborted) this.state = { kind: 'failed', error: toErrorView(error) };
    }
  }

  protected override render(): unknown {
    return html`<dialog
      class="sheet"
      aria-labelledby="heading"
      @close=${() => {
        this.#reading.abort();
      }}
    >
      <header>
        <h2 id="heading">${this.name}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label=${msg('Close', { id: 'common.close' })}
          @click=${this.#close}
        >
          ${closeIcon}
        </button>
      </header>
      ${this.#content()}
    </dialog>`;
  }

  #content(): unknown {
    const { state } = this;
    switch (state.kind) {
      case 'reading':
        return html`<p class="state" role="status">
          ${spinnerIcon}${msg('Reading the header of the model…', { id: 'inspect.reading' })}
        </p>`;
      case 'failed':
        return html`<div class="panel">
          <div class="verdict bad" role="alert">
            ${warningIcon}
            <p>${errorText(state.error)}</p>
          </div>
        </div>`;
      case 'shown':
        return html`<div class="tabs" role="tablist" @keydown=${this.#onTabKey}>
            ${tabs.map((tab) => this.#tabButton(tab))}
          </div>
          <div
            class="panel"
            role="tabpanel"
            id="panel"
            aria-labelledby="tab-${this.tab}"
            tabindex="0"
          >
            ${this.#panel(state.inspection)}
          </div>`;
    }
  }

  #tabButton(tab: Tab): unknown {
    const selected = tab === this.tab;
    return html`<button
      type="button"
      role="tab"
      id="tab-${tab}"
      aria-selected=${selected}
      aria-controls="panel"
      tabindex=${selected ? 0 : -1}
      @click=${() => {
        this.#show(tab);
      }}
    >
      ${tabName(tab)}
    </button>`;
  }

  #panel(inspection: InspectionView): unknown {
    switch (this.tab) {
      case 'overview':
        return overview(inspection);
      case 'memory':
        return memoryPanel(inspection);
      case 'tensors':
        return this.#list(inspection.tensors, ({ name, type }) => `${name} ${type}`, tensorTable);
      case 'metadata':
        return this.#list(inspection.metadata, ({ key, text }) => `${key} ${text}`, entryTable);
      case 'tokenizer':
        return tokenizerPanel(inspection);
      case 'template':
        return templatePanel(inspection);
    }
  }

  /** A list that can be searched, of which only so many rows are shown as one looks at. */
  #list<T>(
    items: readonly T[],
    textOf: (item: T) => string,
    table: (items: readonly T[]) => unknown,
  ): unknown {
    const wanted = this.search.trim().toLowerCase();
    const found =
      wanted === '' ? items : items.filter((item) => textOf(item).toLowerCase().includes(wanted));
    const hidden = found.length - this.rows;
    return html`<div>
        <label class="visually-hidden" for="search">
          ${msg('Search this list', { id: 'inspect.search' })}
        </label>
        <input
          id="search"
          type="text"
          autocomplete="off"
          spellcheck="false"
          placeholder=${msg('Search this list', { id: 'inspect.search' })}
          .value=${this.search}
          @input=${this.#onSearch}
        />
      </div>
      <p class="hint" role="status">
        ${msg(str`${formatNumber(found.length)} of ${formatNumber(items.length)}`, {
          id: 'inspect.found',
        })}
      </p>
      ${found.length === 0 ? nothing : table(found.slice(0, this.rows))}
      ${
        hidden > 0
          ? html`<button
              type="button"
              class="button more"
              @click=${() => {
                this.rows += rowsAtOnce;
              }}
            >
              ${msg(str`Show ${formatNumber(Math.min(hidden, rowsAtOnce))} more`, {
                id: 'inspect.more',
              })}
            </button>`
          : nothing
      }`;
  }

  #show(tab: Tab): void {
    this.tab = tab;
    this.search = '';
    this.rows = rowsAtOnce;
    this.renderRoot.querySelector('.panel')?.scrollTo(0, 0);
  }

  readonly #onTabKey = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = tabs.indexOf(this.tab);
    const next =
      step !== undefined
        ? tabs[(at + step + tabs.length) % tabs.length]
        : event.key === 'Home'
          ? tabs[0]
          : event.key === 'End'
            ? tabs.at(-1)
            : undefined;
    if (next === undefined) return;
    event.preventDefault();
    this.#show(next);
    void this.updateComplete.then(() => {
      const button = this.renderRoot.querySelector<HTMLElement>(`#tab-${next}`);
      button?.focus();
      button?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    });
  };

  readonly #onSearch = (event: Event): void => {
    this.search = (event.target as HTMLInputElement).value;
    this.rows = rowsAtOnce;
  };

  readonly #close = (): void => {
    this.renderRoot.querySelector('dialog')?.close();
  };
}

function tabName(tab: Tab): string {
  switch (tab) {
    case 'overview':
      return msg('Overview', { id: 'inspect.overview' });
    case 'memory':
      return msg('Memory', { id: 'catalog.memory' });
    case 'tensors':
      return msg('Tensors', { id: 'inspect.tensors' });
    case 'metadata':
      return msg('Metadata', { id: 'inspect.metadata' });
    case 'tokenizer':
      return msg('Tokenizer', { id: 'inspect.tokenizer' });
    case 'template':
      return msg('Chat template', { id: 'inspect.template' });
  }
}

customElements.define('hermit-inspector-dialog', InspectorDialog);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-inspector-dialog': InspectorDialog;
  }
}
