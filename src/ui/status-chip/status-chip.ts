import { msg } from '@lit/localize';
import { html, nothing } from 'lit';
import { chipStyles } from '../chip.styles.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { lockIcon, offlineIcon } from '../icons.ts';
import '../popover-menu/popover-menu.ts';
import { baseStyles } from '../shared.styles.ts';
import { statusChipStyles } from './status-chip.styles.ts';

/**
 * `<hermit-status-chip>`: says that everything happens on this device, and when the network is gone.
 *
 * Properties, events, slots, parts: none.
 */
export class StatusChip extends HermitElement {
  static override readonly styles = [baseStyles, chipStyles, statusChipStyles];

  readonly #online = new Observed(this, (services) => services.app.online);

  protected override render(): unknown {
    const online = this.#online.value;
    const label = online
      ? msg('On this device', { id: 'chip.onDevice' })
      : msg('Offline', { id: 'chip.offline' });
    return html`<hermit-popover-menu .label=${label}>
      <span slot="trigger" class="chip ${online ? '' : 'offline'}"
        >${online ? lockIcon : offlineIcon}<span class="text">${label}</span></span
      >
      <div class="panel">
        <p>
          <strong>${msg('Your words never leave this device.', { id: 'privacy.lead' })}</strong>
        </p>
        <p>
          ${msg(
            'Answers are computed here, chats are stored here. The network is used only for downloads you start.',
            {
              id: 'chip.explain',
            },
          )}
        </p>
        ${
          online
            ? nothing
            : html`<p>
                ${msg('You are offline. Chatting goes on as usual; downloads continue later.', {
                  id: 'chip.offlineExplain',
                })}
              </p>`
        }
        <a href="#/settings">${msg('All about privacy', { id: 'chip.more' })}</a>
      </div>
    </hermit-popover-menu>`;
  }
}

customElements.define('hermit-status-chip', StatusChip);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-status-chip': StatusChip;
  }
}
