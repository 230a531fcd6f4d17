import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { offerFile } from '../file-download.ts';
import '../fit-badge/fit-badge.ts';
import { formatBytes, formatPercent } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import {
  checkIcon,
  downloadIcon,
  infoIcon,
  pauseIcon,
  playIcon,
  shieldIcon,
  shrinkIcon,
  spinnerIcon,
  trashIcon,
  warningIcon,
} from '../icons.ts';
import { menuItemStyles } from '../popover-menu/popover-menu.styles.ts';
import type { PopoverMenu } from '../popover-menu/popover-menu.ts';
import '../popover-menu/popover-menu.ts';
import { askConfirmation, perform, requestInspection, requestSmaller } from '../requests.ts';
import type { ErrorView, ModelView } from '../services.ts';
import { baseStyles, buttonStyles, progressStyles } from '../shared.styles.ts';
import { modelRowStyles } from './model-row.styles.ts';
import { bar, details, downloading, facts, fraction, paused, searchModel } from './model-state.ts';
import type { Downloading } from './model-state.ts';

/**
 * `<hermit-model-row>`: one model of the library in whatever state it is, and what can be done with it.
 *
 * Properties: `model`. Events: `hermit-problem`, `hermit-confirm`, `hermit-make-smaller`. Slots, parts: none.
 */
