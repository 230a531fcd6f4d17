import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { offerFile } from '../file-download.ts';
import { formatBytes, formatPercent } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { closeIcon, infoIcon, sparkIcon, spinnerIcon } from '../icons.ts';
import { perform } from '../requests.ts';
import type { ActiveModelView, AppNoticeView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { appBannersStyles } from './app-banners.styles.ts';
import { noticeBanner } from './notice-banner.ts';

/**
 * `<hermit-app-banners>`: lines at the top of the page that inform and never interrupt: an update is
 * ready, this window keeps nothing.
 *
 * Properties, slots, parts: none. Events: `hermit-problem`.
 */
export class AppBanners extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, appBannersStyles];
  static override readonly properties = {
    updateLater: { state: true },
    storageSeen: { state: true },
    applying: { state: true },
  };

  declare private updateLater: boolean;
  declare private storageSeen: boolean;
  declare private applying: boolean;

  readonly #update = new Observed(this, (services) => services.app.update);
  readonly #storage = new Observed(this, (services) => services.app.storage);
  readonly #notices = new Observed(this, (services) => services.app.notices);
  readonly #active = new Observed(this, (services) => services.models.active);

  constructor() {
    super();
    this.updateLater = false;
    this.storageSeen = false;
    this.applying = false;
  }

  protected override render(): unknown {
    const update = this.#update.value === 'ready' && !this.updateLater;
    const unkept = !this.#storage.value.kept && !this.storageSeen;
    const active = this.#active.value;
    const repairing = active.kind === 'loading' && active.repairBytes > 0;
    return html`${this.#notices.value.map((notice) => this.#notice(notice))}
    ${repairing ? repairBanner(active) : nothing} ${update ? this.#updateBanner() : nothing}
    ${unkept ? this.#storageBanner() : nothing}`;
  }

  #notice(notice: AppNoticeView): unknown {
    const { app, models } = this.services;
    const dismiss = (): void => {
      app.dismissNotice(notice.kind);
    };
    return noticeBanner(notice, {
      dismiss,
      reload: () => {
        app.reload();
      },
      load: (modelId) => {
        dismiss();
        void perform(this, models.select(modelId));
      },
    });
  }

  #updateBanner(): unknown {
    return html`<div class="banner" role="status">
      ${sparkIcon}
      <p>${msg('A new version of Hermit is ready.', { id: 'banner.update' })}</p>
      <button
        type="button"
        class="button small primary"
        ?disabled=${this.applying}
        @click=${this.#apply}
      >
        ${msg('Update', { id: 'banner.updateNow' })}
      </button>
      <button
        type="button"
        class="button small quiet"
        @click=${() => {
          this.updateLater = true;
        }}
      >
        ${msg('Later', { id: 'banner.later' })}
      </button>
    </div>`;
  }

  #storageBanner(): unknown {
    return html`<div class="banner warning" role="status">
      ${infoIcon}
      <p>
        ${msg('This window keeps nothing: models and chats are gone when you close it.', {
          id: 'banner.notKept',
        })}
      </p>
      <button type="button" class="button small quiet" @click=${this.#export}>
        ${msg('Export chats', { id: 'banner.export' })}
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label=${msg('Dismiss', { id: 'common.dismiss' })}
        @click=${() => {
          this.storageSeen = true;
        }}
      >
        ${closeIcon}
      </button>
    </div>`;
  }

  readonly #export = async (): Promise<void> => {
    const blob = await perform(this, this.services.chats.exportChats());
    if (blob === undefined) return;
    offerFile(blob, `hermit-chats-${new Date().toISOString().slice(0, 10)}.json`);
  };

  readonly #apply = async (): Promise<void> => {
    this.applying = true;
    await perform(this, this.services.app.applyUpdate());
    this.applying = false;
  };
}

function repairBanner(active: Extract<ActiveModelView, { kind: 'loading' }>): unknown {
  const bytes = formatBytes(active.repairBytes);
  return html`<div class="banner" role="status">
    ${spinnerIcon}
    <p>
      ${msg(
        str`Part of “${active.name}” is damaged on the disk. Downloading that part again (${bytes}): ${formatPercent(active.fraction)}`,
        { id: 'banner.repair' },
      )}
    </p>
  </div>`;
}

customElements.define('hermit-app-banners', AppBanners);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-app-banners': AppBanners;
  }
}
