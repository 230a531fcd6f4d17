import { css } from 'lit';

export const modelPickerStyles = css`
  :host {
    display: block;
    min-width: 0;
  }
  hermit-popover-menu {
    display: flex;
    min-width: 0;
  }
  hermit-popover-menu::part(button) {
    min-width: 0;
    padding-inline: var(--space-3);
    color: var(--ink);
  }
  .trigger {
    display: inline-flex;
    align-items: center;
    gap: var(--space-2);
    min-width: 0;
    max-width: 22rem;
    font-size: var(--text-md);
    font-weight: 550;
  }
  .text {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .trigger svg:last-child {
    width: 1rem;
    height: 1rem;
    color: var(--ink-faint);
  }
  .dot {
    flex: none;
    width: 0.5rem;
    height: 0.5rem;
    border-radius: 50%;
    background: var(--success);
  }
  .failed {
    color: var(--danger);
  }
  .percent {
    color: var(--ink-faint);
    font-variant-numeric: tabular-nums;
    font-weight: 400;
  }
  .spinner {
    width: 1rem;
    height: 1rem;
    color: var(--accent);
    animation: spin 1s linear infinite;
  }
  .panel {
    width: min(21rem, calc(100vw - 2rem));
  }
  .status {
    display: grid;
    gap: var(--space-1);
    margin: var(--space-1) var(--space-1) var(--space-2);
    padding: var(--space-2) var(--space-3);
    border-radius: var(--radius-sm);
    background: var(--surface-sunken);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .status progress {
    margin-block: var(--space-1);
  }
  .notice {
    color: var(--warning);
  }
  .error {
    color: var(--danger);
  }
  .empty {
    padding: var(--space-2) var(--space-3);
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .choice .name {
    flex: 1;
    min-width: 0;
    display: grid;
    overflow-wrap: anywhere;
    line-height: 1.35;
    padding-block: var(--space-1);
  }
  .choice svg {
    color: var(--accent);
  }
  .facts {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .manage {
    margin-top: var(--space-1);
    border-top: 1px solid var(--line);
    border-radius: 0 0 var(--radius-sm) var(--radius-sm);
    color: var(--ink-soft);
  }
  @media (prefers-reduced-motion: reduce) {
    .spinner {
      animation-duration: 4s;
    }
  }
`;
