import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { formatBytes, formatPercent, formatTokens } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { checkIcon, chevronDownIcon, modelsIcon, spinnerIcon, warningIcon } from '../icons.ts';
import { backendReasonText, noticeText } from '../notice-text.ts';
import { menuItemStyles } from '../popover-menu/popover-menu.styles.ts';
import type { PopoverMenu } from '../popover-menu/popover-menu.ts';
import '../popover-menu/popover-menu.ts';
import { perform } from '../requests.ts';
import type { ActiveModelView, ModelView, Settings } from '../services.ts';
import { baseStyles, buttonStyles, progressStyles } from '../shared.styles.ts';
import { modelPickerStyles } from './model-picker.styles.ts';

/**
 * `<hermit-model-picker>`: which model answers, how far it has loaded, and the others to choose from.
 *
 * Properties, slots, parts: none (it reads the services). Events: `hermit-problem`.
 */
export class ModelPicker extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    progressStyles,
    menuItemStyles,
    modelPickerStyles,
  ];

  readonly #models = new Observed(this, (services) => services.models.models);
  readonly #active = new Observed(this, (services) => services.models.active);
  readonly #settings = new Observed(this, (services) => services.settings.settings);

  protected override render(): unknown {
    const active = this.#active.value;
    const ready = this.#models.value.filter(
      ({ state, purpose }) => state.kind === 'ready' && purpose !== 'embedding',
    );
    return html`<hermit-popover-menu align="start" .label=${buttonLabel(active)}>
      <span slot="trigger" class="trigger">${trigger(active)}${chevronDownIcon}</span>
      <div class="panel">
        ${status(active, this.#settings.value.precision)}
        ${
          ready.length === 0
            ? html`<p class="empty">${msg('No model is ready yet.', { id: 'picker.empty' })}</p>`
            : ready.map((model) => this.#choice(model, active))
        }
        <a class="menu-item manage" href="#/models" @click=${this.#close}>
          ${modelsIcon}${msg('Manage models', { id: 'picker.manage' })}
        </a>
      </div>
    </hermit-popover-menu>`;
  }

  #choice(model: ModelView, active: ActiveModelView): unknown {
    const chosen = active.kind === 'ready' && active.id === model.id;
    return html`<button
      type="button"
      class="menu-item choice"
      aria-current=${chosen ? 'true' : nothing}
      @click=${() => this.#select(model.id)}
    >
      <span class="name">
        <span>${model.name}</span>
        <span class="facts"
          >${model.bytesTotal === null ? model.sourceLabel : formatBytes(model.bytesTotal)}</span
        >
      </span>
      ${chosen ? checkIcon : nothing}
    </button>`;
  }

  readonly #close = (): void => {
    this.renderRoot.querySelector<PopoverMenu>('hermit-popover-menu')?.close();
  };

  async #select(id: string): Promise<void> {
    this.#close();
    await perform(this, this.services.models.select(id));
  }
}

function buttonLabel(active: ActiveModelView): string {
  switch (active.kind) {
    case 'none':
      return msg('Choose a model', { id: 'picker.choose' });
    case 'loading':
      return msg(str`${active.name} ${formatPercent(active.fraction)}, loading`, {
        id: 'picker.loadingLabel',
      });
    case 'ready':
      return msg(str`Model: ${active.name}`, { id: 'picker.readyLabel' });
    case 'failed':
      return msg(str`${active.name} could not be loaded`, { id: 'picker.failedLabel' });
  }
}

function trigger(active: ActiveModelView): unknown {
  switch (active.kind) {
    case 'none':
      return html`<span class="text">${msg('Choose a model', { id: 'picker.choose' })}</span>`;
    case 'loading':
      return html`${spinnerIcon}<span class="text">${active.name}</span>
        <span class="percent">${formatPercent(active.fraction)}</span>`;
    case 'ready':
      return html`<span class="dot"></span><span class="text">${active.name}</span>`;
    case 'failed':
      return html`<span class="failed">${warningIcon}</span
        ><span class="text">${active.name}</span>`;
  }
}

function status(active: ActiveModelView, precision: Settings['precision']): unknown {
  switch (active.kind) {
    case 'none':
      return nothing;
    case 'loading':
      return html`<div class="status">
        <p>${msg(str`Loading ${active.name} into memory…`, { id: 'picker.loading' })}</p>
        <progress
          max="1"
          .value=${active.fraction}
          aria-label=${msg('Loading the model', { id: 'picker.progress' })}
        ></progress>
      </div>`;
    case 'ready':
      return html`<div class="status">
        <p>
          ${msg(
            str`${active.architecture} · context of ${formatTokens(active.contextLength)} tokens · ${formatBytes(active.memoryBytes)} of memory`,
            { id: 'picker.facts' },
          )}
        </p>
        <p>${active.backend}. ${backendReasonText(active.backendReason)}</p>
        ${active.notices
          .filter((notice) => notice !== 'four-bit-loss' || precision === 4)
          .map((notice) => html`<p class="notice">${noticeText(notice)}</p>`)}
      </div>`;
    case 'failed':
      return html`<div class="status"><p class="error">${errorText(active.error)}</p></div>`;
  }
}

customElements.define('hermit-model-picker', ModelPicker);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-model-picker': ModelPicker;
  }
}
