import { css } from 'lit';

export const fitBadgeStyles = css`
  :host {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 0 var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    font-variant-numeric: tabular-nums;
  }
  .badge {
    display: inline-block;
    padding: 0 var(--space-2);
    border-radius: var(--radius-full);
    font-size: var(--text-xs);
    font-weight: 600;
    line-height: 1.6;
    white-space: nowrap;
  }
  .fits {
    background: var(--accent-soft);
    color: var(--on-accent-soft);
  }
  .tight {
    background: var(--warning-soft);
    color: var(--warning);
  }
  .exceeds {
    background: var(--danger-soft);
    color: var(--danger);
  }
`;
