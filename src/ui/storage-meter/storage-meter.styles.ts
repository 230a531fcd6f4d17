import { css } from 'lit';

export const storageMeterStyles = css`
  :host {
    display: grid;
    gap: var(--space-2);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    font-variant-numeric: tabular-nums;
  }
`;
