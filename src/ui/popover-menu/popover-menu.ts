import { html } from 'lit';
import { HermitElement } from '../hermit-element.ts';
import { moreIcon } from '../icons.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { popoverMenuStyles } from './popover-menu.styles.ts';

/** Space kept between the panel and the window's edge, in px. */
const edge = 8;

/**
 * `<hermit-popover-menu>`: a button that opens a small panel beside itself.
 *
 * Properties: `label` the button's accessible name, `align` which edge of the button the panel keeps.
 * Methods: `close()`. Events: none (the panel's content has its own).
 * Slots: `trigger` what the button shows (three dots without one), default: the panel's content, whose
 * buttons the arrow keys walk through. Parts: `button`, `panel`.
 * The native popover closes on Escape and on a press elsewhere, and returns the focus.
 */
export class PopoverMenu extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, popoverMenuStyles];
  static override readonly properties = {
    label: {},
    align: {},
    expanded: { state: true },
  };

  declare label: string;
  declare align: 'start' | 'end';
  declare private expanded: boolean;

  constructor() {
    super();
    this.label = '';
    this.align = 'end';
    this.expanded = false;
  }

  close(): void {
    const panel = this.#panel;
    if (panel?.matches(':popover-open') === true) panel.hidePopover();
  }

  protected override render(): unknown {
    return html`<button
        part="button"
        type="button"
        class="icon-button"
        popovertarget="panel"
        aria-label=${this.label}
        aria-expanded=${this.expanded ? 'true' : 'false'}
      >
        <slot name="trigger">${moreIcon}</slot>
      </button>
      <div
        part="panel"
        id="panel"
        popover
        @beforetoggle=${this.#onBeforeToggle}
        @toggle=${this.#onToggle}
        @keydown=${this.#onKeyDown}
      >
        <slot></slot>
      </div>`;
  }

  get #panel(): HTMLElement | null {
    return this.renderRoot.querySelector('#panel');
  }

  get #items(): HTMLElement[] {
    const found: HTMLElement[] = [];
    for (const element of this.querySelectorAll<HTMLElement>('button, a[href]')) {
      if (element.closest('[slot="trigger"]') === null) found.push(element);
    }
    return found;
  }

  readonly #onBeforeToggle = (event: ToggleEvent): void => {
    this.expanded = event.newState === 'open';
  };

  readonly #onToggle = (event: ToggleEvent): void => {
    if (event.newState !== 'open') return;
    this.#place();
    const items = this.#items;
    (items.find((item) => item.getAttribute('aria-current') === 'true') ?? items[0])?.focus();
  };

  /** Below the button, or above it where there is no room; inside the window in any case. */
  #place(): void {
    const panel = this.#panel;
    const button = this.renderRoot.querySelector('button');
    if (panel === null || button === null) return;
    const anchor = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = panel;
    const wanted = this.align === 'start' ? anchor.left : anchor.right - width;
    const left = Math.max(edge, Math.min(wanted, innerWidth - width - edge));
    const below = anchor.bottom + 4;
    const top =
      below + height + edge > innerHeight ? Math.max(edge, anchor.top - height - 4) : below;
    panel.style.setProperty('left', `${String(left)}px`);
    panel.style.setProperty('top', `${String(top)}px`);
  }

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const items = this.#items;
    const focused = items.findIndex((item) => item.matches(':focus'));
    items.at((focused + step) % items.length)?.focus();
  };
}

customElements.define('hermit-popover-menu', PopoverMenu);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-popover-menu': PopoverMenu;
  }
}
