import { css } from 'lit';

export const statusChipStyles = css`
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
    color: var(--accent);
  }
  .chip.offline,
  .chip.offline svg {
    color: var(--warning);
  }
  .panel {
    display: grid;
    gap: var(--space-2);
    width: min(19rem, calc(100vw - 2rem));
    padding: var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .panel strong {
    color: var(--ink);
    font-size: var(--text-md);
  }
  @media (max-width: 26rem) {
    .text {
      display: none;
    }
  }
`;
