import { css } from 'lit';

export const appBannersStyles = css`
  :host {
    display: block;
  }
  .banner {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-1) var(--space-3);
    padding: var(--space-2) var(--space-4);
    background: var(--accent-soft);
    color: var(--on-accent-soft);
    font-size: var(--text-sm);
  }
  .banner.warning {
    background: var(--warning-soft);
    color: var(--warning);
  }
  p {
    flex: 1 1 12rem;
  }
  .banner .quiet,
  .banner .icon-button {
    color: inherit;
  }
`;
