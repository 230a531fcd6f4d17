import { css } from 'lit';

export const hubSearchStyles = css`
  :host {
    display: grid;
    gap: var(--space-4);
  }
  form {
    display: flex;
    gap: var(--space-2);
  }
  form input {
    flex: 1;
    min-width: 0;
  }
  .hint {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .wait,
  .note {
    display: flex;
    align-items: center;
    gap: var(--space-2);
    color: var(--ink-soft);
  }
  [aria-live] {
    display: grid;
    gap: var(--space-3);
  }
  .list {
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-1);
    overflow: hidden;
  }
  .list > li + li {
    border-top: 1px solid var(--line);
  }
  .result {
    display: grid;
    gap: var(--space-1);
    width: 100%;
    min-height: var(--control);
    padding: var(--space-3) var(--space-4);
    border: 0;
    background: transparent;
    color: var(--ink);
    text-align: start;
  }
  .result:hover {
    background: var(--surface-hover);
  }
  .result:focus-visible {
    outline-offset: -2px;
  }
  .name {
    font-weight: 550;
    overflow-wrap: anywhere;
  }
  .facts {
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-2) var(--space-3);
  }
  .head h3 {
    margin: 0;
    font-size: var(--text-lg);
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .file {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: var(--space-2) var(--space-4);
    padding: var(--space-3) var(--space-4);
  }
  .file > div:first-child {
    flex: 1 1 14rem;
    min-width: 0;
  }
  .file .facts {
    overflow-wrap: anywhere;
  }
  .actions {
    display: flex;
    gap: var(--space-2);
  }
  .badge {
    display: inline-block;
    padding: 0 var(--space-2);
    border-radius: var(--radius-full);
    background: var(--surface-selected);
    font-size: var(--text-xs);
    font-weight: 550;
    line-height: 1.6;
    white-space: nowrap;
  }
  .badge.tight {
    background: var(--warning-soft);
    color: var(--warning);
  }
`;
