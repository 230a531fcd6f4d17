import { css } from 'lit';

export const appBannersStyles = css`
  :host {
    display: block;
  }
  .banner {
    display: flex;
    align-items: center;
    gap: var(--space-2);
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
    flex: 1;
    margin-inline-start: var(--space-1);
  }
  .banner .quiet,
  .banner .icon-button {
    color: inherit;
  }
`;
