import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatBytes, formatNumber } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import type { FitView } from '../services.ts';
import { baseStyles } from '../shared.styles.ts';
import { fitBadgeStyles } from './fit-badge.styles.ts';

/**
 * `<hermit-fit-badge>`: whether a model suits this device, with the memory it needs and the speed to
 * be expected.
 *
 * Properties: `fit`. Events, slots, parts: none.
 */
export class FitBadge extends HermitElement {
  static override readonly styles = [baseStyles, fitBadgeStyles];
  static override readonly properties = { fit: { attribute: false } };

  declare fit: FitView | null;

  constructor() {
    super();
    this.fit = null;
  }

  protected override render(): unknown {
    const { fit } = this;
    if (fit === null) return nothing;
    return html`<span class="badge ${fit.kind}" title=${meaning(fit.kind)}>${name(fit.kind)}</span>
      <span>${memory(fit)}</span>
      ${fit.speed === null ? nothing : speed(fit.speed)}`;
  }
}

function name(kind: FitView['kind']): string {
  return {
    fits: msg('Fits well', { id: 'fit.fits' }),
    tight: msg('Tight', { id: 'fit.tight' }),
    exceeds: msg('Too big', { id: 'fit.exceeds' }),
  }[kind];
}

function meaning(kind: FitView['kind']): string {
  return {
    fits: msg('There is room for it in the memory that a page gets here.', { id: 'fit.fitsMore' }),
    tight: msg('It may have to be loaded with 4 bits of each weight, or for shorter chats.', {
      id: 'fit.tightMore',
    }),
    exceeds: msg('Not even its smallest form fits into the memory that a page gets here.', {
      id: 'fit.exceedsMore',
    }),
  }[kind];
}

function memory({ neededBytes, budgetBytes, exact }: FitView): string {
  const [needed, budget] = [formatBytes(neededBytes), formatBytes(budgetBytes)];
  return exact
    ? msg(str`${needed} of ${budget} memory`, { id: 'fit.memory' })
    : msg(str`about ${needed} of ${budget} memory`, { id: 'fit.memoryAbout' });
}

/** What follows the point is worth telling only where there is little before it. */
function speed({ tokensPerSecond, from }: NonNullable<FitView['speed']>): unknown {
  const tokens = formatNumber(tokensPerSecond, tokensPerSecond < 10 ? 1 : 0);
  const title =
    from === 'measured'
      ? msg('Measured on this device, with models of about this size.', { id: 'fit.measuredMore' })
      : msg('Expected of devices like this one; your first answers will tell.', {
          id: 'fit.expectedMore',
        });
  const text =
    from === 'measured'
      ? msg(str`${tokens} tokens/s measured here`, { id: 'fit.measured' })
      : msg(str`about ${tokens} tokens/s expected`, { id: 'fit.expected' });
  return html`<span title=${title}>${text}</span>`;
}

customElements.define('hermit-fit-badge', FitBadge);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-fit-badge': FitBadge;
  }
}
