import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatBytes } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { perform } from '../requests.ts';
import { baseStyles, progressStyles } from '../shared.styles.ts';
import { storageMeterStyles } from './storage-meter.styles.ts';

/**
 * `<hermit-storage-meter>`: about how much of the browser's storage is in use.
 *
 * "About", because browsers round and pad their estimates. Shows nothing where they give none.
 * Asks for a fresh estimate when it appears. Properties, slots, parts: none. Events: `hermit-problem`.
 */
export class StorageMeter extends HermitElement {
  static override readonly styles = [baseStyles, progressStyles, storageMeterStyles];

  readonly #storage = new Observed(this, (services) => services.app.storage);

  override connectedCallback(): void {
    super.connectedCallback();
    void perform(this, this.services.app.refreshStorage());
  }

  protected override render(): unknown {
    const { usageBytes, quotaBytes } = this.#storage.value;
    if (usageBytes === null) return nothing;
    if (quotaBytes === null || quotaBytes === 0) {
      return html`<p>
        ${msg(str`About ${formatBytes(usageBytes)} in use`, { id: 'storage.usage' })}
      </p>`;
    }
    return html`<p id="label">
        ${msg(str`About ${formatBytes(usageBytes)} of ${formatBytes(quotaBytes)} in use`, {
          id: 'storage.usageOf',
        })}
      </p>
      <progress
        aria-labelledby="label"
        max=${quotaBytes}
        .value=${Math.min(usageBytes, quotaBytes)}
      ></progress>`;
  }
}

customElements.define('hermit-storage-meter', StorageMeter);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-storage-meter': StorageMeter;
  }
}
