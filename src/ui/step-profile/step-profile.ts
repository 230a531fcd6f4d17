import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatNumber, formatPercent } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { perform } from '../requests.ts';
import type { StepProfileView } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { stepProfileStyles } from './step-profile.styles.ts';

/** Parts shown; those left over are a fraction of a percent each. */
const shownParts = 24;

/**
 * `<hermit-step-profile>`: where the time of a token goes, measured when asked for, with the model that
 * is loaded and on what computes it now.
 *
 * Events: `hermit-problem`. Properties, slots, parts: none.
 */
export class StepProfile extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, stepProfileStyles];
  static override readonly properties = {
    profile: { state: true },
    measuring: { state: true },
  };

  declare profile: StepProfileView | null;
  declare measuring: boolean;

  constructor() {
    super();
    this.profile = null;
    this.measuring = false;
  }

  protected override render(): unknown {
    return html`<p>
        ${msg('Computes a few words with the loaded model and watches every part. It takes a moment and changes no conversation.', { id: 'profile.hint' })}
      </p>
      <button
        class="button small"
        ?disabled=${this.measuring}
        @click=${() => {
          void this.#measure();
        }}
      >
        ${
          this.measuring
            ? msg('Measuring…', { id: 'profile.measuring' })
            : msg('Measure', { id: 'profile.measure' })
        }
      </button>
      <div aria-live="polite">${this.profile === null ? nothing : this.#table(this.profile)}</div>`;
  }

  async #measure(): Promise<void> {
    this.measuring = true;
    const profile = await perform(this, this.services.power.profile());
    this.measuring = false;
    if (profile !== undefined) this.profile = profile;
  }

  #table({ backend, precision, measured, parts }: StepProfileView): unknown {
    const total = parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const shown = parts.slice(0, shownParts);
    return html`<p>${this.#summary(backend, total, precision)}</p>
      <p>
        ${
          measured
            ? msg('Measured by the clock of the device.', { id: 'profile.measured' })
            : msg(
                'This device has no clock for parts: the time of a token is shared out by their estimated work.',
                { id: 'profile.estimated' },
              )
        }
      </p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">${msg('Part, in all layers', { id: 'profile.part' })}</th>
              <th scope="col" class="number">ms</th>
              <th scope="col" class="number">${msg('Share', { id: 'profile.share' })}</th>
            </tr>
          </thead>
          <tbody>
            ${shown.map(
              ({ label, milliseconds }) =>
                html`<tr>
                  <th scope="row">${label}</th>
                  <td class="number">${formatNumber(milliseconds, 2)}</td>
                  <td class="number">${formatPercent(milliseconds / Math.max(total, 1e-9))}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`;
  }

  #summary(
    backend: StepProfileView['backend'],
    total: number,
    precision: StepProfileView['precision'],
  ): string {
    const milliseconds = formatNumber(total, 1);
    const bits = precision === 'mixed' ? '4 / 8' : formatNumber(precision);
    return backend === 'webgpu'
      ? msg(str`A token takes ${milliseconds} ms on the graphics card with ${bits} bits.`, {
          id: 'profile.onGpu',
        })
      : msg(str`A token takes ${milliseconds} ms on the processor with ${bits} bits.`, {
          id: 'profile.onProcessor',
        });
  }
}

customElements.define('hermit-step-profile', StepProfile);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-step-profile': StepProfile;
  }
}
