import { css } from 'lit';

export const storageViewStyles = css`
  .page {
    gap: var(--space-6);
  }
  section {
    gap: var(--space-3);
  }
  .card {
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-1);
  }
  .pad {
    display: grid;
    gap: var(--space-4);
    padding: var(--space-4) var(--space-5);
  }
  .total {
    font-size: var(--text-lg);
  }
  .bar {
    display: flex;
    gap: 2px;
    height: 0.75rem;
    border-radius: var(--radius-full);
    background: var(--surface-sunken);
    overflow: hidden;
  }
  .bar span {
    flex: 0 1 0;
  }
  .models {
    background: var(--accent);
  }
  .records {
    background: var(--shell);
  }
  .app {
    background: var(--line-strong);
  }
  dl {
    display: grid;
    gap: var(--space-2);
    margin: 0;
  }
  dl div {
    display: flex;
    align-items: baseline;
    gap: var(--space-2);
  }
  dt {
    flex: 1;
  }
  dd {
    margin: 0;
    font-variant-numeric: tabular-nums;
  }
  .key {
    width: 0.75rem;
    height: 0.75rem;
    border-radius: 3px;
    align-self: center;
  }
  ul {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  li {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-2) var(--space-4);
    padding: var(--space-3) var(--space-5);
  }
  li + li {
    border-top: 1px solid var(--line);
  }
  .about {
    flex: 1 1 14rem;
    min-width: 0;
  }
  .name {
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .facts,
  .hint {
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .bad {
    color: var(--danger);
  }
  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: var(--space-2);
  }
  .state {
    display: flex;
    gap: var(--space-2);
    align-items: flex-start;
  }
  .state svg {
    flex: none;
    margin-top: 0.15em;
  }
  .good svg {
    color: var(--success);
  }
  .empty {
    color: var(--ink-soft);
  }
`;
