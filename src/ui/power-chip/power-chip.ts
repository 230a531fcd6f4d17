import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatMilliseconds, formatNumber } from '../format.ts';
import { chipStyles } from '../chip.styles.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { gaugeIcon, leafIcon } from '../icons.ts';
import '../popover-menu/popover-menu.ts';
import { isReduced, precisionText, reasonText, threadsText } from '../power-text.ts';
import type { PowerView } from '../services.ts';
import { baseStyles } from '../shared.styles.ts';
import { powerChipStyles } from './power-chip.styles.ts';

/**
 * `<hermit-power-chip>`: how the loaded model computes at the moment, and why; nothing while none is
 * loaded. A leaf says that it is less than everything.
 *
 * Properties: `compact` where there is little room and no page of settings. Events, slots, parts: none.
 */
export class PowerChip extends HermitElement {
  static override readonly styles = [baseStyles, chipStyles, powerChipStyles];
  static override readonly properties = { compact: { type: Boolean, reflect: true } };

  declare compact: boolean;

  readonly #power = new Observed(this, (services) => services.power.power);
  readonly #active = new Observed(this, (services) => services.models.active);

  constructor() {
    super();
    this.compact = false;
  }

  protected override render(): unknown {
    const active = this.#active.value;
    if (active.kind !== 'ready') return nothing;
    const power = this.#power.value;
    const reduced = isReduced(power);
    const short = shortText(power);
    const state = reduced
      ? msg('Saving energy', { id: 'power.reduced' })
      : msg('Everything the model has', { id: 'power.full' });
    return html`<hermit-popover-menu
      .label=${msg(str`Energy: ${short}. ${state}`, { id: 'power.label' })}
    >
      <span slot="trigger" class="chip ${reduced ? 'saving' : ''}"
        >${reduced ? leafIcon : gaugeIcon}<span class="text">${short}</span></span
      >
      <div class="panel">
        <p><strong>${state}</strong></p>
        <dl>${facts(power, active.backend)}</dl>
        ${why(power)}
        ${
          this.compact
            ? nothing
            : html`<a href="#/settings">${msg('Energy settings', { id: 'power.more' })}</a>`
        }
      </div>
    </hermit-popover-menu>`;
  }
}

/** What is seen without opening: the precision, and the threads where they were taken. */
function shortText({ plan, onePrecision, fullThreads }: PowerView): string {
  const precision = onePrecision
    ? msg('as in the file', { id: 'power.asFile' })
    : plan.precision === 'mixed'
      ? msg('4 and 8 bits', { id: 'power.mixedShort' })
      : precisionText(plan.precision);
  if (plan.threads === 'auto' || fullThreads === 1) return precision;
  const threads = Math.min(plan.threads, fullThreads);
  return threads === 1
    ? msg(str`${precision}, 1 thread`, { id: 'power.shortOne' })
    : msg(str`${precision}, ${formatNumber(threads)} threads`, { id: 'power.short' });
}

function facts({ plan, onePrecision, fullThreads }: PowerView, backend: string): unknown {
  const rows: (readonly [string, string])[] = [
    [
      msg('Precision', { id: 'settings.precision' }),
      onePrecision ? msg('as in the file', { id: 'power.asFile' }) : precisionText(plan.precision),
    ],
    [msg('Threads', { id: 'power.threads' }), threadsText(plan.threads, fullThreads)],
    [msg('Computed by', { id: 'power.computes' }), backend],
  ];
  if (plan.kvType === 'q8') {
    rows.push([
      msg('Conversation', { id: 'power.conversation' }),
      msg('kept in 8 bits', { id: 'power.kvShort' }),
    ]);
  }
  if (plan.pauseMs > 0) {
    rows.push([
      msg('Pause after each token', { id: 'power.pause' }),
      formatMilliseconds(plan.pauseMs),
    ]);
  }
  return rows.map(
    ([name, value]) =>
      html`<div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`,
  );
}

function why({ reasons }: PowerView): unknown {
  if (reasons.length === 0) {
    return html`<p>
      ${msg(
        'Nothing speaks against it: no low battery, no heat, and enough memory, as far as this browser tells.',
        {
          id: 'power.nothingAgainst',
        },
      )}
    </p>`;
  }
  return html`<ul>
    ${reasons.map((reason) => html`<li>${reasonText(reason)}</li>`)}
  </ul>`;
}

customElements.define('hermit-power-chip', PowerChip);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-power-chip': PowerChip;
  }
}
