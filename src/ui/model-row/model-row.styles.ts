import { css } from 'lit';

export const modelRowStyles = css`
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
  .title {
    flex: 1 1 14rem;
    min-width: 0;
  }
  h3 {
    font-size: var(--text-md);
    font-weight: 600;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }
  .facts {
    color: var(--ink-faint);
    font-size: var(--text-sm);
    overflow-wrap: anywhere;
  }
  .facts a {
    color: inherit;
  }
  .title hermit-fit-badge {
    margin-top: var(--space-1);
  }
  .actions {
    display: flex;
    align-items: center;
    gap: var(--space-1);
  }
  .in-use {
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    padding-inline: var(--space-2);
    color: var(--success);
    font-size: var(--text-sm);
    font-weight: 550;
  }
  .in-use svg,
  .actions .button svg {
    width: 1rem;
    height: 1rem;
  }
  .busy svg {
    color: var(--ink-faint);
    animation: spin 1s linear infinite;
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
  .problem {
    display: flex;
    gap: var(--space-2);
    padding: var(--space-3);
    border-radius: var(--radius-sm);
    background: var(--danger-soft);
    color: var(--danger);
    font-size: var(--text-sm);
  }
  details {
    font-size: var(--text-sm);
  }
  summary {
    display: inline-flex;
    align-items: center;
    min-height: 1.5rem;
    border-radius: var(--radius-sm);
    color: var(--ink-faint);
    cursor: pointer;
  }
  summary::before {
    content: '›';
    width: 1em;
    transition: transform var(--quick) var(--ease);
  }
  details[open] summary::before {
    transform: rotate(90deg);
  }
  summary::-webkit-details-marker {
    display: none;
  }
  summary .good {
    color: var(--success);
  }
  dl {
    display: grid;
    gap: var(--space-1);
    padding: var(--space-2) 0 0 1em;
  }
  dl div {
    display: flex;
    flex-wrap: wrap;
    gap: 0 var(--space-3);
  }
  dt {
    min-width: 6rem;
    color: var(--ink-faint);
  }
  dd {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .hash {
    font-family: var(--font-mono);
    font-size: 0.92em;
  }
  @media (pointer: coarse) {
    summary {
      min-height: var(--control);
    }
  }
`;
