import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatDuration, formatPercent } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { askConfirmation } from '../requests.ts';
import type { MakingView } from '../services.ts';
import { baseStyles, buttonStyles, progressStyles } from '../shared.styles.ts';
import { makingRowStyles } from './making-row.styles.ts';

/**
 * `<hermit-making-row>`: a model that is being made: how far it is, and the way to stop it.
 *
 * Properties: `making`. Events: `hermit-confirm`. Slots, parts: none.
 */
export class MakingRow extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, progressStyles, makingRowStyles];
  static override readonly properties = { making: { attribute: false } };

  declare making: MakingView | null;

  constructor() {
    super();
    this.making = null;
  }

  protected override render(): unknown {
    const { making } = this;
    if (making === null) return nothing;
    const { from, recipe, fraction, secondsLeft } = making;
    return html`<article aria-labelledby="name">
      <div class="head">
        <h3 id="name">
          ${
            recipe === null
              ? msg(str`Making one file of “${from}”`, { id: 'making.converting' })
              : msg(str`Making “${from}” smaller: ${recipe}`, { id: 'making.heading' })
          }
        </h3>
        <button type="button" class="button quiet small" @click=${this.#stop}>
          ${msg('Cancel', { id: 'common.cancel' })}
        </button>
      </div>
      <progress aria-labelledby="name" max="1" .value=${fraction}></progress>
      <p class="line">
        <span>${phaseText(making)}</span>
        ${
          secondsLeft === null
            ? nothing
            : html`<span
                >${msg(str`about ${formatDuration(secondsLeft)} left`, { id: 'making.left' })}</span
              >`
        }
      </p>
    </article>`;
  }

  readonly #stop = async (): Promise<void> => {
    const confirmed = await askConfirmation(this, {
      heading: msg('Stop making this model?', { id: 'making.stopHeading' }),
      body: msg('What was made so far is deleted. The original stays as it is.', {
        id: 'making.stopBody',
      }),
      confirmLabel: msg('Stop', { id: 'making.stop' }),
      danger: true,
    });
    if (confirmed) this.services.models.stopMaking();
  };
}

function phaseText({ phase, fraction }: MakingView): string {
  const percent = formatPercent(fraction);
  switch (phase) {
    case 'calibrating':
      return msg(str`Reading a text to see which weights matter… ${percent}`, {
        id: 'making.calibrating',
      });
    case 'measuring':
      return msg(str`Measuring what would be lost… ${percent}`, { id: 'making.measuring' });
    case 'writing':
      return msg(str`Writing… ${percent}`, { id: 'making.writing' });
  }
}

customElements.define('hermit-making-row', MakingRow);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-making-row': MakingRow;
  }
}