export class ModelRow extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    progressStyles,
    menuItemStyles,
    modelRowStyles,
  ];
  static override readonly properties = { model: { attribute: false } };

  declare model: ModelView | null;

  readonly #active = new Observed(this, (services) => services.models.active);
  #countdown: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.model = null;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopCountdown();
  }

  /** While a retry is awaited its seconds are counted down, though nothing else changes. */
  protected override updated(): void {
    const state = this.model?.state;
    const waiting = state?.kind === 'downloading' && state.retryAt !== null;
    if (!waiting) this.#stopCountdown();
    else
      this.#countdown ??= setInterval(() => {
        this.requestUpdate();
      }, 1000);
  }

  #stopCountdown(): void {
    clearInterval(this.#countdown);
    this.#countdown = undefined;
  }

  protected override render(): unknown {
    const { model } = this;
    if (model === null) return nothing;
    return html`<article aria-labelledby="name">
      <div class="head">
        <div class="title">
          <h3 id="name">${model.name}</h3>
          <p class="facts">${facts(model)}</p>
          <hermit-fit-badge .fit=${model.fit}></hermit-fit-badge>
        </div>
        ${this.#actions(model)}
      </div>
      ${this.#state(model)}
    </article>`;
  }

  #state(model: ModelView): unknown {
    const { state } = model;
    switch (state.kind) {
      case 'downloading':
        return downloading(model, state);
      case 'paused':
        return paused(model, state);
      case 'verifying':
        return html`${bar(model, state.bytesDone)}
          <p class="line">
            ${msg(str`Checking every byte… ${formatPercent(fraction(model, state.bytesDone))}`, {
              id: 'model.verifying',
            })}
          </p>`;
      case 'ready':
        return html`${model.purpose === 'embedding' ? searchModel() : nothing}
        ${details(model)}${this.#loadProblem(model)}`;
      case 'damaged':
      case 'failed':
        return html`<div role="alert">${problem(state.error)}</div>`;
      case 'deleting':
        return html`<p class="line">${msg('Deleting…', { id: 'model.deleting' })}</p>`;
    }
  }

  /** Why this model could not be loaded: stays when the message that told it was dismissed. */
  #loadProblem({ id }: ModelView): unknown {
    const active = this.#active.value;
    return active.kind === 'failed' && active.id === id ? problem(active.error) : nothing;
  }

  #actions(model: ModelView): unknown {
    const { kind } = model.state;
    if (kind === 'deleting') return html`<span class="busy">${spinnerIcon}</span>`;
    return html`<div class="actions">
      ${kind === 'ready' && model.purpose !== 'embedding' ? this.#useButton(model) : nothing}
      ${kind === 'downloading' ? this.#pauseButton(model, model.state) : nothing}
      ${kind === 'paused' ? this.#resumeButton(model) : nothing}
      ${
        kind === 'damaged' || (kind === 'failed' && mayRetry(model.state.error))
          ? this.#repairButton(model, kind)
          : nothing
      }
      ${
        kind === 'downloading' || kind === 'paused'
          ? html`<button
              type="button"
              class="button quiet small"
              @click=${() => this.#cancel(model)}
            >
              ${msg('Cancel', { id: 'common.cancel' })}
            </button>`
          : nothing
      }
      ${kind === 'ready' || kind === 'damaged' || kind === 'failed' ? this.#menu(model) : nothing}
    </div>`;
  }

  #useButton(model: ModelView): unknown {
    const active = this.#active.value;
    if (active.kind === 'ready' && active.id === model.id) {
      return html`<span class="in-use">${checkIcon}${msg('In use', { id: 'model.inUse' })}</span>`;
    }
    const loading = active.kind === 'loading' && active.id === model.id;
    return html`<button
      type="button"
      class="button primary small"
      ?disabled=${loading}
      aria-describedby="name"
      @click=${() => perform(this, this.services.models.select(model.id))}
    >
      ${
        loading
          ? msg(str`Loading ${formatPercent(active.fraction)}`, { id: 'model.loading' })
          : msg('Use', { id: 'model.use' })
      }
    </button>`;
  }

  #pauseButton(model: ModelView, state: Downloading): unknown {
    return html`<button
      type="button"
      class="button small"
      aria-describedby="name"
      @click=${() => this.#pause(model, state)}
    >
      ${pauseIcon}${msg('Pause', { id: 'model.pause' })}
    </button>`;
  }

  #resumeButton(model: ModelView): unknown {
    return html`<button
      type="button"
      class="button primary small"
      aria-describedby="name"
      @click=${() => perform(this, this.services.models.resume(model.id))}
    >
      ${playIcon}${msg('Continue', { id: 'model.resume' })}
    </button>`;
  }

  #repairButton(model: ModelView, kind: 'damaged' | 'failed'): unknown {
    const { models } = this.services;
    const { state } = model;
    const repair = async (): Promise<void> => {
      // Finds every damaged part before they are fetched; a file of another checksum is fetched anew.
      const known = state.kind === 'damaged' && state.error.code === 'store/damaged';
      if (known) await models.verify(model.id);
      await models.resume(model.id);
    };
    const act = (): Promise<unknown> => perform(this, repair());
    return html`<button type="button" class="button small" aria-describedby="name" @click=${act}>
      ${
        kind === 'damaged'
          ? msg('Verify and repair', { id: 'model.repair' })
          : msg('Try again', { id: 'common.retry' })
      }
    </button>`;
  }

  #menu(model: ModelView): unknown {
    return html`<hermit-popover-menu
      .label=${msg(str`Options for “${model.name}”`, { id: 'sidebar.options' })}
    >
      ${
        model.state.kind === 'ready'
          ? html`<button
                type="button"
                class="menu-item"
                @click=${(event: Event) => {
                  closeMenu(event);
                  const target = { kind: 'installed', id: model.id } as const;
                  requestInspection(this, { target, name: model.name });
                }}
              >
                ${infoIcon}${msg('Details…', { id: 'inspect.open' })}
              </button>
              <button
                type="button"
                class="menu-item"
                @click=${(event: Event) => {
                  closeMenu(event);
                  requestSmaller(this, model);
                }}
              >
                ${shrinkIcon}${msg('Make a smaller version…', { id: 'model.makeSmaller' })}
              </button>
              <button
                type="button"
                class="menu-item"
                @click=${(event: Event) => this.#export(event, model)}
              >
                ${downloadIcon}${msg('Save as a file', { id: 'model.export' })}
              </button>
              <button
                type="button"
                class="menu-item"
                @click=${(event: Event) => this.#verify(event, model)}
              >
                ${shieldIcon}${msg('Verify', { id: 'model.verify' })}
              </button>`
          : nothing
      }
      <button
        type="button"
        class="menu-item danger"
        @click=${(event: Event) => this.#remove(event, model)}
      >
        ${trashIcon}${msg('Delete', { id: 'common.delete' })}
      </button>
    </hermit-popover-menu>`;
  }

  async #pause(model: ModelView, state: Downloading): Promise<void> {
    const confirmed =
      state.resumable ||
      (await askConfirmation(this, {
        heading: msg('Pause this download?', { id: 'model.pauseHeading' }),
        body: msg(
          'This server cannot continue a download from the middle. After a pause it will start from the beginning.',
          { id: 'model.pauseBody' },
        ),
        confirmLabel: msg('Pause', { id: 'model.pause' }),
        danger: false,
      }));
    if (confirmed) await perform(this, this.services.models.pause(model.id));
  }

  async #cancel(model: ModelView): Promise<void> {
    const { state } = model;
    const done = 'bytesDone' in state ? state.bytesDone : 0;
    const confirmed = await askConfirmation(this, {
      heading: msg('Cancel this download?', { id: 'model.cancelHeading' }),
      body: msg(
        str`The ${formatBytes(done)} downloaded so far will be deleted. To keep them, pause instead.`,
        { id: 'model.cancelBody' },
      ),
      confirmLabel: msg('Cancel the download', { id: 'model.cancelConfirm' }),
      danger: true,
    });
    if (confirmed) await perform(this, this.services.models.cancel(model.id));
  }

  async #verify(event: Event, model: ModelView): Promise<void> {
    closeMenu(event);
    await perform(this, this.services.models.verify(model.id));
  }

  /** The bytes are compared first, which shows in the row; then the browser takes them. */
  async #export(event: Event, model: ModelView): Promise<void> {
    closeMenu(event);
    const files = await perform(this, this.services.models.exportFiles(model.id));
    for (const file of files ?? []) offerFile(file, file.name);
  }

  async #remove(event: Event, model: ModelView): Promise<void> {
    closeMenu(event);
    const confirmed = await askConfirmation(this, {
      heading: msg(str`Delete ${model.name}?`, { id: 'model.deleteHeading' }),
      body:
        model.bytesTotal === null
          ? msg(
              'Its space is freed. Your chats stay. To use it again you would have to download it again.',
              {
                id: 'model.deleteBody',
              },
            )
          : msg(
              str`This frees about ${formatBytes(model.bytesTotal)}. Your chats stay. To use it again you would have to download it again.`,
              { id: 'model.deleteBodySize' },
            ),
      confirmLabel: msg('Delete', { id: 'common.delete' }),
      danger: true,
    });
    if (confirmed) await perform(this, this.services.models.remove(model.id));
  }
}

function problem(error: ErrorView): unknown {
  return html`<p class="problem">${warningIcon}<span>${errorText(error)}</span></p>`;
}

/** Fetching the same file again cannot help where the file itself is what Hermit cannot use. */
function mayRetry(error: ErrorView): boolean {
  return !error.code.startsWith('model-file/') || error.code === 'model-file/truncated';
}

function closeMenu(event: Event): void {
  (event.currentTarget as HTMLElement).closest<PopoverMenu>('hermit-popover-menu')?.close();
}

customElements.define('hermit-model-row', ModelRow);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-model-row': ModelRow;
  }
}
