import { css } from 'lit';

export const inspectorDialogStyles = css`
  dialog.sheet {
    display: none;
    width: min(60rem, calc(100vw - 2rem));
    height: min(48rem, calc(100dvh - 2rem));
    max-height: none;
    padding: 0;
    overflow: hidden;
  }
  dialog.sheet[open] {
    display: grid;
    grid-template-rows: auto auto minmax(0, 1fr);
  }
  header {
    display: flex;
    align-items: start;
    justify-content: space-between;
    gap: var(--space-3);
    padding: var(--space-4) var(--space-3) var(--space-2) var(--space-5);
  }
  header h2 {
    margin: 0;
    padding-top: var(--space-1);
    overflow-wrap: anywhere;
  }
  .tabs {
    display: flex;
    gap: var(--space-1);
    padding: 0 var(--space-4);
    border-bottom: 1px solid var(--line);
    overflow-x: auto;
    scrollbar-width: none;
  }
  .tabs button {
    flex: none;
    min-height: var(--control);
    padding: var(--space-1) var(--space-3);
    border: 0;
    border-bottom: 2px solid transparent;
    background: transparent;
    color: var(--ink-soft);
    font-size: var(--text-md);
  }
  .tabs button:hover {
    color: var(--ink);
  }
  .tabs button[aria-selected='true'] {
    border-bottom-color: var(--accent);
    color: var(--ink);
    font-weight: 550;
  }
  .tabs button:focus-visible {
    outline-offset: -3px;
  }
  .panel {
    display: grid;
    grid-auto-rows: max-content;
    align-content: start;
    gap: var(--space-4);
    padding: var(--space-4) var(--space-5) var(--space-5);
    overflow: auto;
  }
  .state {
    display: flex;
    align-items: center;
    gap: var(--space-2);
    padding: var(--space-5);
    color: var(--ink-soft);
  }
  .verdict {
    display: flex;
    gap: var(--space-3);
    padding: var(--space-3) var(--space-4);
    border-radius: var(--radius-md);
    background: var(--accent-soft);
    color: var(--on-accent-soft);
  }
  dialog.sheet .verdict p {
    color: inherit;
  }
  .verdict.bad {
    background: var(--danger-soft);
    color: var(--danger);
  }
  .verdict.caution {
    background: var(--warning-soft);
    color: var(--warning);
  }
  .verdict svg {
    margin-top: 0.15rem;
  }
  .facts {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(11rem, 100%), 1fr));
    gap: var(--space-3) var(--space-4);
  }
  dt {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  dd {
    overflow-wrap: anywhere;
  }
  h3 {
    margin: var(--space-2) 0 0;
    font-size: var(--text-md);
    font-weight: 600;
  }
  .scroll {
    overflow-x: auto;
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: var(--text-sm);
  }
  th,
  td {
    padding: var(--space-2) var(--space-3);
    text-align: start;
    vertical-align: top;
  }
  thead th {
    background: var(--surface-sunken);
    color: var(--ink-soft);
    font-weight: 550;
    white-space: nowrap;
  }
  tbody tr + tr {
    border-top: 1px solid var(--line);
  }
  tbody th {
    font-weight: 400;
  }
  .number {
    text-align: end;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .code {
    font-family: var(--font-mono);
    font-size: var(--text-xs);
    overflow-wrap: anywhere;
    white-space: pre-wrap;
  }
  .key {
    min-width: 12rem;
  }
  .long {
    max-height: 7.5rem;
    overflow: auto;
  }
  pre {
    margin: 0;
    padding: var(--space-4);
    border-radius: var(--radius-md);
    background: var(--code-surface);
    font-family: var(--font-mono);
    font-size: var(--text-sm);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    tab-size: 2;
  }
  .fits {
    color: var(--success);
  }
  .exceeds {
    color: var(--danger);
  }
  .more {
    justify-self: center;
  }
  @media (max-width: 40rem) {
    dialog.sheet {
      width: 100%;
      max-width: 100%;
      height: 100dvh;
      margin: 0;
      border: 0;
      border-radius: 0;
    }
    header {
      padding-inline-start: var(--space-4);
    }
    .tabs {
      padding-inline: var(--space-2);
    }
    .panel {
      padding-inline: var(--space-4);
    }
    .key {
      min-width: 7rem;
    }
    th,
    td {
      padding-inline: var(--space-2);
    }
  }
`;
