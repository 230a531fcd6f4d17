import { css } from 'lit';

export const stepProfileStyles = css`
  :host {
    display: grid;
    gap: var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .button {
    justify-self: start;
  }
  .scroll {
    overflow-x: auto;
  }
  table {
    width: 100%;
    border-collapse: collapse;
  }
  th,
  td {
    padding: var(--space-1) var(--space-2);
    border-top: 1px solid var(--line);
    text-align: start;
    vertical-align: top;
  }
  th[scope='row'] {
    font-weight: 400;
    overflow-wrap: anywhere;
  }
  .number {
    text-align: end;
    white-space: nowrap;
    font-variant-numeric: tabular-nums;
  }
`;
