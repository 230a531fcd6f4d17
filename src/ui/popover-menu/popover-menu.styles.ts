import { css } from 'lit';

export const popoverMenuStyles = css`
  :host {
    display: inline-flex;
  }
  .icon-button {
    min-width: var(--control);
    width: auto;
    flex: 0 1 auto;
  }
  [popover] {
    position: fixed;
    inset: auto;
    margin: 0;
    min-width: 11rem;
    max-width: calc(100vw - 1rem);
    max-height: min(28rem, 80dvh);
    padding: var(--space-1);
    overflow: auto;
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
    background: var(--surface);
    color: var(--ink);
    box-shadow: var(--shadow-3);
  }
  [popover]:popover-open {
    animation: appear var(--quick) var(--ease);
  }
`;

/** For the buttons a component puts into a menu: `<button class="menu-item">`. */
export const menuItemStyles = css`
  .menu-item {
    display: flex;
    align-items: center;
    gap: var(--space-3);
    width: 100%;
    min-height: var(--control);
    padding: var(--space-1) var(--space-3);
    border: 0;
    border-radius: var(--radius-sm);
    background: none;
    color: var(--ink);
    font-size: var(--text-md);
    text-align: start;
    text-decoration: none;
  }
  .menu-item:hover,
  .menu-item:focus-visible {
    background: var(--surface-hover);
  }
  .menu-item:focus-visible {
    outline-offset: -2px;
  }
  .menu-item.danger {
    color: var(--danger);
  }
`;
