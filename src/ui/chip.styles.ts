import { css } from 'lit';

/** A quiet word in the header that opens a panel with the rest. */
export const chipStyles = css`
  :host {
    display: block;
    flex: none;
  }
  .chip {
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    padding: 0 var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    white-space: nowrap;
  }
  .chip svg {
    width: 1.125rem;
    height: 1.125rem;
  }
  .panel {
    display: grid;
    padding: var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .panel strong {
    color: var(--ink);
    font-size: var(--text-md);
  }
`;
