import { css } from 'lit';

export const makingRowStyles = css`
  :host {
    display: block;
  }
  article {
    display: grid;
    gap: var(--space-3);
    padding: var(--space-4) var(--space-5);
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: var(--space-2) var(--space-4);
  }
  h3 {
    flex: 1 1 14rem;
    min-width: 0;
    font-size: var(--text-md);
    font-weight: 600;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }
  .line {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 var(--space-4);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    font-variant-numeric: tabular-nums;
  }
`;
